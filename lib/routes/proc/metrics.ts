/**
 * `/proc/metrics`: counters and gauges of the server, with names that must stay stable for
 * scrapers. It contains numbers and the names of plugins only; worlds, paths and callers are never
 * labels.
 */

import { assertCan } from "../../auth/policy.ts";
import { negotiateTypes } from "../../http/negotiate.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { textResponse } from "../../response/json_response.ts";
import type { EncoderCounts } from "../../response/response_encoder.ts";
import type { SearchCounts } from "../../world/store_counts.ts";
import {
  formatMetrics,
  type MetricFamily,
  METRICS_MEDIA_TYPES,
  type MetricSample,
  type MetricsFormat,
} from "../../observe/open_metrics.ts";
import { type RequestCounts, WAIT_BOUNDS_SECONDS } from "../../observe/request_counts.ts";
import { withTimeout } from "../../base/timeout.ts";
import { createDiskSpaceReader, type DiskSpace } from "../../dav/resource/disk_space.ts";
import { METRICS_DISK_TIMEOUT_MS } from "../../usage_limits.ts";
import { clusterFamilies } from "./cluster_metrics.ts";
import { operatorFamilies } from "./operator_metrics.ts";
import type { DavLimiter } from "../../dav/resource/dav_limiter.ts";
import { edgeFamilies } from "./edge_metrics.ts";
import type { Handler } from "../handler.ts";
import type { StreamCounts } from "../stream/stream.ts";
import type { Waits } from "../stream/waits.ts";
import type { PluginMetrics } from "../../request/plugin_routes.ts";

/** Values that change with every request. */
export interface LiveMetrics {
  readonly requests: Pick<RequestCounts, "list" | "waits" | "problems">;
  readonly davLimiter: Pick<DavLimiter, "refused">;
  readonly locks: { readonly size: number; readonly refused: number };
  readonly streams: StreamCounts;
  readonly waits: Pick<Waits, "size">;
  readonly encoder: EncoderCounts;
}

/** Limits that `elastik_dav_locks_refused` counts. */
const LOCK_LIMITS: ReadonlySet<string> = new Set(["locks", "sharedLocks"]);
const KIB = 1024;
const OPEN_METRICS = "application/openmetrics-text";

/** Creates the handler of `GET /proc/metrics`: all metrics. */
export function createMetricsHandler(server: ServerContext, live: LiveMetrics): Handler {
  const readDiskSpace = createDiskSpaceReader(server.config.data, server.monotonic);
  return async function respondAll(context) {
    assertCan(context.caller, "read", "/proc/metrics");
    let disk: DiskSpace | undefined;
    // A disk that does not answer must not hide the other metrics.
    await withTimeout(
      METRICS_DISK_TIMEOUT_MS,
      readDiskSpace().then((space) => disk = space),
    );
    return respondMetrics(
      context.request.headers.get("accept"),
      collectMetrics(server, live, disk),
    );
  };
}

/** Sends metrics as OpenMetrics, or in the Prometheus format for a client that prefers text. */
export function respondMetrics(accept: string | null, families: readonly MetricFamily[]): Response {
  const format = chooseFormat(accept);
  return textResponse(formatMetrics(families, format), {
    "content-type": METRICS_MEDIA_TYPES[format],
    "vary": "Accept",
  });
}

/**
 * Chooses the format. Version parameters are ignored: each format has had one version for years.
 */
function chooseFormat(accept: string | null): MetricsFormat {
  const plain = accept?.replace(/;\s*(?:version|charset|escaping)=[^;,]*/gi, "") ?? null;
  const [best] = negotiateTypes(plain, [OPEN_METRICS, "text/plain", "text/html"]);
  return best === undefined || best === OPEN_METRICS ? "openmetrics" : "prometheus";
}

/** Collects the current value of every metric. */
export function collectMetrics(
  server: ServerContext,
  live: LiveMetrics,
  disk?: DiskSpace,
): MetricFamily[] {
  const { store, plugins, version, startedAt } = server;
  const waits = live.requests.waits();
  return [
    info("elastik_build", "Version of the server.", { version }),
    {
      name: "elastik_http_requests",
      type: "counter",
      help: "Answered requests from clients.",
      samples: live.requests.list().map(({ method, status, count }) => ({
        labels: { method, status },
        value: count,
      })),
    },
    counter(
      "elastik_problems",
      "Problem responses by type, including those to plugins.",
      [...live.requests.problems()].map(([type, value]) => ({ labels: { type }, value })),
    ),
    {
      name: "elastik_http_wait_seconds",
      type: "histogram",
      unit: "seconds",
      help: "Time to the response head of requests that waited for a disk, a body or a plugin; " +
        "reads from memory are not included.",
      histogram: { bounds: WAIT_BOUNDS_SECONDS, buckets: waits.buckets, sum: waits.seconds },
    },
    counter(
      "elastik_log_lines_dropped",
      "Log lines that were not written: the reader is too slow, or clients caused too many.",
      [{ value: server.droppedLogLines() }],
    ),
    gauge("elastik_dav_locks", "WebDAV locks.", live.locks.size),
    counter("elastik_dav_locks_refused", "LOCK requests that a limit on locks refused.", [
      { value: live.locks.refused },
    ]),
    counter(
      "elastik_dav_refused",
      "WebDAV requests that a limit refused, by limit.",
      live.davLimiter.refused().filter(({ limit }) => !LOCK_LIMITS.has(limit))
        .map(({ limit, count }) => ({ labels: { limit }, value: count })),
    ),
    ...(server.edge === undefined ? [] : edgeFamilies(server.edge())),
    ...streamFamilies(live.streams),
    gauge("elastik_waits_open", "Requests that wait for a change.", live.waits.size),
    counter("elastik_compressed_bytes", "Bytes of content that were compressed when requested.", [
      { value: live.encoder.compressedBytes },
    ]),
    counter(
      "elastik_compression_skipped",
      "Responses that were sent as they are because too much was compressed in the last second.",
      [{ value: live.encoder.skipped }],
    ),
    gauge("elastik_worlds", "Worlds, including those of the lower layer.", store.count()),
    ...storeFamilies(server),
    ...clusterFamilies(store.health()),
    ...operatorFamilies(disk, server.reloads?.()),
    gauge("elastik_plugins_up", "Active plugins whose routes answer.", plugins.activeCount),
    ...pluginFamilies(plugins.metrics()),
    {
      ...gauge(
        "process_resident_memory_bytes",
        "Resident memory of the server without its plugins.",
        Deno.memoryUsage().rss,
      ),
      unit: "bytes",
    },
    {
      ...gauge(
        "process_start_time_seconds",
        "Unix time at which the server started.",
        startedAt / 1000,
      ),
      unit: "seconds",
    },
    {
      ...gauge(
        "elastik_uptime_seconds",
        "Seconds since the start.",
        (server.monotonic() - startedAt) / 1000,
      ),
      unit: "seconds",
    },
  ];
}

function streamFamilies(streams: StreamCounts): MetricFamily[] {
  return [
    gauge("elastik_streams_open", "Open event streams.", streams.size),
    {
      ...gauge(
        "elastik_stream_buffer_bytes",
        "Memory of events that wait for the readers of streams; each event is counted once.",
        streams.bufferBytes,
      ),
      unit: "bytes",
    },
    counter(
      "elastik_streams_refused",
      "Event streams and waiting requests that were refused, by the limit.",
      byLimit(streams.refused),
    ),
    counter(
      "elastik_streams_lagged",
      "Event streams that ended because their reader was too slow.",
      [
        { value: streams.lagged },
      ],
    ),
    counter(
      "elastik_streams_revoked",
      "Event streams that ended because the credential of their caller ended.",
      [{ value: streams.revoked }],
    ),
  ];
}

function storeFamilies({ store }: ServerContext): MetricFamily[] {
  const {
    cacheHits,
    cacheBytes,
    diskReads,
    notes,
    queuedReads,
    lockFailures,
    longJobs,
    longReads,
    search,
    refusedOtherKey,
    tooLarge,
    quotas,
    snapshots,
    trash,
  } = store.counts;
  return [
    counter("elastik_changes", "Changes of worlds that are on disk, including deletions.", [
      { value: store.seq },
    ]),
    counter("elastik_notes", "Events that do not change their world.", [
      { value: notes },
    ]),
    counter(
      "elastik_other_key_refusals",
      "Changes that were refused because another key signed the events of the world.",
      [{ value: refusedOtherKey }],
    ),
    counter("elastik_cache_hits", "Reads of worlds from memory.", [{ value: cacheHits }]),
    counter("elastik_disk_reads", "Reads of worlds from disk.", [{ value: diskReads }]),
    gauge("elastik_disk_reads_queued", "Short reads that wait for the disk.", queuedReads),
    gauge(
      "elastik_long_reads_running",
      "Long bodies that are being read from disk.",
      longReads.running,
    ),
    gauge(
      "elastik_long_reads_waiting",
      "Reads of long bodies that wait for the disk.",
      longReads.waiting,
    ),
    counter(
      "elastik_long_reads_refused",
      "Reads of long bodies that were refused because too many waited, by the limit.",
      byLimit(longReads.refused),
    ),
    ...searchFamilies(search),
    counter(
      "elastik_lock_failures",
      "Operations that failed because another process had locked a world.",
      [{ value: lockFailures }],
    ),
    gauge(
      "elastik_long_jobs_running",
      "Audits, copies and filtered logs that are running.",
      longJobs.running,
    ),
    gauge(
      "elastik_long_jobs_waiting",
      "Audits, copies and filtered logs that are waiting.",
      longJobs.waiting,
    ),
    counter(
      "elastik_long_jobs_shared",
      "Requests that joined a running or waiting audit, copy or filtered log.",
      [
        { value: longJobs.shared },
      ],
    ),
    counter(
      "elastik_long_jobs_stopped",
      "Audits, copies and filtered logs that stopped because all their clients had disconnected.",
      [{ value: longJobs.stopped }],
    ),
    counter(
      "elastik_long_jobs_refused",
      "Audits, copies and filtered logs that were refused because too many waited, by the limit.",
      byLimit(longJobs.refused),
    ),
    gauge("elastik_snapshots_open", "Long copies that are being read.", snapshots.open),
    counter(
      "elastik_snapshots_refused",
      "Long copies that were refused because too many were being read, by the limit.",
      byLimit(snapshots.refused),
    ),
    counter(
      "elastik_snapshots_stalled",
      "Long copies that ended because their client did not read them.",
      [{ value: snapshots.stalled }],
    ),
    gauge("elastik_trash_worlds", "Deleted worlds in the trash.", trash.entries),
    {
      ...gauge("elastik_trash_bytes", "Size of their files, approximately.", trash.bytes),
      unit: "bytes",
    },
    counter(
      "elastik_trash_expired",
      "Deleted worlds that were deleted for good because their time was over.",
      [{ value: trash.expired }],
    ),
    counter(
      "elastik_quota_refused",
      "Changes that a quota refused, by what they needed; size is more than a whole quota, trash is a full trash.",
      Object.entries(quotas.refused).map(([limit, value]) => ({ labels: { limit }, value })),
    ),
    gauge("elastik_quotas", "Rules of /etc/quota.", quotas.rules),
    gauge("elastik_quotas_full", "Rules of which nothing is left.", quotas.full),
    counter(
      "elastik_worlds_too_large",
      "Changes that were refused because their world would be too large.",
      [{ value: tooLarge }],
    ),
    { ...gauge("elastik_cache_bytes", "Memory used by cached worlds.", cacheBytes), unit: "bytes" },
  ];
}

function searchFamilies(search: SearchCounts): MetricFamily[] {
  const { jobs } = search;
  return [
    counter("elastik_searches", "Searches that were answered.", [{ value: search.answered }]),
    gauge("elastik_searches_running", "Searches that are running.", jobs.running),
    gauge("elastik_searches_waiting", "Searches that are waiting.", jobs.waiting),
    counter("elastik_searches_shared", "Searches that joined an equal one.", [
      { value: jobs.shared },
    ]),
    counter(
      "elastik_searches_stopped",
      "Searches that stopped because all their clients had disconnected.",
      [{ value: jobs.stopped }],
    ),
    counter(
      "elastik_searches_refused",
      "Searches that were refused because too many waited, by the limit.",
      byLimit(jobs.refused),
    ),
    gauge("elastik_search_worlds", "Worlds whose text can be searched.", search.worlds),
    gauge(
      "elastik_search_pending_worlds",
      "Worlds that the search index does not have in their current version.",
      search.pending,
    ),
    gauge(
      "elastik_search_waiting_chars",
      "Characters of text that are searched one by one until the full-text index has them.",
      search.waitingChars,
    ),
    {
      ...gauge("elastik_search_index_bytes", "Size of the search index on disk.", search.bytes),
      unit: "bytes",
    },
  ];
}

function pluginFamilies(plugins: readonly PluginMetrics[]): MetricFamily[] {
  const each = (value: (plugin: PluginMetrics) => number | undefined): MetricSample[] =>
    plugins.flatMap((plugin) => {
      const found = value(plugin);
      const labels = { plugin: plugin.plugin.slice("lib/".length) };
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
      "Requests sent to a plugin since it became active.",
      each((plugin) => plugin.requests),
    ),
    {
      name: "elastik_plugin_requests_open",
      type: "gauge",
      help: "Requests that a plugin has not answered yet.",
      samples: each((plugin) => plugin.open),
    },
    {
      name: "elastik_plugin_requests_waiting",
      type: "gauge",
      help: "Requests that wait for a plugin.",
      samples: each((plugin) => plugin.waiting),
    },
    counter(
      "elastik_plugin_requests_refused",
      "Requests to a plugin that got 503: too many waited, or they waited too long.",
      each((plugin) => plugin.refused),
    ),
    counter(
      "elastik_plugin_crashes",
      "Crashes of a plugin and stops because of a fault, since it became active.",
      each((plugin) => plugin.crashes),
    ),
    {
      name: "elastik_plugin_calls_open",
      type: "gauge",
      help: "Open calls of env.caller and env.machine.",
      samples: each((plugin) => plugin.calls),
    },
    {
      name: "elastik_plugin_queries_running",
      type: "gauge",
      help: "Database queries of a plugin that run.",
      samples: each((plugin) => plugin.queries.running),
    },
    {
      name: "elastik_plugin_queries_waiting",
      type: "gauge",
      help: "Database queries of a plugin that wait.",
      samples: each((plugin) => plugin.queries.waiting),
    },
    {
      name: "elastik_plugin_log_lines",
      type: "gauge",
      help: "Lines of the log of a plugin that are kept in memory.",
      samples: each((plugin) => plugin.logLines),
    },
    counter(
      "elastik_plugin_log_lines_dropped",
      "Console lines of a plugin above its limit, since it became active.",
      each((plugin) => plugin.droppedLines),
    ),
    counter(
      "elastik_plugin_cron_runs",
      "Scheduled runs of a plugin since it became active, by result.",
      plugins.flatMap(({ plugin, events }) => byResult(plugin, events?.runs ?? {})),
    ),
    counter(
      "elastik_plugin_changes",
      "Calls of a plugin with a change since it became active, by result.",
      plugins.flatMap(({ plugin, events: { changes } = {} }) => {
        if (changes === undefined) return [];
        const { delivered, failed, skipped } = changes;
        return byResult(plugin, { ok: delivered, failed, skipped });
      }),
    ),
    counter(
      "elastik_plugin_limits_reached",
      "How often a plugin reached a limit since it became active, by the limit.",
      plugins.flatMap(({ plugin, limits }) =>
        Object.entries(limits).map(([limit, value]) => ({
          labels: { plugin: plugin.slice("lib/".length), limit },
          value,
        }))
      ),
    ),
    {
      name: "elastik_plugin_change_lag_seconds",
      type: "gauge",
      unit: "seconds",
      help: "Age of the change with which a plugin is called; 0 if none waits.",
      samples: each(({ events }) =>
        events?.changes === undefined ? undefined : events.changes.lagMs / 1000
      ),
    },
    {
      name: "elastik_plugin_resident_memory_bytes",
      type: "gauge",
      unit: "bytes",
      help: "Resident memory of a plugin process.",
      samples: memory,
    },
  ];
}

/** Samples of a counter of one plugin with the label `result`. */
function byResult(plugin: string, counts: Readonly<Record<string, number>>): MetricSample[] {
  return Object.entries(counts).map(([result, value]) => ({
    labels: { plugin: plugin.slice("lib/".length), result },
    value,
  }));
}

/** Samples of a counter with the label `limit`: the limit for all clients, or for one client. */
function byLimit(counts: Readonly<Record<"total" | "client", number>>): MetricSample[] {
  return Object.entries(counts).map(([limit, value]) => ({ labels: { limit }, value }));
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
