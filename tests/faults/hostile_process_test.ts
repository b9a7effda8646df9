/**
 * Hostile plugins, each stored, approved and asked over HTTP on a whole machine whose cells are
 * processes. What every one must meet: its caller gets a refusal in words, the machine goes on for
 * everybody else, the plugin serves again or says why not, and nothing of it is left.
 */

import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { ANSWERS } from "./hostile/answers.ts";
import type { Attack } from "./hostile/attack.ts";
import { CALLS } from "./hostile/calls.ts";
import { ESCAPES } from "./hostile/escape.ts";
import { FORGERIES, POLLUTION } from "./hostile/forgery.ts";
import { startGround, threads } from "./hostile/ground.ts";
import { SOURCES } from "./hostile/imports.ts";
import { BOMBS } from "./hostile/memory.ts";
import { type Met, probe, sum } from "./hostile/prober.ts";
import { LOOPS, WAITS } from "./hostile/time.ts";

/** What disturbs nobody may go off together; what takes a processor or memory takes turns. */
const ROUNDS: readonly (readonly [name: string, at: number, attacks: readonly Attack[]])[] = [
  ["sources that import", 3, SOURCES],
  ["ways out", 1, ESCAPES],
  ["wrong answers", 3, ANSWERS],
  ["calls", 1, CALLS],
  ["forgeries", 3, FORGERIES],
  ["pollution", 2, POLLUTION],
  ["waits", 3, WAITS],
  ["loops", 2, LOOPS],
  ["bombs", 1, BOMBS],
];
/** Below this a p99 is good enough however quick the idle machine was: others may use it, too. */
const FLOOR_MS = 250;

Deno.test("a machine survives every hostile plugin while others read and write", async (t) => {
  const ground = await startGround("process");
  try {
    await ground.ask("GET", "/proc/version");
    const idling = probe(ground);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const idle = await idling.stop();
    console.log(idle.shown("idle"));
    const calm = await ground.calm(1);
    const had = threads(ground.program.pid);
    const all: Met[] = [];
    for (const [name, at, attacks] of ROUNDS) {
      const probing = probe(ground);
      const failures = await ground.sufferAll(attacks, at);
      const met = await probing.stop();
      all.push(met);
      console.log(met.shown(name));
      for (const attack of attacks) {
        await t.step(`${name}: ${attack.name}`, () => {
          const failure = failures.find((line) => line.startsWith(`${attack.name}:`));
          ok(failure === undefined, failure);
        });
      }
    }
    await t.step("others met no error and no long wait", () => {
      const met = sum(all);
      console.log(`${met.shown("during all")}, ${(met.p99 / idle.p99).toFixed(1)} x idle`);
      equal(met.errors, []);
      ok(met.p99 < Math.max(5 * idle.p99, FLOOR_MS), `p99 ${met.p99} ms, idle ${idle.p99} ms`);
    });
    await t.step("nothing is left of them", async () => {
      const { cpu, rssMiB, pids } = await ground.calm(1);
      const have = threads(ground.program.pid);
      console.log(
        `left: ${pids.length} process, ${(cpu * 100).toFixed(0)} % of a processor, ` +
          `${rssMiB.toFixed(0)} MiB (${
            calm.rssMiB.toFixed(0)
          } before), ${have} threads (${had} before)`,
      );
      equal(pids, [ground.program.pid]);
      ok(cpu < 0.2, `${cpu} of a processor`);
      // What a server keeps that has been busy: it stays there under any load, and a bomb is far more.
      ok(rssMiB < calm.rssMiB + 250, `${rssMiB} MiB, ${calm.rssMiB} before`);
      ok(have <= had + 8, `${have} threads, ${had} before`);
    });
  } finally {
    await ground.close();
  }
});
