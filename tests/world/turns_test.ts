import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { currentLockBudget, LockBudget, withLockBudget } from "../../lib/world/lock_wait.ts";
import { Turns } from "../../lib/world/turns.ts";

Deno.test("Turns.run() runs the actions of one key in order and of other keys at once", async () => {
  const turns = new Turns();
  const gate = Promise.withResolvers<void>();
  const log: string[] = [];
  const first = turns.run("a", async () => {
    await gate.promise;
    log.push("a1");
    throw new Error("failed");
  });
  const second = turns.run("a", () => Promise.resolve(log.push("a2")));
  await turns.run("b", () => Promise.resolve(log.push("b1")));
  gate.resolve();
  await assertRejects(first, Error);
  await second;
  assertEquals(log, ["b1", "a1", "a2"]);
});

Deno.test("Turns.run() counts the time behind an action that waited for a lock, and no other", async () => {
  for (const waits of [true, false]) {
    const turns = new Turns();
    const gate = Promise.withResolvers<void>();
    const first = turns.run("a", async () => {
      if (waits) currentLockBudget()?.start(performance.now());
      await gate.promise;
    });
    const budget = new LockBudget();
    const second = withLockBudget(budget, () => turns.run("a", () => Promise.resolve()));
    const queuedAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    gate.resolve();
    await Promise.all([first, second]);
    assertEquals(budget.startedAt !== undefined, waits);
    if (waits) assert((budget.startedAt ?? Infinity) <= queuedAt, "from when it was queued");
  }
});

Deno.test("Turns.settled() resolves after all actions, failed ones included", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const failing = turns.run("a", () => Promise.reject(new Error("failed")));
  const other = turns.run("b", async () => {
    await Promise.resolve();
    log.push("b");
  });
  await turns.settled();
  assertEquals(log, ["b"]);
  await assertRejects(failing, Error);
  await other;
});
