import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { setImmediate } from "node:timers/promises";
import { StepTurns } from "../../../lib/world/worker/step_turns.ts";

Deno.test("StepTurns.run() runs one step of all long jobs in a turn, and the jobs in turn", async () => {
  const turns = new StepTurns();
  const steps: number[] = [];
  function* job(id: number): Generator<void, number> {
    for (let step = 0; step < 5; step++) {
      steps.push(id);
      yield;
    }
    return id;
  }
  const jobs = Array.from({ length: 10 }, (_, id) => turns.run(job(id)));
  assertEquals(steps.length, 10);
  let most = 0;
  for (let before = steps.length; before < 50; before = steps.length) {
    await setImmediate();
    most = Math.max(most, steps.length - before);
  }
  assertEquals(most, 1);
  assertEquals(steps.slice(10, 20), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(await Promise.all(jobs), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("StepTurns.run() continues with the others after a job that fails", async () => {
  const turns = new StepTurns();
  function* fails(): Generator<void, void> {
    yield;
    throw new Error("no");
  }
  function* works(): Generator<void, boolean> {
    yield;
    yield;
    return true;
  }
  const failed = assertRejects(() => turns.run(fails()), { message: "no" });
  assert(await turns.run(works()));
  await failed;
});

Deno.test("StepTurns.stop() ends jobs before their next step, and those that start later", async () => {
  const turns = new StepTurns();
  let steps = 0;
  function* endless(): Generator<void, void> {
    for (;; steps++) yield;
  }
  const job = turns.run(endless());
  turns.stop();
  await assertRejects(() => job, { code: "closed" });
  await assertRejects(() => turns.run(endless()), { code: "closed" });
  assertEquals(steps, 0);
});
