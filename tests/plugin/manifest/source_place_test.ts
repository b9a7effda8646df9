import { assert, assertEquals } from "../../support/assert.ts";
import { EXCERPT_CHARS } from "../../../lib/cell_limits.ts";
import {
  describeOffset,
  describePlace,
  formatPlace,
  markColumn,
} from "../../../lib/plugin/manifest/source_place.ts";

Deno.test("describeOffset() counts the line ends of ECMAScript", () => {
  const text = "a\r\nb\rc\u2028d\n  e";
  const rows = [["a", 1, 1], ["b", 2, 1], ["c", 3, 1], ["d", 4, 1], ["e", 5, 3]] as const;
  for (const [found, line, column] of rows) {
    const place = describeOffset(text, text.indexOf(found));
    assertEquals([place.line, place.column], [line, column], found);
    assertEquals(formatPlace(place), `line ${line}, column ${column}`);
  }
});

Deno.test("describePlace() reads the source map only if it may", () => {
  const map = btoa(JSON.stringify({ sources: ["../../etc/a.ts"], mappings: "AAEA" }));
  const text = `let a;\n//# sourceMappingURL=data:application/json;base64,${map}`;
  assertEquals(describePlace(text, 1, 5, true).original, "a.ts:3:1");
  assertEquals(formatPlace(describePlace(text, 1, 5, true)), "a.ts:3:1, line 1, column 5");
  assertEquals(describePlace(text, 1, 5, false).original, undefined);
  assertEquals(describePlace(text, 99, 1, true).original, undefined);
});

Deno.test("markColumn() keeps the mark below its column, and shows part of a long line", () => {
  assertEquals(markColumn("a\tb\u202e\u001b c", 6), "a b?? c\n     ^");
  assertEquals(markColumn("ab", 99), "ab\n  ^");
  assertEquals(markColumn("ab", 0), "ab\n^");
  assertEquals(markColumn("", 1), "\n^");
  const exact = "x".repeat(EXCERPT_CHARS - 1) + "y";
  assertEquals(markColumn(exact, EXCERPT_CHARS), `${exact}\n${" ".repeat(EXCERPT_CHARS - 1)}^`);
  for (const at of [0, 1, 50, 51, 500, 949, 950, 999]) {
    const long = `${"x".repeat(at)}y${"x".repeat(999 - at)}`;
    const [line = "", mark = ""] = markColumn(long, at + 1).split("\n");
    assertEquals(line[mark.length - 1], "y", `column ${at + 1}: ${line}`);
    assert(line.length <= EXCERPT_CHARS + 2, line);
  }
});
