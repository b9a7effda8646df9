import { assertEquals } from "../support/assert.ts";
import { AFTER_NAMES, toRanges } from "../../lib/world/name_ranges.ts";

Deno.test("toRanges() sorts the parts of a tree and merges those that overlap", () => {
  const parts = [
    { name: "home/b", part: "exact", restricted: false },
    { name: "home/a", part: "tree", restricted: false },
    { name: "home/a/x", part: "below", restricted: true },
  ] as const;
  assertEquals(toRanges(parts), [
    { from: "home/a", to: "home/a\u0001" },
    { from: "home/a/", to: "home/a0" },
    { from: "home/b", to: "home/b\u0001" },
  ]);
  assertEquals(toRanges([...parts, { name: "", part: "below", restricted: false }]), [
    { from: "", to: AFTER_NAMES },
  ]);
  assertEquals(toRanges([{ name: "", part: "exact", restricted: false }]), []);
});
