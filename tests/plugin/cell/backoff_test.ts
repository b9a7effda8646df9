import assert from "node:assert/strict";
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
  assert.deepEqual(waits, [0, 100, 200, 300, 300, 300]);
  assert.deepEqual(opened, [false, false, false, false, true, false]);
  assert.ok(backoff.isCircuitOpen);
  backoff.reset();
  assert.equal(backoff.waitMs(), 0);
  assert.ok(!backoff.isCircuitOpen);
});

Deno.test("Backoff.recordFailure() resets the count after a run longer than maxBackoffMs", () => {
  let now = 0;
  const backoff = new Backoff({ backoffMs: 100, maxBackoffMs: 300, maxCrashes: 2 }, () => now);
  backoff.recordFailure(now);
  now = 1000;
  assert.equal(backoff.recordFailure(0), false);
  assert.equal(backoff.failures, 1);
});
