/**
 * Each kind of fault once, in a short run. `tests/cluster/run.ts --faults all` has all of them with more
 * nodes and more load; the test with Patroni kills a primary.
 */

import { createRandom } from "../support/random.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { postgresSkipped } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { FaultCluster } from "./fault_cluster.ts";
import { runUnderLoad, showViolations } from "./fault_run.ts";
import { type FaultName, type FaultTarget, missingFor, runFault } from "./faults.ts";
import { patroniSkipped } from "./patroni.ts";

const SEED = 17;
/** Acknowledged writes before a fault is healed, and afterwards. */
const WRITES = 10;
const STANDING: readonly FaultName[] = [
  ...["full-disk", "kill-node", "stop-node", "pause-standbys", "terminate-backends"] as const,
  ...["clock", "stop-primary", "partition-primary"] as const,
  ...(patroniSkipped === "" ? [] : ["kill-primary"] as const),
];

Deno.test({
  name: `nodes over three servers keep every acknowledged write through faults${postgresSkipped}`,
  ignore: postgresSkipped !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      await using whole = await FaultCluster.start({ folder, nodes: 2, servers: 3, isWhole: true });
      const { cluster, operator, network, hasSmallDisks, setClock } = whole;
      const done: string[] = [];
      const { report, violations } = await runUnderLoad({
        seed: SEED,
        clients: 4,
        pauseMs: 100,
        followers: 1,
        urls: () => cluster.urls,
        headers: cluster.approval,
        prefix: "home/run/",
        hasDurableLocks: true,
        texts: 10,
      }, async (load) => {
        const target: FaultTarget = {
          ...{ cluster, operator, load, hasSmallDisks, random: createRandom(SEED), writes: WRITES },
          ...(network === undefined ? {} : { network }),
          ...(setClock === undefined ? {} : { setClock }),
        };
        await load.untilAcknowledged(WRITES);
        for (const name of STANDING) {
          const missing = missingFor(name, target);
          if (missing !== undefined) {
            console.log(`${name} is left out: ${missing}`);
            continue;
          }
          load.takeLongestPause();
          const began = performance.now();
          await runFault(name, target);
          const seconds = ((performance.now() - began) / 1000).toFixed(1);
          done.push(`${name} ${load.takeLongestPause()} ms in ${seconds} s`);
        }
      });
      console.log(
        `${report.acknowledged} acknowledged writes, ${done.length} faults, ` +
          `longest pause ${report.longestPauseMs} ms: ${done.join(", ")}`,
      );
      assertEquals(showViolations(violations), "");
      assertEquals(report.unexpected, []);
      assert(report.acknowledged > WRITES * done.length, `${report.acknowledged} acknowledged`);
    }),
});
