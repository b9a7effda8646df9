import { createRandom } from "../support/random.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { faultsSkipped, postgresSkipped } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { FaultCluster } from "./fault_cluster.ts";
import { runUnderLoad, showViolations } from "./fault_run.ts";
import { FAULTS, type FaultTarget, isFaultName, missingFor, runFault } from "./faults.ts";

const SEED = 17;

const skipped = postgresSkipped + faultsSkipped;

Deno.test({
  name: `nodes over three servers keep every acknowledged write through every fault${skipped}`,
  ignore: skipped !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      await using whole = await FaultCluster.start({ folder, nodes: 3, servers: 3, isWhole: true });
      const { cluster, operator, network, hasSmallDisks, setClock } = whole;
      const done: string[] = [];
      const { report, violations } = await runUnderLoad({
        seed: SEED,
        clients: 4,
        pauseMs: 100,
        followers: 2,
        urls: () => cluster.urls,
        headers: cluster.approval,
        prefix: "home/run/",
        hasDurableLocks: true,
        texts: 30,
      }, async (load) => {
        const target: FaultTarget = {
          ...{ cluster, operator, load, hasSmallDisks, random: createRandom(SEED), writes: 20 },
          ...(network === undefined ? {} : { network }),
          ...(setClock === undefined ? {} : { setClock }),
        };
        await load.untilAcknowledged(20);
        for (const name of Object.keys(FAULTS).filter(isFaultName)) {
          const missing = missingFor(name, target);
          if (missing !== undefined) {
            console.log(`${name} is left out: ${missing}`);
            continue;
          }
          load.takeLongestPause();
          await runFault(name, target);
          done.push(`${name} ${load.takeLongestPause()} ms`);
        }
      });
      console.log(
        `${report.acknowledged} acknowledged writes, ${done.length} faults, ` +
          `longest pause ${report.longestPauseMs} ms: ${done.join(", ")}`,
      );
      assertEquals(showViolations(violations), "");
      assertEquals(report.unexpected, []);
      assert(report.acknowledged > 20 * done.length, `${report.acknowledged} acknowledged`);
    }),
});
