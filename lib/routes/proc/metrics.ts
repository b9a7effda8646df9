/**
 * What `/proc/metrics` tells: the machine's counters and gauges under names that a scraper keeps for
 * years. It tells numbers and the names of plugins, as `/proc/status` and `/lib/<name>/state` do; no
 * world, path or caller is ever a label.
 */

import { assertCan } from "../../auth/policy.ts";
import { negotiateTypes } from "../../http/negotiate.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import {
  formatMetrics,
  type MetricFamily,
  METRICS_MEDIA_TYPES,
  type MetricSample,
  type MetricsFormat,
} from "../../observe/open_metrics.ts";
import { type RequestCounts, WAIT_BOUNDS_SECONDS } from "../../observe/request_counts.ts";
import type { PluginMetrics } from "../../request/plugin_routes.ts";

/** What changes with every request. */
export interface LiveMetrics {
  readonly requests: Pick<RequestCounts, "list" | "waits">;
  readonly streams: { readonly size: number };
}

const KIB = 1024;
const OPEN_METRICS = "application/openmetrics-text";

/** `GET /proc/metrics`: everything that is measured. */
export function metrics(
  server: ServerContext,
  live: LiveMetrics,
  context: RequestContext,
): Response {
  assertCan(context.caller, "read", "/proc/metrics");
  return respondMetrics(context.request.headers.get("accept"), collectMetrics(server, live));
}

/** Answers with metrics, in the older format for who would rather have text. */
export function respondMetrics(accept: string | null, families: readonly MetricFamily[]): Response {
  const form = formFor(accept);
  return new Response(formatMetrics(families, form), {
    headers: {
      "content-type": METRICS_MEDIA_TYPES[form],
      "cache-control": "no-store",
      "vary": "Accept",
      "x-content-type-options": "nosniff",
    },
  });
}

/** Versions are no business of ours: each form has had one for years, and scrapers read both. */
function formFor(accept: string | null): MetricsFormat {
  const plain = accept?.replace(/;\s*(?:version|charset|escaping)=[^;,]*/gi, "") ?? null;
  const [best] = negotiateTypes(plain, [OPEN_METRICS, "text/plain", "text/html"]);
  return best === undefined || best === OPEN_METRICS ? "openmetrics" : "prometheus";
}

/** Everything that is measured, as it is now. */
export function collectMetrics(server: ServerContext, live: LiveMetrics): MetricFamily[] {
  const { store, plugins, version, startedAt } = server;
  const waits = live.requests.waits();
  return [
    info("elastik_build", "The machine's version.", { version }),
    {
      name: "elastik_http_requests",
      type: "counter",
      help: "Requests from outside that were answered.",
      samples: live.requests.list().map(({ method, status, count }) => ({
        labels: { method, status },
        value: count,
      })),
    },
    {
      name: "elastik_http_wait_seconds",
      type: "histogram",
      unit: "seconds",
      help: "Time to the head of answers that had to wait, for a disk, a body or a plugin; " +
        "reads out of memory do not wait and are not in it.",
      histogram: { bounds: WAIT_BOUNDS_SECONDS, buckets: waits.buckets, sum: waits.seconds },
    },
    gauge("elastik_streams_open", "Event streams that are open.", live.streams.size),
    gauge("elastik_worlds", "Worlds there are, those of the lower layer included.", store.count()),
    ...storeFamilies(server),
    gauge("elastik_plugins_up", "Plugins whose routes answer.", plugins.activeCount),
    ...pluginFamilies(plugins.metrics()),
    {
      ...gauge(
        "process_resident_memory_bytes",
        "Memory of the server, without that of its plugins.",
        Deno.memoryUsage().rss,
      ),
      unit: "bytes",
    },
    {
      ...gauge(
        "process_start_time_seconds",
        "Unix time at which the machine started.",
        startedAt / 1000,
      ),
      unit: "seconds",
    },
    {
      ...gauge(
        "elastik_uptime_seconds",
        "Seconds since the start.",
        (server.now() - startedAt) / 1000,
      ),
      unit: "seconds",
    },
  ];
}

function storeFamilies({ store }: ServerContext): MetricFamily[] {
  const { cacheHits, cacheBytes, diskReads, notes } = store.counts;
  return [
    counter("elastik_changes", "Changes of worlds that are on disk, deletions included.", [
      { value: store.seq },
    ]),
    counter("elastik_notes", "Events on chains that are no change of their world.", [
      { value: notes },
    ]),
    counter("elastik_cache_hits", "Worlds that were found in memory.", [{ value: cacheHits }]),
    counter("elastik_disk_reads", "Worlds that were read from disk.", [{ value: diskReads }]),
    { ...gauge("elastik_cache_bytes", "Memory that holds worlds.", cacheBytes), unit: "bytes" },
  ];
}

function pluginFamilies(vitals: readonly PluginMetrics[]): MetricFamily[] {
  const each = (value: (vital: PluginMetrics) => number | undefined): MetricSample[] =>
    vitals.flatMap((vital) => {
      const found = value(vital);
      const labels = { plugin: vital.plugin.slice("lib/".length) };
      return found === undefined ? [] : [{ labels, value: found }];
    });
  const memory = each(({ residentKiB }) =>
    residentKiB === undefined ? undefined : residentKiB * KIB
  );
  return [
    {
      name: "elastik_plugin_up",
      type: "gauge",
      help: "Whether an active plugin's routes answer.",
      samples: each(({ up }) => up ? 1 : 0),
    },
    counter(
      "elastik_plugin_requests",
      "Requests a plugin was sent since it came up.",
      each((vital) => vital.requests),
    ),
    {
      name: "elastik_plugin_requests_open",
      type: "gauge",
      help: "Requests that are in a plugin.",
      samples: each((vital) => vital.open),
    },
    {
      name: "elastik_plugin_requests_waiting",
      type: "gauge",
      help: "Requests that wait for a place in a plugin.",
      samples: each((vital) => vital.waiting),
    },
    counter(
      "elastik_plugin_crashes",
      "Times a plugin ended by itself or was ended for cause since it came up.",
      each((vital) => vital.crashes),
    ),
    {
      name: "elastik_plugin_resident_memory_bytes",
      type: "gauge",
      unit: "bytes",
      help: "Memory of a plugin's process.",
      samples: memory,
    },
  ];
}

function counter(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, type: "counter", help, samples };
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, type: "gauge", help, samples: [{ value }] };
}

function info(name: string, help: string, labels: Readonly<Record<string, string>>): MetricFamily {
  return { name, type: "info", help, samples: [{ labels, value: 1 }] };
}
