/** Tests of changes of a JSON text that keep the rest of it. */
import { assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { JsonDocument } from "../../../lib/world/edit/json_document.ts";
import { JsonSource } from "../../../lib/world/edit/json_source.ts";

/** Adds, replaces or inserts a value. */
function set(text: string, keys: readonly string[], value: string, insert = false): string {
  const document = new JsonDocument(text, new EditBudget());
  const place = document.find(keys);
  if ("missing" in place) throw new Error(place.reason);
  document.write(place, JsonSource.parse(value), 0, { insert });
  return document.toText();
}

function remove(text: string, keys: readonly string[]): string {
  const document = new JsonDocument(text, new EditBudget());
  const place = document.find(keys);
  if ("missing" in place) throw new Error(place.reason);
  document.remove(place);
  return document.toText();
}

const PRETTY = '{\n  "a": 1,\n  "list": [\n    1,\n    2\n  ],\n  "inline": [1, 2]\n}\n';

/** Text, path, value and result. */
const WRITES: readonly (readonly [string, string, readonly string[], string, string])[] = [
  ["replaces a scalar only", PRETTY, ["a"], '"x"', PRETTY.replace("1", '"x"')],
  [
    "adds a member with the indentation of the others",
    '{\n    "a": 1\n}',
    ["b"],
    "2",
    '{\n    "a": 1,\n    "b": 2\n}',
  ],
  ["adds a member to an object on one line", '{ "a": 1 }', ["b"], "2", '{ "a": 1, "b": 2 }'],
  [
    "adds a member without spaces where there are none",
    '{"a":1}',
    ["b"],
    '{"c":[1,2]}',
    '{"a":1,"b":{"c":[1,2]}}',
  ],
  [
    "adds a member with the space of the others",
    '{"a": 1, "b": 2}',
    ["c"],
    '{"d":[1,2]}',
    '{"a": 1, "b": 2, "c": {"d": [1, 2]}}',
  ],
  [
    "fills an empty object of a text with lines",
    '{\n  "a": {}\n}',
    ["a", "b"],
    "1",
    '{\n  "a": {\n    "b": 1\n  }\n}',
  ],
  [
    "fills an empty array of a text with lines",
    '{\n  "a": []\n}',
    ["a", "0"],
    "1",
    '{\n  "a": [\n    1\n  ]\n}',
  ],
  ["keeps a space before a colon", '{"a" : 1}', ["b"], "2", '{"a" : 1, "b": 2}'],
  ["keeps spaces before commas", '{"a":1 , "b":2}', ["a"], "3", '{"a":3 , "b":2}'],
  ["writes tabs", '{\n\t"a": 1\n}', ["b"], "[1]", '{\n\t"a": 1,\n\t"b": [\n\t\t1\n\t]\n}'],
  ["replaces the whole text and keeps what is around it", "\n 1 \n", [], "[1]", "\n [1] \n"],
];

for (const [title, text, keys, value, result] of WRITES) {
  Deno.test(`JsonDocument ${title}`, () => assertStrictEquals(set(text, keys, value), result));
}

const INSERTS: readonly (readonly [string, string, readonly string[], string, string])[] = [
  ["inserts at the start", "[1, 2]", ["0"], "0", "[0, 1, 2]"],
  ["inserts in the middle", "[1, 2]", ["1"], "0", "[1, 0, 2]"],
  ["inserts at the end", "[1, 2]", ["-"], "0", "[1, 2, 0]"],
  ["inserts into a compact array", "[1,2]", ["1"], "[0, 0]", "[1,[0,0],2]"],
  ["inserts lines", "[\n  1,\n  2\n]", ["0"], '{"a":1}', '[\n  {\n    "a": 1\n  },\n  1,\n  2\n]'],
  [
    "inserts into an array on one line in a text with lines",
    PRETTY,
    ["inline", "1"],
    '{"a":1}',
    PRETTY.replace("[1, 2]", '[1, {"a": 1}, 2]'),
  ],
];

for (const [title, text, keys, value, result] of INSERTS) {
  Deno.test(`JsonDocument ${title}`, () =>
    assertStrictEquals(set(text, keys, value, true), result));
}

const REMOVALS: readonly (readonly [string, string, readonly string[], string])[] = [
  ["removes the first element with its space", "[1, 2, 3]", ["0"], "[2, 3]"],
  ["removes an element in the middle", "[1, 2, 3]", ["1"], "[1, 3]"],
  ["removes the last element", "[\n  1,\n  2\n]", ["1"], "[\n  1\n]"],
  ["removes the only element with its lines", "[\n  1\n]", ["0"], "[]"],
  ["removes the first member", '{\n  "a": 1,\n  "b": 2\n}', ["a"], '{\n  "b": 2\n}'],
  ["removes a member with its lines", PRETTY, ["list"], '{\n  "a": 1,\n  "inline": [1, 2]\n}\n'],
  ["removes the last member of an object on one line", '{ "a": 1, "b": 2 }', ["b"], '{ "a": 1 }'],
];

for (const [title, text, keys, result] of REMOVALS) {
  Deno.test(`JsonDocument ${title}`, () => assertStrictEquals(remove(text, keys), result));
}

Deno.test("JsonDocument moves a value with its lines to another indentation", () => {
  const text = '{\n  "a": {\n    "x": [\n      1\n    ]\n  },\n  "b": 2\n}\n';
  const document = new JsonDocument(text, new EditBudget());
  const from = document.find(["a", "x"]);
  if ("missing" in from) throw new Error(from.reason);
  const node = document.nodeAt(from);
  document.remove(from);
  const to = document.find(["x"]);
  if ("missing" in to) throw new Error(to.reason);
  document.writeNode(to, node, false);
  assertStrictEquals(document.toText(), '{\n  "a": {},\n  "b": 2,\n  "x": [\n    1\n  ]\n}\n');
});

Deno.test("JsonDocument returns the same text without changes", () => {
  for (const text of [PRETTY, " [1 ,2]\n\n", '{"a":1,"a":2}', "1", '"x"', "null"]) {
    assertStrictEquals(new JsonDocument(text, new EditBudget()).toText(), text);
  }
});

Deno.test("JsonDocument says how far a document has a path", () => {
  const document = new JsonDocument('{"a":[1]}', new EditBudget());
  const found = document.find(["a", "5", "b"]);
  assertStrictEquals("missing" in found && found.missing, 1);
});

Deno.test("JsonDocument spends its budget", () => {
  assertThrows(() => new JsonDocument("[1,2,3]", new EditBudget(3)), EditFault);
});
