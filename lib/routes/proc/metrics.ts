/**
 * What `/proc/metrics` tells: the machine's counters and gauges under names that a scraper keeps for
 * years. It tells numbers and the names of plugins, as `/proc/status` and `/lib/<name>/state` do; no
 * world, path or caller is ever a label.
 */

import { acceptable } from "../../http/negotiate.ts";
import type { Machine } from "../../request/server_context.ts";
import {
  type Family,
  METRICS_TYPES,
  type MetricsForm,
  type Sample,
  writeMetrics,
} from "../../observe/open_metrics.ts";
import { type RequestCounts, WAIT_BOUNDS } from "../../observe/request_counts.ts";
import type { PluginVitals } from "../../request/plugin_routes.ts";

/** What changes with every request. */
export interface Live {
  readonly requests: Pick<RequestCounts, "list" | "waits">;
  readonly streams: { readonly size: number };
}

const KIB = 1024;
const OPEN_METRICS = "application/openmetrics-text";

/** Answers with metrics, in the older format for who would rather have text. */
export function respondMetrics(accept: string | null, families: readonly Family[]): Response {
  const form = formFor(accept);
  return new Response(writeMetrics(families, form), {
    headers: {
      "content-type": METRICS_TYPES[form],
      "cache-control": "no-store",
      "vary": "Accept",
      "x-content-type-options": "nosniff",
    },
  });
}

/** Versions are no business of ours: each form has had one for years, and scrapers read both. */
function formFor(accept: string | null): MetricsForm {
  const plain = accept?.replace(/;\s*(?:version|charset|escaping)=[^;,]*/gi, "") ?? null;
  const [best] = acceptable(plain, [OPEN_METRICS, "text/plain", "text/html"]);
  return best === undefined || best === OPEN_METRICS ? "openmetrics" : "prometheus";
}

/** Everything that is measured, as it is now. */
export function metricsOf(machine: Machine, live: Live): Family[] {
  const { store, plugins, version, startedAt } = machine;
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
      histogram: { bounds: WAIT_BOUNDS, buckets: waits.buckets, sum: waits.seconds },
    },
    gauge("elastik_streams_open", "Event streams that are open.", live.streams.size),
    gauge("elastik_worlds", "Worlds there are, those of the lower layer included.", store.count()),
    ...storeFamilies(machine),
    gauge("elastik_plugins_up", "Plugins whose routes answer.", plugins.active),
    ...pluginFamilies(plugins.vitals()),
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
        (machine.now() - startedAt) / 1000,
      ),
      unit: "seconds",
    },
  ];
}

function storeFamilies({ store }: Machine): Family[] {
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

function pluginFamilies(vitals: readonly PluginVitals[]): Family[] {
  const each = (value: (vital: PluginVitals) => number | undefined): Sample[] =>
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

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: "counter", help, samples };
}

function gauge(name: string, help: string, value: number): Family {
  return { name, type: "gauge", help, samples: [{ value }] };
}

function info(name: string, help: string, labels: Readonly<Record<string, string>>): Family {
  return { name, type: "info", help, samples: [{ labels, value: 1 }] };
}
