/** Tests of JSON Patch: the examples of RFC 6902, other cases, and random patches. */
import {
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { MAX_EDITS, MAX_JSON_DEPTH } from "../../../lib/limits.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { JsonDocument } from "../../../lib/world/edit/json_document.ts";
import { applyJsonPatch } from "../../../lib/world/edit/json_patch.ts";
import { JsonSource } from "../../../lib/world/edit/json_source.ts";
import { createRandom } from "../../support/random.ts";
import { type Json, randomJson, writeRandomly } from "./random_json.ts";

function patchText(text: string, patch: unknown): string {
  const budget = new EditBudget();
  const document = new JsonDocument(text, budget);
  const sent = typeof patch === "string" ? patch : JSON.stringify(patch);
  applyJsonPatch(document, JsonSource.parse(sent), budget);
  return document.toText();
}

function faultOf(text: string, patch: unknown): EditFault {
  try {
    patchText(text, patch);
  } catch (error) {
    if (error instanceof EditFault) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(patch)} applies to ${text}`);
}

/** RFC 6902 Appendix A: document, patch, result; without a result the patch does not apply. */
const RFC_6902:
  readonly (readonly [name: string, document: string, patch: string, result?: string])[] = [
    [
      "A.1 adding an object member",
      '{"foo":"bar"}',
      '[{"op":"add","path":"/baz","value":"qux"}]',
      '{"baz":"qux","foo":"bar"}',
    ],
    [
      "A.2 adding an array element",
      '{"foo":["bar","baz"]}',
      '[{"op":"add","path":"/foo/1","value":"qux"}]',
      '{"foo":["bar","qux","baz"]}',
    ],
    [
      "A.3 removing an object member",
      '{"baz":"qux","foo":"bar"}',
      '[{"op":"remove","path":"/baz"}]',
      '{"foo":"bar"}',
    ],
    [
      "A.4 removing an array element",
      '{"foo":["bar","qux","baz"]}',
      '[{"op":"remove","path":"/foo/1"}]',
      '{"foo":["bar","baz"]}',
    ],
    [
      "A.5 replacing a value",
      '{"baz":"qux","foo":"bar"}',
      '[{"op":"replace","path":"/baz","value":"boo"}]',
      '{"baz":"boo","foo":"bar"}',
    ],
    [
      "A.6 moving a value",
      '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
      '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]',
      '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}',
    ],
    [
      "A.7 moving an array element",
      '{"foo":["all","grass","cows","eat"]}',
      '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
      '{"foo":["all","cows","eat","grass"]}',
    ],
    [
      "A.8 testing a value: success",
      '{"baz":"qux","foo":["a",2,"c"]}',
      '[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]',
      '{"baz":"qux","foo":["a",2,"c"]}',
    ],
    ["A.9 testing a value: error", '{"baz":"qux"}', '[{"op":"test","path":"/baz","value":"bar"}]'],
    [
      "A.10 adding a nested member object",
      '{"foo":"bar"}',
      '[{"op":"add","path":"/child","value":{"grandchild":{}}}]',
      '{"foo":"bar","child":{"grandchild":{}}}',
    ],
    [
      "A.11 ignoring unrecognized elements",
      '{"foo":"bar"}',
      '[{"op":"add","path":"/baz","value":"qux","xyz":123}]',
      '{"foo":"bar","baz":"qux"}',
    ],
    [
      "A.12 adding to a nonexistent target",
      '{"foo":"bar"}',
      '[{"op":"add","path":"/baz/bat","value":"qux"}]',
    ],
    [
      "A.14 ~ escape ordering",
      '{"/":9,"~1":10}',
      '[{"op":"test","path":"/~01","value":10}]',
      '{"/":9,"~1":10}',
    ],
    [
      "A.15 comparing strings and numbers",
      '{"/":9,"~1":10}',
      '[{"op":"test","path":"/~01","value":"10"}]',
    ],
    [
      "A.16 adding an array value",
      '{"foo":["bar"]}',
      '[{"op":"add","path":"/foo/-","value":["abc","def"]}]',
      '{"foo":["bar",["abc","def"]]}',
    ],
  ];

for (const [name, document, patch, result] of RFC_6902) {
  Deno.test(`applyJsonPatch() follows RFC 6902 ${name}`, () => {
    if (result === undefined) return assertStrictEquals(faultOf(document, patch).kind, "conflict");
    assertEquals(JSON.parse(patchText(document, patch)), JSON.parse(result));
  });
}

Deno.test("applyJsonPatch() follows RFC 6902 A.13: the last of two members with one name counts", () => {
  const patch = '[{"op":"add","path":"/baz","value":"qux","op":"remove"}]';
  assertStrictEquals(faultOf('{"foo":"bar"}', patch).kind, "conflict");
});

/** Document, patch and the exact result. */
const TEXTS:
  readonly (readonly [title: string, document: string, patch: unknown, result: string])[] = [
    ["adds to an empty object", "{}", [{ op: "add", path: "/a", value: 1 }], '{"a":1}'],
    ["adds to an empty array", "[]", [{ op: "add", path: "/0", value: 1 }], "[1]"],
    [
      "adds at the end of an array by its length",
      "[1]",
      [{ op: "add", path: "/1", value: 2 }],
      "[1,2]",
    ],
    [
      "adds a member with an empty name",
      '{"a":1}',
      [{ op: "add", path: "/", value: 2 }],
      '{"a":1,"":2}',
    ],
    ["adds null", '{"a":1}', [{ op: "add", path: "/b", value: null }], '{"a":1,"b":null}'],
    [
      "replaces an existing member by add",
      '{"a":1}',
      [{ op: "add", path: "/a", value: 2 }],
      '{"a":2}',
    ],
    [
      "replaces the whole document",
      ' {"a":1}\n',
      [{ op: "replace", path: "", value: [1] }],
      " [1]\n",
    ],
    ["adds the whole document", "1", [{ op: "add", path: "", value: { a: 1 } }], '{"a":1}'],
    ["treats a number as the name of a member", '{"0":1}', [{
      op: "replace",
      path: "/0",
      value: 2,
    }], '{"0":2}'],
    ["treats - as the name of a member", "{}", [{ op: "add", path: "/-", value: 2 }], '{"-":2}'],
    [
      "moves a value to its own place",
      '{"a":1}',
      [{ op: "move", from: "/a", path: "/a" }],
      '{"a":1}',
    ],
    [
      "moves a member over another",
      '{"a":1,"b":2}',
      [{ op: "move", from: "/a", path: "/b" }],
      '{"b":1}',
    ],
    [
      "copies a value",
      '{"a":[1, 2]}',
      [{ op: "copy", from: "/a", path: "/b" }],
      '{"a":[1, 2],"b":[1, 2]}',
    ],
    [
      "copies the document into itself",
      '{"a":1}',
      [{ op: "copy", from: "", path: "/b" }],
      '{"a":1,"b":{"a":1}}',
    ],
    ["replaces the document by a part of it", '{"a":{"b":1}}', [{
      op: "move",
      from: "/a",
      path: "",
    }], '{"b":1}'],
    ["changes what it added", "{}", [
      { op: "add", path: "/a", value: { b: [] } },
      { op: "add", path: "/a/b/-", value: 1 },
      { op: "copy", from: "/a", path: "/c" },
      { op: "remove", path: "/a/b/0" },
    ], '{"a":{"b":[]},"c":{"b":[1]}}'],
    [
      "keeps digits of long numbers",
      '{"a":12345678901234567890, "b":1}',
      '[{"op":"add","path":"/c","value":98765432109876543210.50}]',
      '{"a":12345678901234567890, "b":1, "c":98765432109876543210.50}',
    ],
    ["finds a name by its escaped spelling", '{"\\u0061":1}', [{
      op: "replace",
      path: "/a",
      value: 2,
    }], '{"\\u0061":2}'],
    [
      "adds a name that needs escapes",
      "{}",
      [{ op: "add", path: '/a"\n', value: 1 }],
      '{"a\\"\\n":1}',
    ],
    ["changes the last of two members with one name", '{"a":1,"a":2}', [{
      op: "replace",
      path: "/a",
      value: 3,
    }], '{"a":1,"a":3}'],
    [
      "removes all members with one name",
      '{"a":1,"b":0,"a":2}',
      [{ op: "remove", path: "/a" }],
      '{"b":0}',
    ],
    ["removes and adds a name again", '{"a":1,"b":2}', [{ op: "remove", path: "/a" }, {
      op: "add",
      path: "/a",
      value: 3,
    }], '{"b":2,"a":3}'],
  ];

for (const [title, document, patch, result] of TEXTS) {
  Deno.test(`applyJsonPatch() ${title}`, () =>
    assertStrictEquals(patchText(document, patch), result));
}

Deno.test("applyJsonPatch() compares numbers by their value and members in any order", () => {
  const equal: readonly (readonly [string, string])[] = [
    ["1", "1.0"],
    ["100", "1e2"],
    ["0", "-0.0"],
    ["1.5e-3", "0.0015"],
    ["12345678901234567890", "12345678901234567890"],
    ['{"a":1,"b":[2]}', '{"b":[2.0],"a":1}'],
    ['"\\u00e9"', '"é"'],
    ["[]", "[]"],
    ["{}", "{}"],
    ["null", "null"],
  ];
  for (const [a, b] of equal) {
    const patch = `[{"op":"test","path":"/v","value":${b}}]`;
    assertStrictEquals(patchText(`{"v":${a}}`, patch), `{"v":${a}}`);
  }
  const different: readonly (readonly [string, string])[] = [
    ["1", "2"],
    ["1", "-1"],
    ["1", "10"],
    ["12345678901234567890", "12345678901234567891"],
    ['"1"', "1"],
    ["null", "false"],
    ["[1,2]", "[2,1]"],
    ["[1]", "[1,1]"],
    ['{"a":1}', '{"a":1,"b":1}'],
    ['{"a":1}', '{"b":1}'],
    ["[]", "{}"],
  ];
  for (const [a, b] of different) {
    assertStrictEquals(
      faultOf(`{"v":${a}}`, `[{"op":"test","path":"/v","value":${b}}]`).kind,
      "conflict",
      `${a} ${b}`,
    );
  }
});

Deno.test("applyJsonPatch() names the operation that does not apply, and what it found", () => {
  const found = (document: string, op: Record<string, unknown>) => {
    const fault = faultOf(document, [{ op: "test", path: "", value: JSON.parse(document) }, op]);
    assertStrictEquals(fault.kind, "conflict");
    return fault.message;
  };
  const cases: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    [
      '{"a":1}',
      { op: "remove", path: "/b" },
      /^edit 2 of 2 \(remove "\/b"\): there is no member "b"$/,
    ],
    ["[1,2]", { op: "replace", path: "/2", value: 0 }, /no index "2" in an array of 2$/],
    ["[1,2]", { op: "add", path: "/3", value: 0 }, /no index "3" in an array of 2; - appends$/],
    ["[1,2]", { op: "add", path: "/01", value: 0 }, /no index "01"/],
    ["[1,2]", { op: "add", path: "/1e0", value: 0 }, /no index "1e0"/],
    ["[1,2]", { op: "remove", path: "/-" }, /no index "-"/],
    ['{"a":{"b":1}}', { op: "add", path: "/a/x/y", value: 0 }, /at "\/a" it has no member "x"$/],
    [
      '{"a":1}',
      { op: "add", path: "/a/b", value: 0 },
      /at "\/a" it is neither an object nor an array$/,
    ],
    [
      '{"a":[1]}',
      { op: "add", path: "/a/4/b", value: 0 },
      /it is an array of 1 without the index "4"$/,
    ],
    ['{"a":1}', { op: "test", path: "/a", value: 2 }, /the value is "1", not "2"$/],
    ['{"a":1}', { op: "move", from: "/b", path: "/c" }, /from "\/b": there is no member "b"$/],
    ['{"a":1}', { op: "remove", path: "" }, /the whole document cannot be removed$/],
    ['{"a":1}', { op: "remove", path: "/__proto__" }, /there is no member "__proto__"$/],
    ['{"a":1}', { op: "remove", path: "/constructor/x" }, /it has no member "constructor"$/],
  ];
  for (const [document, op, pattern] of cases) assertMatch(found(document, op), pattern);
});

Deno.test("applyJsonPatch() refuses malformed patches and says which operation", () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{}, /an array of operations/],
    [[1], /^edit 1 is not an object/],
    [[{ path: "/a", value: 1 }], /edit 1 needs "op"/],
    [[{ op: "add", value: 1 }], /edit 1 needs "path"/],
    [[{ op: "add", path: "/a" }], /edit 1 needs "value"/],
    [[{ op: "spam", path: "/a" }], /op "\\"spam\\""|op "spam"/],
    [[{ op: "ADD", path: "/a", value: 1 }], /known: add, remove/],
    [[{ op: "add", path: "a", value: 1 }], /not a JSON Pointer/],
    [[{ op: "add", path: "/a~2", value: 1 }], /not a JSON Pointer/],
    [[{ op: "add", path: "/a~", value: 1 }], /not a JSON Pointer/],
    [[{ op: "add", path: 1, value: 1 }], /needs "path", a string/],
    [[{ op: "copy", path: "/a" }], /needs "from"/],
    [[{ op: "move", from: "/a", path: "/a/b" }], /moves a value into itself/],
    [[{ op: "test", path: "", value: 0 }, { op: "move", from: "", path: "/a" }], /^edit 2 moves/],
  ];
  for (const [patch, pattern] of cases) {
    const fault = faultOf("{}", patch);
    assertStrictEquals(fault.kind, "malformed", JSON.stringify(patch));
    assertMatch(fault.message, pattern);
  }
});

Deno.test("applyJsonPatch() takes MAX_EDITS operations and not one more", () => {
  const operation = { op: "add", path: "/-", value: 0 };
  const most = Array.from({ length: MAX_EDITS }, () => operation);
  assertStrictEquals(JSON.parse(patchText("[]", most)).length, MAX_EDITS);
  assertStrictEquals(faultOf("[]", [...most, operation]).kind, "too-large");
});

Deno.test("applyJsonPatch() makes MAX_JSON_DEPTH levels and not one more", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  const add = (levels: number) => `[{"op":"add","path":"/a","value":${nested(levels)}}]`;
  assertStrictEquals(
    patchText("{}", add(MAX_JSON_DEPTH - 1)),
    `{"a":${nested(MAX_JSON_DEPTH - 1)}}`,
  );
  assertStrictEquals(faultOf("{}", add(MAX_JSON_DEPTH)).kind, "too-large");
  const test = `[{"op":"test","path":"","value":${nested(MAX_JSON_DEPTH + 1)}}]`;
  assertStrictEquals(faultOf(nested(MAX_JSON_DEPTH + 1), test).kind, "too-large");
});

Deno.test("applyJsonPatch() does not recurse for each level of a deep document or path", () => {
  const deep = `${"[".repeat(100_000)}1${"]".repeat(100_000)}`;
  const whole = `{"a":1,"deep":${deep}}`;
  assertStrictEquals(
    patchText(whole, [{ op: "replace", path: "/a", value: 2 }]),
    whole.replace('"a":1', '"a":2'),
  );
  const path = "/0".repeat(100_000);
  assertStrictEquals(faultOf(deep, [{ op: "replace", path, value: 2 }]).kind, "too-large");
  assertStrictEquals(faultOf(deep, [{ op: "remove", path }]).kind, "too-large");
  assertStrictEquals(
    faultOf(`{"a":${deep}}`, [{ op: "copy", from: "/a", path: "/b" }]).kind,
    "too-large",
  );
});

Deno.test("applyJsonPatch() ends patches that multiply their work", () => {
  const half = JSON.stringify(Array.from({ length: 20_000 }, (_, i) => i));
  const doubling = Array.from({ length: 40 }, () => ({ op: "copy", from: "", path: "/-" }));
  const inserts = Array.from({ length: MAX_EDITS }, () => ({ op: "add", path: "/0", value: 0 }));
  const moves = Array.from({ length: MAX_EDITS }, () => ({ op: "move", from: "/a", path: "/a" }));
  const tests = Array.from(
    { length: MAX_EDITS },
    () => `{"op":"test","path":"/a","value":${half.slice(0, 400)}]}`,
  );
  assertStrictEquals(faultOf(half, doubling).kind, "too-large");
  assertStrictEquals(JSON.parse(patchText(half, inserts)).length, 20_000 + MAX_EDITS);
  assertStrictEquals(patchText(`{"a":${half}}`, moves), `{"a":${half}}`);
  assertStrictEquals(faultOf(`{"a":${half}}`, `[${tests.join(",")}]`).kind, "conflict");
});

Deno.test("applyJsonPatch() agrees with a simple implementation on random documents", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed);
    const value = randomJson(random, 3);
    const text = writeRandomly(random, value);
    const patch = Array.from({ length: 4 }, () => randomOperation(random, value));
    let expected: Json | undefined;
    try {
      expected = patch.reduce((current: Json, operation) => applySimply(current, operation), value);
    } catch {
      expected = undefined;
    }
    const note = `seed ${seed}: ${text} ${JSON.stringify(patch)}`;
    if (expected === undefined) assertStrictEquals(faultOf(text, patch).kind, "conflict", note);
    else assertEquals(JSON.parse(patchText(text, patch)), expected, note);
  }
});

interface RandomOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: Json;
}

/** An operation whose paths are those of the document, sometimes with an error. */
function randomOperation(random: () => number, document: Json): RandomOperation {
  const paths = pathsOf(document, "");
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const path = pick(paths) + (random() < 0.3 ? pick(["/0", "/-", "/new", "/1"]) : "");
  const op = pick(["add", "remove", "replace", "copy", "test", "move"]);
  if (op === "copy") return { op, path, from: pick(paths) };
  if (op === "move") {
    const from = pick(paths);
    return path === from || path.startsWith(`${from}/`)
      ? { op: "copy", path, from }
      : { op, path, from };
  }
  if (op === "remove") return { op, path };
  return { op, path, value: randomJson(random, 2) };
}

function pathsOf(value: Json, path: string): string[] {
  if (typeof value !== "object" || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, `${path}/${key}`)),
  ];
}

/** RFC 6902 on values, without any attention to text or time. */
function applySimply(document: Json, { op, path, from, value = null }: RandomOperation): Json {
  const root: { top: Json } = { top: structuredClone(document) };
  const keysOf = (pointer: string) => ["top", ...pointer.split("/").slice(1)];
  const parentOf = (keys: readonly string[]): Record<string, Json> | Json[] => {
    let node: Json = root as unknown as Json;
    for (const key of keys.slice(0, -1)) node = childOf(node, key);
    if (typeof node !== "object" || node === null) throw new Error("no parent");
    return node;
  };
  const read = (keys: readonly string[]) => childOf(parentOf(keys) as Json, keys.at(-1) ?? "");
  const remove = (keys: readonly string[]) => {
    read(keys);
    if (keys.length === 1) throw new Error("root");
    const [parent, key = ""] = [parentOf(keys), keys.at(-1)];
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
  };
  const add = (keys: readonly string[], added: Json, replaces: boolean) => {
    const [parent, key = ""] = [parentOf(keys), keys.at(-1)];
    if (!Array.isArray(parent)) return void (parent[key] = added);
    const index = key === "-" ? parent.length : Number(key);
    if (!/^(?:-|0|[1-9]\d*)$/.test(key) || index > parent.length) throw new Error("index");
    parent.splice(index, replaces ? 1 : 0, added);
  };
  const keys = keysOf(path);
  if (op === "remove") remove(keys);
  else if (op === "add") add(keys, value, false);
  else if (op === "replace") {
    read(keys);
    add(keys, value, true);
  } else if (op === "test") assertEquals(read(keys), value);
  else {
    const moved = structuredClone(read(keysOf(from ?? "")));
    if (op === "move") remove(keysOf(from ?? ""));
    add(keys, moved, false);
  }
  return root.top;
}

function childOf(node: Json, key: string): Json {
  if (typeof node !== "object" || node === null || !Object.hasOwn(node, key)) {
    throw new Error("absent");
  }
  if (Array.isArray(node) && key === "length") throw new Error("absent");
  return (node as Record<string, Json>)[key] as Json;
}

Deno.test("an EditFault is thrown for a patch, never another error", () => {
  assertThrows(() => patchText("{}", [{ op: "remove", path: "/a" }]), EditFault);
});
