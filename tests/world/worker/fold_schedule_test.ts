import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  FOLD_PAUSE_FACTOR,
  FOLD_QUIET_MS,
  FOLD_RETRY_MS,
  FOLD_STEADY_MS,
  FoldSchedule,
} from "../../../lib/world/worker/fold_schedule.ts";

interface File {
  hasPieces: boolean;
}

Deno.test("FoldSchedule returns a world when it was quiet, not earlier", () => {
  const schedule = new FoldSchedule<File>();
  const file = { hasPieces: true };
  assertEquals([schedule.dueAt, schedule.next(1e9), schedule.size], [undefined, undefined, 0]);
  schedule.record(file, 100);
  schedule.record(file, 1_100);
  assertEquals([schedule.dueAt, schedule.size], [1_100 + FOLD_QUIET_MS, 1]);
  assertEquals(schedule.next(1_099 + FOLD_QUIET_MS), undefined);
  assertStrictEquals(schedule.next(1_100 + FOLD_QUIET_MS), file);
  schedule.recordFold(file, 1);
  assertEquals([schedule.dueAt, schedule.size], [undefined, 0]);
});

Deno.test("FoldSchedule returns a world that is never quiet at the latest after FOLD_STEADY_MS", () => {
  const schedule = new FoldSchedule<File>();
  const file = { hasPieces: true };
  for (let now = 0; now < FOLD_STEADY_MS; now += 100) schedule.record(file, now);
  assertEquals(schedule.next(FOLD_STEADY_MS - 1), undefined);
  assertStrictEquals(schedule.next(FOLD_STEADY_MS), file);
});

Deno.test("FoldSchedule waits longer for a world whose last fold took long", () => {
  const schedule = new FoldSchedule<File>();
  const file = { hasPieces: true };
  schedule.record(file, 0);
  schedule.recordFold(file, 400);
  for (let now = 1_000; now < 30_000; now += 100) schedule.record(file, now);
  assertEquals(schedule.dueAt, 1_000 + 400 * FOLD_PAUSE_FACTOR);
});

Deno.test("FoldSchedule tries a fold that failed again after FOLD_RETRY_MS, and others before", () => {
  const schedule = new FoldSchedule<File>();
  const [failed, other] = [{ hasPieces: true }, { hasPieces: true }];
  schedule.record(failed, 0);
  schedule.record(other, 1);
  schedule.recordFailure(failed, 3_000);
  assertStrictEquals(schedule.next(3_000), other);
  schedule.recordFold(other, 1);
  assertEquals(schedule.next(2_999 + FOLD_RETRY_MS), undefined);
  assertStrictEquals(schedule.next(3_000 + FOLD_RETRY_MS), failed);
});

Deno.test("FoldSchedule drops a world that has no pieces any more, and one that is closed", () => {
  const schedule = new FoldSchedule<File>();
  const [put, closed] = [{ hasPieces: true }, { hasPieces: true }];
  schedule.record(put, 0);
  schedule.record(closed, 0);
  put.hasPieces = false;
  schedule.record(put, 10);
  schedule.remove(closed);
  assertEquals([schedule.size, schedule.next(1e9)], [0, undefined]);
});
