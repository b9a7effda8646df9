import { assertEquals } from "../support/assert.ts";
import { findHits, indexOfFirst, sourcesOf } from "../../lib/world/search_plan.ts";

const hit = (name: string) => ({
  name,
  version: 1,
  line: 1,
  column: 1,
  snippet: "",
  match: { start: 0, end: 1 },
});

Deno.test("indexOfFirst() compares names by code points and skips streams that ended", () => {
  // In UTF-16 order the second name would be first.
  assertEquals(indexOfFirst([undefined, hit("\u{1f600}"), hit("\uff21")]), 2);
  assertEquals(indexOfFirst([undefined]), -1);
});

Deno.test("sourcesOf() covers worlds of T3 only where the query does", () => {
  const within = [{ part: "below", name: "home", restricted: false }] as const;
  assertEquals(sourcesOf({ within }, "open", "t3").map(({ set }) => set), ["open"]);
});

Deno.test("findHits() begins after the line of the page before, in the same world only", () => {
  const piece = { name: "home/a", version: 3, line: 4, column: 1, text: "x\nX\ny x" };
  const lines = (after: { name: string; line: number }) =>
    [...findHits(piece, "x", after)].map(({ line, column, version }) => [line, column, version]);
  assertEquals(lines({ name: "home/a", line: 4 }), [[5, 1, 3], [6, 3, 3]]);
  assertEquals(lines({ name: "home/b", line: 9 }).length, 3);
});
