import { assertEquals } from "../support/assert.ts";
import { wantsFresh } from "../../lib/http/cache_control.ts";

Deno.test("wantsFresh() finds the directive no-cache only", () => {
  const values: readonly [string | null, boolean][] = [
    [null, false],
    ["", false],
    ["no-cache", true],
    ["No-Cache", true],
    ["no-store, no-cache", true],
    ["max-age=0 ,\tno-cache , x", true],
    ["max-age=0", false],
    ["no-store", false],
    ["no-cache-at-all", false],
    ["x-no-cache", false],
    ["no-cache=1", false],
    ["no cache", false],
    [" ".repeat(50_000), false],
    [`x${" ".repeat(50_000)}no-cache`, false],
  ];
  for (const [value, expected] of values) {
    assertEquals(wantsFresh(value), expected, `${value?.slice(0, 40)}`);
  }
});
