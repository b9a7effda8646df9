/**
 * The same plugins on a machine that may start no process, narrowed as the README says, so that its
 * cells are Workers of its own. What holds there is asserted; what cannot hold is measured on machines
 * that are thrown away, printed, and listed in the documentation.
 */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { ANSWERS } from "./hostile/answers.ts";
import { type Attack, attack } from "./hostile/attack.ts";
import { CALLS } from "./hostile/calls.ts";
import { ESCAPES } from "./hostile/escape.ts";
import { FORGERIES, POLLUTION } from "./hostile/forgery.ts";
import { startGround, tree } from "./hostile/ground.ts";
import { SOURCES } from "./hostile/imports.ts";
import { BOMBS } from "./hostile/memory.ts";
import { probe } from "./hostile/prober.ts";
import { LOOPS, WAITS } from "./hostile/time.ts";

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

/** What is measured once each: bombs of a bounded size, since nothing else bounds them. */
const UNCONTAINED: readonly Attack[] = [
  ...LOOPS.filter(({ name }) => name === "loop" || name === "microtask" || name === "loop-import"),
  ...BOMBS.filter(({ name }) => name === "heap"),
  attack(
    "buffers-bounded",
    "globalThis.all = Array.from({ length: 40 }, () => new Uint8Array(16 << 20).fill(1)); throw 1;",
    {},
  ),
  attack(
    "blobs-bounded",
    "globalThis.all = Array.from({ length: 40 }, () => new Blob([new Uint8Array(16 << 20).fill(1)])); throw 1;",
    {},
  ),
  ...SOURCES.filter(({ name }) => NOT_HELD.has(name)),
];

Deno.test("what a Worker of the server does not contain, as measured", async () => {
  const waiting = [...UNCONTAINED];
  await Promise.all(Array.from({ length: 3 }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      console.log(await measured(next));
    }
  }));
});

/** Sets one off on a machine of its own and looks two seconds later, the plugin being disabled. */
async function measured({ name, source }: Attack): Promise<string> {
  const ground = await startGround("worker");
  const within = AbortSignal.timeout(8000);
  try {
    const before = (await ground.calm(1)).rssMiB;
    let answered = "nobody";
    try {
      const activated = await ground.install(name, source);
      const asked = fetch(`${ground.url}/hostile/${name}`, { signal: within });
      const { status, body } = await asked;
      await body?.cancel();
      answered = `${activated.status} at activation, ${status} then`;
      await ground.ask("PUT", `/lib/${name}/state`, "t3", "disabled");
    } catch (error) {
      if (!(error instanceof Error)) throw error; // a machine that is gone refuses the connection
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const alive = await fetch(`${ground.url}/proc/version`, { signal: AbortSignal.timeout(3000) })
      .then((answer) => answer.body?.cancel().then(() => true), () => false);
    if (!alive || tree(ground.program.pid).length === 0) {
      return `fallback, ${name}: ${answered}; the server is dead or stands still`;
    }
    const { cpu, rssMiB } = await ground.calm(1, 1000);
    return `fallback, ${name}: ${answered}; after it ${
      (cpu * 100).toFixed(0)
    } % of a processor and ` +
      `${rssMiB.toFixed(0)} MiB (${before.toFixed(0)} before)`;
  } finally {
    await ground.kill();
  }
}
