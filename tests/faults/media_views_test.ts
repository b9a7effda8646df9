/**
 * Property: the views of the shell show what is written in a world. No character of a CSV cell and
 * no spelling of a JSON value is lost, whatever program wrote it. These are the parsers of the views;
 * they need no browser.
 */

import { assertEquals, assertThrows } from "../support/assert.ts";
import { guessSeparator, parseCsv } from "../../shell/csv.js";
import { parseJsonLines, parseJsonText } from "../../shell/json_text.js";

Deno.test("parseCsv() keeps the text around stray quotes", () => {
  const rows: readonly (readonly [line: string, cells: readonly string[]])[] = [
    ['"one" ,two,three', ["one ", "two", "three"]],
    ['"Smith "Bob" Jones",five,six', ['Smith "Bob" Jones', "five", "six"]],
    ['a "quoted" word,b', ['a "quoted" word', "b"]],
    ['6" pipe,b', ['6" pipe', "b"]],
    ['"a"b,c', ['"a"b', "c"]],
    ['"a "b, c" d",e', ['"a "b', ' c" d"', "e"]],
    ['"x, ""y""",z', ['x, "y"', "z"]],
    ['"",""""', ["", '"']],
    ['a,"open, to the end', ["a", "open, to the end"]],
    [",", ["", ""]],
    [",,", ["", "", ""]],
  ];
  for (const [line, cells] of rows) assertEquals(parseCsv(line), [cells], line);
});

Deno.test("parseCsv() reads every line end, line breaks in quotes, and ragged rows", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = ["a,b,c", '"1', '2",x', "", "y", ""].join(end);
    assertEquals(parseCsv(text), [["a", "b", "c"], [`1${end}2`, "x"], [""], ["y"]], end);
  }
});

Deno.test("parseCsv() removes a byte order mark, also before a quoted cell", () => {
  assertEquals(parseCsv('\ufeff"last, first",age\r\n"Doe, J",4\r\n'), [["last, first", "age"], [
    "Doe, J",
    "4",
  ]]);
  assertEquals([parseCsv("\ufeff"), parseCsv("")], [[], []]);
});

Deno.test("guessSeparator() chooses semicolons or tabs if there are no commas between columns", () => {
  const rows: readonly (readonly [text: string, separator: string])[] = [
    ["amount;label\n1,50;coffee\n", ";"],
    ["amount\tlabel\n1,50\tcoffee\n", "\t"],
    ["a,b\n1;2,3;4\n", ","],
    ["a,b;c,d\n1,2;3,4\n", ","],
    ["a;b, c;d\n1;2;3\n", ";"],
    ['"a;b",c\n1,2', ","],
    ['"a,b";c\n"1,2";3', ";"],
    ["\n\na;b\n1;2", ";"],
    ["one column\n1\n", ","],
    ["", ","],
  ];
  for (const [text, separator] of rows) assertEquals(guessSeparator(text), separator, text);
  assertEquals(parseCsv("a;b\n1,5;x"), [["a", "b"], ["1,5", "x"]]);
  assertEquals(parseCsv("a;b\tc", "\t"), [["a;b", "c"]]);
});

Deno.test("parseCsv() reads a large text in linear time", () => {
  const line = '"a ""b"" c",2,"x" y\n';
  const rows = parseCsv(line.repeat(100_000));
  assertEquals([rows.length, rows.at(-1)], [100_000, ['a "b" c', "2", '"x" y']]);
});

/** Writes a tree as JSON without white space, from the texts that it keeps. */
function written(value: ReturnType<typeof parseJsonText>): string {
  if (value.kind === "array") return `[${value.items.map(written).join(",")}]`;
  if (value.kind !== "object") return value.text;
  return `{${value.members.map(({ name, value }) => `"${name}":${written(value)}`).join(",")}}`;
}

Deno.test("parseJsonText() keeps numbers, strings, the order of names, and repeated names", () => {
  for (
    const text of [
      '{"id":163087938282848481,"inf":1e400,"one":1.0,"b":1,"2":"two","dup":"first","dup":"second"}',
      '[-0,1E+2,0.10,"\\u00e9","é","\\"\\\\","",null,true,false,[],{},[[]],{"":{"__proto__":1}}]',
      '"text"',
      "12345678901234567890",
      "null",
    ]
  ) {
    assertEquals(written(parseJsonText(text)), text);
    const spaced = ` \r\n\t${text.replaceAll(/([[\]{},:])(?=(?:[^"]*"[^"]*")*[^"]*$)/g, " $1 ")}\n`;
    assertEquals(written(parseJsonText(`\ufeff${spaced}`)), text, spaced);
  }
});

Deno.test("parseJsonText() reads deep nesting and refuses what is not JSON", () => {
  const deep = `${"[".repeat(100_000)}1${"]".repeat(100_000)}`;
  assertEquals(parseJsonText(deep).kind, "array");
  for (const text of ["", "{", "[1,]", "{'a':1}", "01", "NaN", "1 2", "\ufeff\ufeff1"]) {
    assertThrows(() => parseJsonText(text), SyntaxError, text);
  }
});

Deno.test("parseJsonLines() reads one value per line and names a line that is not JSON", () => {
  assertEquals(written(parseJsonLines('\ufeff{"a":1.0}\r\n\r\n2\n')), '[{"a":1.0},2]');
  assertThrows(() => parseJsonLines("1\n\n{"), /^SyntaxError: line 3: /);
});
