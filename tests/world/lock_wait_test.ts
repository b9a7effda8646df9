import { assertEquals } from "../support/assert.ts";
import {
  currentLockBudget,
  LockBudget,
  LockRetry,
  withLockBudget,
} from "../../lib/world/lock_wait.ts";

Deno.test("LockRetry.next() doubles its pauses up to a limit", () => {
  const retry = new LockRetry();
  const pauses = Array.from({ length: 9 }, () => retry.next());
  assertEquals(pauses, [2, 4, 8, 16, 32, 64, 100, 100, 100]);
});

Deno.test("LockBudget.start() keeps the earliest start", () => {
  const budget = new LockBudget();
  assertEquals(budget.startedAt, undefined);
  for (const at of [5, 9, 3]) budget.start(at);
  assertEquals(budget.startedAt, 3);
});

Deno.test("withLockBudget() gives its budget to everything that the action starts", async () => {
  const budget = new LockBudget();
  const found = withLockBudget(budget, async () => {
    await Promise.resolve();
    return currentLockBudget();
  });
  assertEquals(currentLockBudget(), undefined);
  assertEquals(await found === budget, true);
});

Deno.test("withLockBudget() without a budget hides that of the caller, and an ended one does not count", () => {
  const budget = new LockBudget();
  withLockBudget(budget, () => {
    assertEquals(withLockBudget(undefined, currentLockBudget), undefined);
    assertEquals(currentLockBudget() === budget, true);
    budget.end();
    assertEquals(currentLockBudget(), undefined);
  });
});
