import { clusterFamilies } from "../../../lib/routes/proc/cluster_metrics.ts";
import { formatMetrics } from "../../../lib/observe/open_metrics.ts";
import { assertEquals } from "../../support/assert.ts";

function samplesOf(health: Parameters<typeof clusterFamilies>[0]): string[] {
  return formatMetrics(clusterFamilies(health), "openmetrics").split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("clusterFamilies() has the state of a shared store, and leaves out what is not known", () => {
  const cluster = { timeline: 3, leaseAgeMs: 250, feedLagMs: 15, sessions: 9 };
  assertEquals(samplesOf({ engine: "postgres", readable: true, cluster }), [
    "elastik_store_readable 1",
    "elastik_store_sessions 9",
    "elastik_store_timeline 3",
    "elastik_store_lease_age_seconds 0.25",
    "elastik_store_feed_lag_seconds 0.015",
  ]);
  const lost = { leaseAgeMs: Infinity, feedLagMs: Infinity, sessions: 0 };
  assertEquals(samplesOf({ engine: "postgres", readable: false, cluster: lost }), [
    "elastik_store_readable 0",
    "elastik_store_sessions 0",
  ]);
  assertEquals(samplesOf({ engine: "sqlite", readable: true }), []);
});
