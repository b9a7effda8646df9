import { operatorFamilies } from "../../../lib/routes/proc/operator_metrics.ts";
import { formatMetrics } from "../../../lib/observe/open_metrics.ts";
import { assertEquals } from "../../support/assert.ts";

function samplesOf(...args: Parameters<typeof operatorFamilies>): string[] {
  return formatMetrics(operatorFamilies(...args), "openmetrics").split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("operatorFamilies() has the disk and the last reload of each result", () => {
  assertEquals(samplesOf({ available: 5, used: 3, size: 9 }, undefined), [
    "elastik_disk_free_bytes 5",
    "elastik_disk_size_bytes 9",
  ]);
  assertEquals(samplesOf(undefined, { ok: 2, failed: 1, lastOk: 1_500, lastFailed: 1_000 }), [
    'elastik_reloads_total{result="ok"} 2',
    'elastik_reloads_total{result="failed"} 1',
    "elastik_reload_last_success_timestamp_seconds 1.5",
    "elastik_reload_last_failure_timestamp_seconds 1",
  ]);
  assertEquals(samplesOf(undefined, undefined), []);
});
