/** Tests of ranges in query parameters. */
import { assertEquals } from "../support/assert.ts";
import { parseLineRange, parseVersionPair } from "../../lib/http/query_ranges.ts";

Deno.test("parseLineRange() takes one line, a range, and a range without an end", () => {
  assertEquals(parseLineRange("1"), { first: 1, last: 1 });
  assertEquals(parseLineRange("2-2"), { first: 2, last: 2 });
  assertEquals(parseLineRange("2-30"), { first: 2, last: 30 });
  assertEquals(parseLineRange("7-"), { first: 7, last: Infinity });
  for (
    const text of [
      "",
      "0",
      "0-1",
      "-1",
      "-",
      "2-1",
      "1-2-3",
      "1,2",
      "a",
      "1.5",
      "01",
      "+1",
      " 1",
      "1-0",
      "1".repeat(16),
    ]
  ) {
    assertEquals(parseLineRange(text), undefined, text);
  }
});

Deno.test("parseVersionPair() takes one version or two", () => {
  assertEquals(parseVersionPair("0"), { from: 0 });
  assertEquals(parseVersionPair("3..5"), { from: 3, to: 5 });
  assertEquals(parseVersionPair("5..3"), { from: 5, to: 3 });
  for (
    const text of [
      "",
      "..",
      "1..",
      "..1",
      "1.2",
      "1...2",
      "-1",
      "a",
      "1..2..3",
      "1-2",
      "1".repeat(16),
    ]
  ) {
    assertEquals(parseVersionPair(text), undefined, text);
  }
});
