/** Tests of schedules with clocks that the test sets; `cron_test.ts` has real plugins. */

import { assertEquals } from "../../support/assert.ts";
import { CRON_LATE_MS, CRON_SET_BACK_MS } from "../../../lib/cell_limits.ts";
import { CronRunner } from "../../../lib/plugin/host/cron_runner.ts";

const START = Date.parse("2026-01-02T10:00:30Z");
const MINUTE = 60_000;

function schedule(expressions: readonly string[]) {
  const clock = { wall: START, elapsed: 0 };
  const runs: string[] = [];
  const faults: string[] = [];
  const open: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const runner = new CronRunner({
    expressions,
    now: () => clock.wall,
    elapsed: () => clock.elapsed,
    run({ cron, scheduledTime }) {
      runs.push(`${cron} ${new Date(scheduledTime).toISOString().slice(11, 16)}`);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      open.push({ resolve, reject });
      return promise;
    },
    onFault: (what, _run, reason) => void faults.push(`${what}: ${reason}`),
  });
  /** Ends the open runs. */
  const end = async (error?: Error): Promise<void> => {
    for (const { resolve, reject } of open.splice(0)) error ? reject(error) : resolve();
    await Promise.resolve();
    await Promise.resolve();
  };
  return {
    runner,
    runs,
    faults,
    end,
    /** Lets time pass by both clocks, with a look every ten seconds. */
    async pass(ms: number): Promise<void> {
      for (let at = 0; at < ms; at += 10_000) {
        clock.wall += 10_000;
        clock.elapsed += 10_000;
        runner.check();
        await end();
      }
    },
    /** Sets the wall clock. */
    set(ms: number): void {
      clock.wall += ms;
      runner.check();
    },
    clock,
  };
}

Deno.test("CronRunner starts each expression once at each of its times", async () => {
  const { runner, runs, pass } = schedule(["* * * * *", "*/2 * * * *"]);
  await pass(2 * MINUTE);
  assertEquals(runs, ["* * * * * 10:01", "* * * * * 10:02", "*/2 * * * * 10:02"]);
  assertEquals(runner.states.map(({ next, last, counts }) => [next, last?.result, counts]), [
    [Date.parse("2026-01-02T10:03:00Z"), "ok", { ok: 2, failed: 0, skipped: 0 }],
    [Date.parse("2026-01-02T10:04:00Z"), "ok", { ok: 1, failed: 0, skipped: 0 }],
  ]);
});

Deno.test("CronRunner does not start a run while the one before still runs, and reports it once", async () => {
  const { runner, runs, faults, end, clock } = schedule(["* * * * *"]);
  for (let at = 0; at < 4; at++) {
    clock.wall += MINUTE;
    clock.elapsed += MINUTE;
    runner.check();
  }
  assertEquals(runs, ["* * * * * 10:01"]);
  assertEquals(faults, ["skipped: the run before has not ended"]);
  assertEquals(runner.states[0]?.last?.result, "running");
  await end(new Error("it broke"));
  assertEquals(faults.at(-1), "failed: it broke");
  clock.wall += MINUTE;
  clock.elapsed += MINUTE;
  runner.check();
  await end(new Error("it broke again"));
  assertEquals(faults.length, 2, "the second failure in a row is not reported");
  assertEquals(runner.states[0]?.counts, { ok: 0, failed: 2, skipped: 3 });
  clock.wall += MINUTE;
  clock.elapsed += MINUTE;
  runner.check();
  await end();
  clock.wall += MINUTE;
  clock.elapsed += MINUTE;
  runner.check();
  await end(new Error("it broke once more"));
  assertEquals(faults.length, 3, "after a run without an error it is reported");
});

Deno.test("CronRunner does not make up for times that a clock skipped", async () => {
  const { runs, set, pass, end } = schedule(["* * * * *", "0 * * * *"]);
  await pass(MINUTE); // 10:01:30
  set(24 * 60 * MINUTE);
  await end();
  assertEquals(runs, ["* * * * * 10:01", "* * * * * 10:01"], "only what is due within a minute");
  await pass(MINUTE);
  assertEquals(runs.at(-1), "* * * * * 10:02");
  set(58 * CRON_LATE_MS); // 11:00:30
  await end();
  assertEquals(runs.slice(3), ["* * * * * 11:00", "0 * * * * 11:00"]);
});

Deno.test("CronRunner does not repeat times if the clock is set back a little", async () => {
  const { runs, set, pass } = schedule(["* * * * *"]);
  await pass(MINUTE); // 10:01:30
  set(-10 * MINUTE);
  await pass(10 * MINUTE);
  assertEquals(runs, ["* * * * * 10:01"]);
  await pass(MINUTE);
  assertEquals(runs, ["* * * * * 10:01", "* * * * * 10:02"]);
});

Deno.test("CronRunner continues at the new time if the clock is set back far, at once or in steps", async () => {
  for (const steps of [1, 5]) {
    const { runs, set, pass } = schedule(["* * * * *"]);
    await pass(MINUTE);
    for (let at = 0; at < steps; at++) set(-(CRON_SET_BACK_MS + 5 * MINUTE) / steps);
    await pass(MINUTE);
    assertEquals(runs, ["* * * * * 10:01", "* * * * * 06:57"]);
  }
});

Deno.test("CronRunner starts no storm of runs if the clock is set forth and back again and again", async () => {
  const { runs, set, end, clock } = schedule(["* * * * *"]);
  for (let at = 0; at < 100; at++) {
    set(4 * 60 * MINUTE);
    await end();
    set(-4 * 60 * MINUTE + (at % 2) * MINUTE);
    await end();
    clock.elapsed += 10;
  }
  assertEquals(runs.length <= 1, true, runs.join());
});

Deno.test("CronRunner starts nothing after it was stopped", async () => {
  // The clock stops before the minute until both have found their next time.
  let start = Infinity;
  const runs: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const create = () =>
    new CronRunner({
      expressions: ["* * * * *"],
      now: () => START + 29_900 + Math.max(0, performance.now() - start),
      elapsed: () => performance.now(),
      run: ({ scheduledTime }) => (runs.push(scheduledTime), resolve(), Promise.resolve()),
      onFault: () => {},
    });
  const stopped = create();
  stopped.start();
  stopped.stop();
  const running = create();
  start = performance.now();
  running.start();
  const keep = setInterval(() => {}, 1000); // the timers of schedules do not keep a process running
  await promise;
  clearInterval(keep);
  running.stop();
  assertEquals(runs, [START + 30_000]);
});

Deno.test("CronRunner runs only the times that this server claims, and skips one that runs elsewhere", async () => {
  const clock = { wall: START, elapsed: 0 };
  const runs: string[] = [];
  const faults: string[] = [];
  const answers: (() => Promise<boolean>)[] = [
    () => Promise.resolve(false),
    () => Promise.resolve(true),
    () => Promise.reject(new Error("the database is lost")),
    () => Promise.resolve(true),
  ];
  const results = ["ok", "busy"] as const;
  const runner = new CronRunner({
    expressions: ["* * * * *"],
    now: () => clock.wall,
    elapsed: () => clock.elapsed,
    claim: () => answers.shift()?.() ?? Promise.resolve(false),
    run({ scheduledTime }) {
      runs.push(new Date(scheduledTime).toISOString().slice(11, 16));
      return Promise.resolve(results[runs.length - 1] === "busy" ? "busy" as const : undefined);
    },
    onFault: (what, _run, reason) => void faults.push(`${what}: ${reason}`),
  });
  for (let minute = 0; minute < 4; minute++) {
    clock.wall += MINUTE;
    clock.elapsed += MINUTE;
    runner.check();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  assertEquals(runs, ["10:02", "10:04"]);
  assertEquals(faults, ["skipped: the servers could not agree: the database is lost"]);
  const [state] = runner.states;
  assertEquals(state?.counts, { ok: 1, failed: 0, skipped: 2 });
  assertEquals([state?.last?.result, state?.last?.startedAt], ["ok", START + 2 * MINUTE]);
});
