import { assert, assertEquals } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Cluster, initClusterStore } from "./cluster.ts";
import { runUnderLoad, showViolations } from "./fault_run.ts";
import { NODES, PatroniCluster, patroniSkipped } from "./patroni.ts";

const SEED = 23;
const WRITES = 15;

Deno.test({
  name: `nodes follow the leader that Patroni chooses, and lose nothing${patroniSkipped}`,
  ignore: patroniSkipped !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      await using patroni = await PatroniCluster.start();
      await initClusterStore(patroni.url("postgres"), folder, NODES);
      const cluster = await Cluster.start({ folder, count: 2, store: patroni.url() });
      try {
        const { report, violations } = await runUnderLoad({
          seed: SEED,
          clients: 3,
          pauseMs: 100,
          followers: 1,
          urls: () => cluster.urls,
          headers: cluster.approval,
          prefix: "home/run/",
          hasDurableLocks: true,
          texts: 10,
        }, async (load) => {
          await load.untilAcknowledged(WRITES);
          // The server of the leader ends; its Patroni gives the leadership away.
          const first = await patroni.untilLeader();
          await patroni.killServer(first);
          const second = await patroni.untilLeader(first);
          await load.untilAcknowledged(WRITES);
          await patroni.untilComplete();
          // Only the Patroni of the leader ends: its server lives on as an isolated primary.
          patroni.killAgent(second);
          await patroni.untilLeader(second);
          await load.untilAcknowledged(WRITES);
        });
        console.log(
          `${report.acknowledged} acknowledged writes, 2 failovers, ` +
            `longest pause ${report.longestPauseMs} ms`,
        );
        assertEquals(showViolations(violations), "");
        assertEquals(report.unexpected, []);
        assert(report.acknowledged >= 3 * WRITES, `${report.acknowledged}`);
      } finally {
        await cluster.close();
      }
    }),
});
