/** Tests of JSON Merge Patch: the examples of RFC 7396, exact texts, and random patches. */
import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { MAX_EDITS, MAX_JSON_DEPTH } from "../../../lib/limits.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { JsonDocument } from "../../../lib/world/edit/json_document.ts";
import { JsonSource } from "../../../lib/world/edit/json_source.ts";
import { applyMergePatch } from "../../../lib/world/edit/merge_patch.ts";
import { createRandom } from "../../support/random.ts";
import { type Json, randomJson, writeRandomly } from "./random_json.ts";

function mergeText(text: string, patch: string): string {
  const budget = new EditBudget();
  const document = new JsonDocument(text, budget);
  applyMergePatch(document, JsonSource.parse(patch), budget);
  return document.toText();
}

/** RFC 7396 Appendix A: original, patch, result. */
const RFC_7396: readonly (readonly [string, string, string])[] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', "{}"],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', "null", "null"],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
  ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

for (const [original, patch, result] of RFC_7396) {
  Deno.test(`applyMergePatch() follows RFC 7396: ${patch} on ${original}`, () => {
    assertStrictEquals(mergeText(original, patch), result);
  });
}

/** Cases beyond the RFC, with the exact result. */
const TEXTS:
  readonly (readonly [title: string, document: string, patch: string, result: string])[] = [
    ["changes nothing for an empty patch", '{ "a" : [1,\n2] }\n', "{}", '{ "a" : [1,\n2] }\n'],
    ["changes nothing for a removal of what is absent", '{"a": 1}', '{"b":null}', '{"a": 1}'],
    ["keeps the order of members", '{"b":1,"a":2}', '{"a":3,"b":4}', '{"b":4,"a":3}'],
    ["keeps nulls in arrays", "{}", '{"a":[null,{"b":null}]}', '{"a":[null,{"b":null}]}'],
    [
      "keeps the digits of a long number",
      '{"id":9007199254740993,"a":1}',
      '{"a":18446744073709551616}',
      '{"id":9007199254740993,"a":18446744073709551616}',
    ],
    [
      "keeps the line breaks of an equal array",
      '{\n  "a": [1, 2]\n}',
      '{"a":[1,2],"b":1}',
      '{\n  "a": [1, 2],\n  "b": 1\n}',
    ],
    [
      "writes new objects in the style of the document",
      '{\n\t"a": 1\n}\n',
      '{"b":{"c":[1,{}]}}',
      '{\n\t"a": 1,\n\t"b": {\n\t\t"c": [\n\t\t\t1,\n\t\t\t{}\n\t\t]\n\t}\n}\n',
    ],
    [
      "keeps CRLF",
      '{\r\n  "a": 1\r\n}\r\n',
      '{"b":{"c":1}}',
      '{\r\n  "a": 1,\r\n  "b": {\r\n    "c": 1\r\n  }\r\n}\r\n',
    ],
    [
      "merges into the last of two members with one name",
      '{"a":{"x":1},"a":{"y":2}}',
      '{"a":{"z":3}}',
      '{"a":{"x":1},"a":{"y":2,"z":3}}',
    ],
    ["takes the last of two members of the patch", '{"a":1}', '{"a":2,"a":null}', "{}"],
    ["takes the last of two members of a new object", "{}", '{"a":{"b":1,"b":null}}', '{"a":{}}'],
    ["does not change a prototype", "{}", '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ];

for (const [title, document, patch, result] of TEXTS) {
  Deno.test(`applyMergePatch() ${title}`, () =>
    assertStrictEquals(mergeText(document, patch), result));
}

Deno.test("applyMergePatch() takes a patch of MAX_JSON_DEPTH levels and not of one more", () => {
  const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
  assertStrictEquals(mergeText("{}", nested(MAX_JSON_DEPTH)), nested(MAX_JSON_DEPTH));
  assertThrows(() => mergeText("{}", nested(MAX_JSON_DEPTH + 1)), EditFault);
});

Deno.test("applyMergePatch() changes MAX_EDITS members and not one more", () => {
  const patch = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i])));
  assertStrictEquals(mergeText("{}", patch(MAX_EDITS)), patch(MAX_EDITS));
  assertThrows(() => mergeText("{}", patch(MAX_EDITS + 1)), EditFault);
  // An object that is new is one change.
  assertStrictEquals(
    mergeText("{}", `{"a":${patch(MAX_EDITS + 1)}}`),
    `{"a":${patch(MAX_EDITS + 1)}}`,
  );
});

Deno.test("applyMergePatch() agrees with the pseudo code of RFC 7396 on random documents", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = createRandom(seed);
    const document = randomJson(random, 3);
    const patch = randomJson(random, 3);
    const text = writeRandomly(random, document);
    const merged = mergeText(text, writeRandomly(random, patch));
    assertEquals(JSON.parse(merged), mergeValues(document, patch), `seed ${seed}: ${text}`);
  }
});

Deno.test("applyMergePatch() leaves every byte of untouched members", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed);
    const parts = Array.from(
      { length: 1 + Math.floor(random() * 6) },
      (_, i) =>
        `"m${i}"${random() < 0.5 ? ": " : " :"}${
          writeRandomly(random, randomJson(random, 2)).trim()
        }`,
    );
    const changed = Math.floor(random() * parts.length);
    const text = `{\n  ${parts.join(",\n  ")}\n}\n`;
    const result = mergeText(text, `{"m${changed}":{"new":[1,2]},"added":null,"m9":7}`);
    for (const [i, part] of parts.entries()) {
      if (i !== changed) {
        assertStrictEquals(result.includes(part), true, `seed ${seed}: ${part} in ${result}`);
      }
    }
  }
});

/** MergePatch() of RFC 7396 §2. */
function mergeValues(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, mergeValues(result.get(name) ?? null, value));
  }
  return Object.fromEntries(result);
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
