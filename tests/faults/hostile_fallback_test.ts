/**
 * The hostile plugins on a server that may not start processes, so that each plugin runs in a Worker of
 * the server. The attacks that a Worker cannot contain are not here: `tests/bench/fallback_bench.ts`
 * measures them, and `/usr/share/doc/plugins.md` lists them.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { RESPONSES } from "./hostile/responses.ts";
import type { Attack } from "./hostile/attack.ts";
import { CALLS } from "./hostile/calls.ts";
import { ESCAPES } from "./hostile/escape.ts";
import { FORGERIES, POLLUTION } from "./hostile/forgery.ts";
import { LONG_TIMES, startAttackedServer } from "./hostile/attacked_server.ts";
import { SOURCES } from "./hostile/imports.ts";
import { startBackgroundClient } from "./hostile/background_client.ts";
import { WAITS } from "./hostile/time.ts";

/** Native code overflows its stack, which ends the process. */
const NOT_CONTAINED = new Set(["deep-types"]);
const CONTAINED: readonly Attack[] = [
  ...SOURCES,
  ...ESCAPES,
  ...RESPONSES,
  ...CALLS,
  ...FORGERIES,
  ...POLLUTION,
  ...WAITS,
].filter(({ name }) => !NOT_CONTAINED.has(name));

Deno.test("a server that runs plugins in Workers survives every attack that a Worker contains", (t) =>
  attackAll(t, CONTAINED.filter(({ isLate }) => isLate !== true), LONG_TIMES));

Deno.test("a server that runs plugins in Workers survives those that a time limit ends", (t) =>
  attackAll(t, CONTAINED.filter(({ isLate }) => isLate === true)));

/**
 * Runs attacks on a server of their own.
 *
 * @param env limits of the server in place of the short ones
 */
async function attackAll(
  t: Deno.TestContext,
  attacks: readonly Attack[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const server = await startAttackedServer("worker", env);
  try {
    const client = startBackgroundClient(server);
    const failures = await server.runAll(attacks, 3);
    const report = await client.stop();
    console.log(report.format("fallback"));
    for (const { name } of attacks) {
      await t.step(name, () => {
        const failure = failures.find((line) => line.startsWith(`${name}:`));
        assert(failure === undefined, failure);
      });
    }
    await t.step(
      "it logs how plugins run, other clients get no error, and no CPU is used afterwards",
      async () => {
        assertMatch(server.program.output(), /plugins run in Workers of the server/);
        assertEquals(report.errors, []);
        const { cpu, rssMiB, pids } = await server.untilIdle(1);
        console.log(`left: ${(cpu * 100).toFixed(0)} % of a processor, ${rssMiB.toFixed(0)} MiB`);
        assertEquals(pids, [server.program.pid]);
        assert(cpu < 0.2, `${cpu} of a processor`);
      },
    );
  } finally {
    await server.kill();
  }
}
