import { assert, assertEquals } from "../support/assert.ts";
import { ReadAhead } from "../../lib/http/read_ahead.ts";

/** The estimate after `count` pieces. */
function estimate(count: number, length: number, asked: number, hasWaited = false): number {
  const ahead = new ReadAhead();
  let work = 0;
  for (let i = 0; i < count; i++) work = ahead.add(length, asked, hasWaited);
  return work;
}

Deno.test("ReadAhead.add() grows with the square of the number of short chunks", () => {
  assert(estimate(100, 1, 512) > 99 * estimate(1, 1, 512));
  assertEquals(Math.round(estimate(2000, 1, 512) / estimate(1000, 1, 512)), 4);
});

Deno.test("ReadAhead.add() is 0 for pieces that are as long as they can be", () => {
  assertEquals(estimate(100_000, 8192, 8192), 0);
  assertEquals(estimate(100_000, 507, 512), 0);
});

Deno.test("ReadAhead.add() starts again with a piece that was waited for", () => {
  assertEquals(estimate(1000, 1, 512, true), estimate(1, 1, 512));
});
