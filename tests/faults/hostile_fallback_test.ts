/**
 * The hostile plugins on a server that may not start processes, so that each plugin runs in a Worker of
 * the server. The attacks that a Worker cannot contain are not here: `tests/bench/fallback_bench.ts`
 * measures them, and `/usr/share/doc/plugins.md` lists them.
 */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { ANSWERS } from "./hostile/answers.ts";
import type { Attack } from "./hostile/attack.ts";
import { CALLS } from "./hostile/calls.ts";
import { ESCAPES } from "./hostile/escape.ts";
import { FORGERIES, POLLUTION } from "./hostile/forgery.ts";
import { startGround } from "./hostile/ground.ts";
import { SOURCES } from "./hostile/imports.ts";
import { probe } from "./hostile/prober.ts";
import { WAITS } from "./hostile/time.ts";

/** Native code overflows its stack, which ends the process it runs in. */
const NOT_HELD = new Set(["deep-types"]);
const HELD: readonly Attack[] = [
  ...SOURCES,
  ...ESCAPES,
  ...ANSWERS,
  ...CALLS,
  ...FORGERIES,
  ...POLLUTION,
  ...WAITS,
].filter(({ name }) => !NOT_HELD.has(name));

Deno.test("a machine that may start no process survives what a Worker contains", async (t) => {
  const ground = await startGround("worker");
  try {
    const probing = probe(ground);
    const failures = await ground.sufferAll(HELD, 3);
    const met = await probing.stop();
    console.log(met.shown("fallback"));
    for (const { name } of HELD) {
      await t.step(name, () => {
        const failure = failures.find((line) => line.startsWith(`${name}:`));
        ok(failure === undefined, failure);
      });
    }
    await t.step("it says so, others met no error, and nothing of it spins", async () => {
      match(ground.program.output(), /plugins run in Workers of the server/);
      equal(met.errors, []);
      const { cpu, rssMiB, pids } = await ground.calm(1);
      console.log(`left: ${(cpu * 100).toFixed(0)} % of a processor, ${rssMiB.toFixed(0)} MiB`);
      equal(pids, [ground.program.pid]);
      ok(cpu < 0.2, `${cpu} of a processor`);
    });
  } finally {
    await ground.kill();
  }
});
