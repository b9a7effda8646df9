/** Tests of the parser of JSON texts. */
import {
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { JsonSource, JsonSyntaxFault } from "../../../lib/world/edit/json_source.ts";
import { createRandom } from "../../support/random.ts";
import { randomJson, writeRandomly } from "./random_json.ts";

/** Texts that are not JSON (RFC 8259). */
const INVALID = [
  "",
  " ",
  "{",
  "}",
  "[",
  "]",
  "[1,]",
  '{"a":1,}',
  "{a:1}",
  "{'a':1}",
  "[1 2]",
  '{"a" 1}',
  '{"a":}',
  "[,]",
  "{,}",
  "01",
  "1.",
  ".5",
  "+1",
  "-",
  "1e",
  "0x1",
  "NaN",
  "Infinity",
  "undefined",
  "True",
  "nul",
  "truex",
  '"a',
  '"\n"',
  '"\t"',
  '"\\x"',
  '"\\u12g4"',
  "'a'",
  "// c\n1",
  "/* c */1",
  "1 // c",
  "[1]]",
  "1 2",
  "{}{}",
  '{"a":1 "b":2}',
  '{"a":1,"b"}',
  "[1}",
  '{"a":1]',
  "\u00a01",
  "\ufeff1",
  "1\u2028",
  "[1,,2]",
  "{1:2}",
];

Deno.test("JsonSource.parse() refuses what JSON.parse refuses, with line and column", () => {
  for (const text of INVALID) {
    assertThrows(() => JSON.parse(text), SyntaxError, text);
    assertThrows(() => JsonSource.parse(text), JsonSyntaxFault, JSON.stringify(text));
  }
  assertThrows(
    () => JsonSource.parse('{\n  "a": 1,\n  b: 2\n}'),
    /line 3, column 3: a name in double quotes is/,
  );
  assertThrows(
    () => JsonSource.parse("[1, 2"),
    /line 1, column 6: a comma or the end of the array/,
  );
});

Deno.test("JsonSource.parse() agrees with JSON.parse on altered texts", () => {
  const bits = ['"', "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "\\", " ", "\n", "n", "/"];
  for (let seed = 1; seed <= 2000; seed++) {
    const random = createRandom(seed);
    const text = writeRandomly(random, randomJson(random, 2));
    const at = Math.floor(random() * text.length);
    const altered = text.slice(0, at) + (bits[Math.floor(random() * bits.length)] ?? "") +
      text.slice(at + Math.floor(random() * 2));
    assertStrictEquals(
      isAccepted(JsonSource.parse, altered),
      isAccepted(JSON.parse, altered),
      JSON.stringify(altered),
    );
  }
});

function isAccepted(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof JsonSyntaxFault) return false;
    throw error;
  }
}

Deno.test("JsonSource has kind, text, name and depth of each value", () => {
  const source = JsonSource.parse(' {"a" : [1, {"\\u0062": "x\\n"}], "c":null}');
  const rows = [];
  for (let id = 0; id < source.next(0); id++) {
    rows.push([source.kind(id), source.textOf(id), source.depth(id)]);
  }
  assertEquals(rows, [
    ["object", '{"a" : [1, {"\\u0062": "x\\n"}], "c":null}', 3],
    ["array", '[1, {"\\u0062": "x\\n"}]', 2],
    ["number", "1", 0],
    ["object", '{"\\u0062": "x\\n"}', 1],
    ["string", '"x\\n"', 0],
    ["literal", "null", 0],
  ]);
  assertEquals([source.key(1), source.key(4), source.key(5), source.stringOf(4)], [
    "a",
    "b",
    "c",
    "x\n",
  ]);
  assertEquals([source.next(1), source.next(5), source.itemStart(2), source.start(2)], [
    5,
    6,
    9,
    9,
  ]);
});

Deno.test("JsonSource.parse() reads a million levels without recursion", () => {
  const deep = `${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`;
  assertStrictEquals(JsonSource.parse(deep).depth(0), 1_000_000);
  assertThrows(() => JsonSource.parse("[".repeat(1_000_000)), JsonSyntaxFault);
});

Deno.test("the message of a fault has no text of the document", () => {
  assertThrows(() => JsonSource.parse('{"secret": hunter2}'), (error) => {
    assertMatch(String(error), /a value is expected$/);
    return !String(error).includes("hunter2");
  });
});
