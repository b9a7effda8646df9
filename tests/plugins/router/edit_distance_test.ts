import { assertStrictEquals } from "../../support/assert.ts";
import { editDistance } from "../../../plugins/router/edit_distance.ts";

Deno.test("editDistance() counts two adjacent characters in exchanged order as one edit", () => {
  const rows: [string, string, number][] = [
    ["", "", 0],
    ["", "ab", 2],
    ["sales", "salse", 1],
    ["reprot", "report", 1],
    ["ca", "abc", 3],
    ["kitten", "sitting", 3],
    ["abcdef", "fedcba", 5],
    ["\u{1f600}a", "\u{1f601}a", 1],
  ];
  for (const [a, b, edits] of rows) {
    assertStrictEquals(editDistance(a, b, 9), edits, `${a} ${b}`);
    assertStrictEquals(editDistance(b, a, 9), edits, `${b} ${a}`);
    if (edits > 0) {
      assertStrictEquals(editDistance(a, b, edits - 1), edits, `${a} ${b} beyond the limit`);
    }
  }
});
