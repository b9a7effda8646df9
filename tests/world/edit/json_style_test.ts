/** Tests of the style of JSON texts. */
import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { JsonSource } from "../../../lib/world/edit/json_source.ts";
import {
  childrenOf,
  detectStyle,
  gapAfter,
  gapBefore,
  indentOf,
  isNull,
  lastMembers,
  reindent,
  writeValue,
} from "../../../lib/world/edit/json_style.ts";

Deno.test("detectStyle() finds indentation, line end and spaces", () => {
  const cases: readonly (readonly [string, string | undefined, string, string])[] = [
    ['{"a":1}', undefined, "\n", ""],
    ['{"a": 1}', undefined, "\n", " "],
    ['{\n  "a": 1\n}', "  ", "\n", " "],
    ['{\r\n\t"a":1\r\n}', "\t", "\r\n", ""],
    ["[1, 2]", undefined, "\n", " "],
    ["[1,2]", undefined, "\n", ""],
    ["[\n1\n]", "  ", "\n", ""],
    ["{\n}", "  ", "\n", " "],
    ["{}", undefined, "\n", ""],
    [`[\n${" ".repeat(80)}1]`, "  ", "\n", ""],
  ];
  for (const [text, unit, eol, space] of cases) {
    assertEquals(detectStyle(JsonSource.parse(text)), { unit, eol, space }, text);
  }
});

Deno.test("writeValue() writes a value on lines or on one line, and keeps its numbers", () => {
  const source = JsonSource.parse('{"a":[1.00,{}],"b":null,"b":{"c":null,"d":[null]}}');
  const style = { unit: "\t", eol: "\n", space: " " } as const;
  const budget = new EditBudget();
  assertStrictEquals(
    writeValue(source, 0, { style, base: "  ", dropNulls: true, budget }),
    '{\n  \t"a": [\n  \t\t1.00,\n  \t\t{}\n  \t],\n  \t"b": {\n  \t\t"d": [\n  \t\t\tnull\n  \t\t]\n  \t}\n  }',
  );
  assertStrictEquals(
    writeValue(source, 0, { style, base: undefined, budget }),
    '{"a": [1.00, {}], "b": null, "b": {"c": null, "d": [null]}}',
  );
});

Deno.test("gapBefore(), gapAfter() and indentOf() take white space of JSON only", () => {
  assertStrictEquals(gapBefore("a \r\n\t1", 5), " \r\n\t");
  assertStrictEquals(gapBefore("\u00a01", 1), "");
  assertStrictEquals(gapAfter("1 \n,", 1), " \n");
  assertStrictEquals(gapAfter("1", 1), "");
  assertStrictEquals(indentOf("\n\n  "), "  ");
  assertStrictEquals(indentOf("  "), undefined);
});

Deno.test("reindent() moves all lines but the first", () => {
  const budget = new EditBudget();
  assertStrictEquals(reindent("[\n    1\n  ]", "  ", "", budget), "[\n  1\n]");
  assertStrictEquals(reindent("[\n1\n]", "", "  ", budget), "[\n  1\n  ]");
  assertStrictEquals(reindent("[1]", "  ", "", budget), "[1]");
});

Deno.test("writeValue() and reindent() count the indentation that they add", () => {
  const style = { unit: "  ", eol: "\n", space: " " } as const;
  const source = JsonSource.parse("[[1],[2]]");
  const base = " ".repeat(100);
  const write = (steps: number) =>
    writeValue(source, 0, { style, base, budget: new EditBudget(steps) });
  const spaces = write(10_000).replace(/[^ ]/g, "").length;
  assertThrows(() => write(spaces - 1), EditFault);
  assertThrows(() => reindent("[\n1,\n2\n]", "", base, new EditBudget(299)), EditFault);
  assertStrictEquals(reindent("[\n1,\n2\n]", "", base, new EditBudget(300)).length, 308);
});

Deno.test("childrenOf(), lastMembers() and isNull() read one level", () => {
  const source = JsonSource.parse('{"a":[1],"b":null,"a":2}');
  assertEquals([...childrenOf(source, 0)].map((id) => source.textOf(id)), ["[1]", "null", "2"]);
  const members = lastMembers(source, 0);
  assertEquals([...members].map(([name, id]) => [name, source.textOf(id)]), [["a", "2"], [
    "b",
    "null",
  ]]);
  assertEquals([...members.values()].map((id) => isNull(source, id)), [false, true]);
});
