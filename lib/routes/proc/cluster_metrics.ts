/** The metrics of a store that several servers share. */

import type { MetricFamily } from "../../observe/open_metrics.ts";
import type { StoreHealth } from "../../world/store_health.ts";

/**
 * Returns the metric families; none for a store that is not shared. A time that is not known is left
 * out.
 */
export function clusterFamilies({ readable, cluster }: StoreHealth): MetricFamily[] {
  if (cluster === undefined) return [];
  const { timeline, leaseAgeMs, feedLagMs, sessions } = cluster;
  return [
    gauge(
      "elastik_store_readable",
      "1 while the memory of the server follows the database, 0 while it answers no request.",
      readable ? 1 : 0,
    ),
    gauge("elastik_store_sessions", "Open sessions with the database.", sessions),
    ...(timeline === undefined ? [] : [
      gauge("elastik_store_timeline", "Timeline of the database; a promotion raises it.", timeline),
    ]),
    ...seconds("elastik_store_lease_age_seconds", "Age of what memory has.", leaseAgeMs),
    ...seconds(
      "elastik_store_feed_lag_seconds",
      "Time since the change feed was read and applied.",
      feedLagMs,
    ),
  ];
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, type: "gauge", help, samples: [{ value }] };
}

function seconds(name: string, help: string, ms: number): MetricFamily[] {
  return Number.isFinite(ms) ? [{ ...gauge(name, help, ms / 1000), unit: "seconds" }] : [];
}
