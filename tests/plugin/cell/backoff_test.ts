import { assert, assertEquals } from "../../support/assert.ts";
import { Backoff } from "../../../lib/plugin/cell/backoff.ts";

Deno.test("Backoff.waitMs() is 0 after one failure and doubles with each further one up to the limit", () => {
  let now = 1000;
  const backoff = new Backoff({ backoffMs: 100, maxBackoffMs: 300, maxCrashes: 5 }, () => now);
  const waits: number[] = [];
  const opened: boolean[] = [];
  for (let i = 0; i < 6; i++) {
    opened.push(backoff.recordFailure(now));
    waits.push(backoff.waitMs());
    now += backoff.waitMs();
  }
  assertEquals(waits, [0, 100, 200, 300, 300, 300]);
  assertEquals(opened, [false, false, false, false, true, false]);
  assert(backoff.isCircuitOpen);
  backoff.reset();
  assertEquals(backoff.waitMs(), 0);
  assert(!backoff.isCircuitOpen);
});

Deno.test("Backoff.recordRefusal() pauses without a failure", () => {
  let now = 0;
  const backoff = new Backoff({ backoffMs: 100, maxBackoffMs: 300, maxCrashes: 2 }, () => now);
  for (let i = 0; i < 9; i++) backoff.recordRefusal(50);
  assertEquals([backoff.failures, backoff.isCircuitOpen, backoff.isRefused], [0, false, true]);
  assertEquals(backoff.waitMs(), 50);
  now = 50;
  assertEquals(backoff.waitMs(), 0);
  backoff.recordFailure(now);
  assertEquals([backoff.failures, backoff.waitMs(), backoff.isRefused], [1, 0, false]);
  backoff.recordRefusal(50);
  backoff.reset();
  assertEquals([backoff.failures, backoff.waitMs(), backoff.isRefused], [0, 0, false]);
});

Deno.test("Backoff.recordFailure() resets the count after a run longer than maxBackoffMs", () => {
  let now = 0;
  const backoff = new Backoff({ backoffMs: 100, maxBackoffMs: 300, maxCrashes: 2 }, () => now);
  backoff.recordFailure(now);
  now = 1000;
  assertEquals(backoff.recordFailure(0), false);
  assertEquals(backoff.failures, 1);
});
