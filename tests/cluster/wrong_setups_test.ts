/** The checker finds the losses of two set-ups that the operators are told not to use. */

import { assert } from "../support/assert.ts";
import { postgresTest } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import type { Cluster } from "./cluster.ts";
import { FaultCluster } from "./fault_cluster.ts";
import { runUnderLoad, showViolations } from "./fault_run.ts";
import type { Load } from "./load.ts";
import type { Operator } from "./operator.ts";

/** Acknowledged writes before and after the promotion. */
const WRITES = 40;

/** Runs load while an operator promotes a server; returns the rules that were broken. */
async function rulesBrokenBy(
  cluster: Cluster,
  prefix: string,
  promote: (load: Load) => Promise<void>,
): Promise<Set<string>> {
  const { violations } = await runUnderLoad({
    seed: 3,
    clients: 3,
    pauseMs: 40,
    followers: 0,
    urls: () => cluster.urls,
    headers: cluster.approval,
    prefix,
    texts: 0,
  }, async (load) => {
    await load.untilAcknowledged(WRITES);
    await promote(load);
    await load.untilAcknowledged(WRITES);
  });
  console.log(`${prefix}\n${showViolations(violations).split("\n").slice(0, 3).join("\n")}`);
  return new Set(violations.map(({ rule }) => rule));
}

/** Promotes a server that has not received the last acknowledged writes. */
async function promoteLagging(operator: Operator, name: "a" | "b" | "c", load: Load) {
  const { servers, primary } = operator;
  await servers.pause(name);
  await load.untilAcknowledged(WRITES);
  await servers.kill(primary);
  // What its socket still has must not arrive.
  await servers.drop(name);
  await operator.promote(name, false);
}

postgresTest(
  "the checker finds what a wrong standby and asynchronous replication lose",
  () =>
    withTempFolder(async (folder) => {
      await using whole = await FaultCluster.start({ folder, nodes: 1, servers: 3 });
      const { cluster, operator } = whole;
      // `ANY 1` promises that one standby has each commit: b has, and c is promoted.
      const wrong = await rulesBrokenBy(
        cluster,
        "home/wrong/",
        (load) => promoteLagging(operator, "c", load),
      );
      assert(wrong.has("a") || wrong.has("f"), [...wrong].join());
      // It has more than c, and follows it never for longer than a moment: its data is replaced, too.
      await operator.servers.rejoin("b", operator.primary);
      await operator.rejoin("a");
      // The promoted server waits for no standby.
      const asynchronous = await rulesBrokenBy(
        cluster,
        "home/async/",
        (load) => promoteLagging(operator, "a", load),
      );
      assert(asynchronous.has("a") || asynchronous.has("f"), [...asynchronous].join());
    }),
);
