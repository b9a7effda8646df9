/**
 * The attacks that a Worker of the server does not contain: each one on its own server that may not
 * start processes, with the processor time and memory in use afterwards. The figures are in
 * `/usr/share/doc/plugins.md`. Run: `deno run -A tests/bench/fallback_bench.ts`
 */

import { type Attack, attack } from "../faults/hostile/attack.ts";
import { processTree, startAttackedServer } from "../faults/hostile/attacked_server.ts";
import { SOURCES } from "../faults/hostile/imports.ts";
import { MEMORY_ATTACKS } from "../faults/hostile/memory.ts";
import { LOOPS } from "../faults/hostile/time.ts";

/** The attacks. Those on memory have a fixed size, because a Worker has no limit of its own. */
const UNCONTAINED: readonly Attack[] = [
  ...LOOPS.filter(({ name }) => name === "loop" || name === "microtask" || name === "loop-import"),
  ...MEMORY_ATTACKS.filter(({ name }) => name === "heap"),
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
  // Native code overflows its stack, which ends the process.
  ...SOURCES.filter(({ name }) => name === "deep-types"),
];

/** Runs an attack on its own server, disables the plugin and measures the server a second later. */
async function measure({ name, source }: Attack): Promise<string> {
  const server = await startAttackedServer("worker");
  const within = AbortSignal.timeout(8000);
  try {
    const before = (await server.untilIdle(1)).rssMiB;
    let outcome = "no response";
    try {
      const activated = await server.install(name, source);
      const { status, body } = await fetch(`${server.url}/hostile/${name}`, { signal: within });
      await body?.cancel();
      outcome = `activation ${activated.status}, request ${status}`;
      await server.ask("PUT", `/lib/${name}/state`, "t3", "disabled");
    } catch (error) {
      if (!(error instanceof Error)) throw error; // a server that has ended refuses the connection
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const alive = await fetch(`${server.url}/proc/version`, { signal: AbortSignal.timeout(3000) })
      .then((answer) => answer.body?.cancel().then(() => true), () => false);
    if (!alive || processTree(server.program.pid).length === 0) {
      return `fallback, ${name}: ${outcome}; the server has ended or does not respond`;
    }
    const { cpu, rssMiB } = await server.untilIdle(1, 1000);
    return `fallback, ${name}: ${outcome}; after it ${
      (cpu * 100).toFixed(0)
    } % of a processor and ` +
      `${rssMiB.toFixed(0)} MiB (${before.toFixed(0)} before)`;
  } finally {
    await server.kill();
  }
}

if (import.meta.main) { for (const each of UNCONTAINED) console.log(await measure(each)); }
