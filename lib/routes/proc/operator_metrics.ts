/** The metrics of the disk with the data folder, and of reloads of the settings. */

import type { DiskSpace } from "../../dav/resource/disk_space.ts";
import type { MetricFamily } from "../../observe/open_metrics.ts";
import type { ReloadCounts } from "../../request/reload_counts.ts";

/**
 * Returns the metric families.
 *
 * @param disk space of the disk; undefined if the system does not report it
 * @param reloads figures about reloads; undefined without a listener
 */
export function operatorFamilies(
  disk: DiskSpace | undefined,
  reloads: ReloadCounts | undefined,
): MetricFamily[] {
  return [
    ...(disk === undefined ? [] : [
      gauge(
        "elastik_disk_free_bytes",
        "bytes",
        "Space that the disk of the data folder has left for the server.",
        disk.available,
      ),
      gauge("elastik_disk_size_bytes", "bytes", "Size of this disk.", disk.size),
    ]),
    ...(reloads === undefined ? [] : reloadFamilies(reloads)),
  ];
}

function reloadFamilies({ ok, failed, lastOk, lastFailed }: ReloadCounts): MetricFamily[] {
  return [
    {
      name: "elastik_reloads",
      type: "counter",
      help: "Reloads of the settings since the start; a failed one kept an old value.",
      samples: [
        { labels: { result: "ok" }, value: ok },
        { labels: { result: "failed" }, value: failed },
      ],
    },
    gauge(
      "elastik_reload_last_success_timestamp_seconds",
      "seconds",
      "Unix time of the last reload that applied every change; 0 before the first.",
      lastOk / 1000,
    ),
    gauge(
      "elastik_reload_last_failure_timestamp_seconds",
      "seconds",
      "Unix time of the last reload that kept an old value; 0 before the first.",
      lastFailed / 1000,
    ),
  ];
}

function gauge(name: string, unit: string, help: string, value: number): MetricFamily {
  return { name, type: "gauge", unit, help, samples: [{ value }] };
}
