/**
 * Describes a plugin as JSON members for `/lib/<name>/state`, and as metrics. Text that the plugin or its process
 * chose must only be shown to callers that can approve it.
 */

import type {
  PluginEventMetrics,
  PluginLimit,
  PluginMetrics,
  PluginRoute,
} from "../../request/plugin_routes.ts";
import type { CellLimits } from "../../cell_limits.ts";
import type { NodePlugin } from "../../world/coordination.ts";
import type { CellHealth } from "../cell/cell.ts";
import { PluginLimitCounts } from "../cell/plugin_limit_counts.ts";
import type { LoadedPlugin, RequestedGrants } from "./loaded_plugin.ts";

/** Longest text of a plugin that the other servers get, in characters. */
const MAX_REASON_CHARS = 500;
/** Replaces a text that only callers with T3 may see. */
const WITHHELD = "shown to T3 only";
/** No limit was reached. */
const NO_LIMITS: Readonly<Record<PluginLimit, number>> = new PluginLimitCounts().counts;

/**
 * Describes the current state of a plugin.
 *
 * @param loaded the running plugin; undefined if it is not active
 * @param fault why it is not active, or what is wrong with its configuration
 * @param trusted whether the caller can approve the plugin
 * @param events members of the health about the calls of `scheduled` and `change`
 */
export function describePlugin(
  loaded: LoadedPlugin | undefined,
  fault: string | undefined,
  trusted: boolean,
  events: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    up: loaded !== undefined,
    ...(loaded === undefined ? {} : { ...loaded.manifest, permissions: loaded.permissions }),
    health: loaded === undefined
      ? { state: "down" }
      : { ...describeHealth(loaded.cell.health(), loaded.cell.limits, trusted), ...events },
    ...(fault === undefined ? {} : { fault: trusted ? fault : WITHHELD }),
  };
}

/**
 * Describes what a source requests: its manifest, its permissions, and the config worlds that
 * exist.
 */
export function describeGrants(
  { manifest, permissions, config, fault }: RequestedGrants,
): Readonly<Record<string, unknown>> {
  return {
    ...manifest,
    permissions,
    configured: Object.keys(config),
    ...(fault === undefined ? {} : { fault }),
  };
}

/**
 * Returns the metrics of a plugin.
 *
 * @param plugin world of its source, `lib/gpu`
 * @param health of its cell; undefined if it should be active and does not run
 * @param more the lines of its log that are kept; calls of `scheduled` and `change`, if it declares them
 */
export function toPluginMetrics(
  plugin: string,
  health: CellHealth | undefined,
  { logLines, events }: {
    readonly logLines: number;
    readonly events: PluginEventMetrics | undefined;
  },
): PluginMetrics {
  return {
    plugin,
    up: health !== undefined,
    requests: health?.served ?? 0,
    open: health?.requests ?? 0,
    waiting: health?.waiting ?? 0,
    crashes: health?.crashes ?? 0,
    refused: health?.refused ?? 0,
    calls: health?.calls ?? 0,
    queries: health?.queries ?? { running: 0, waiting: 0 },
    droppedLines: health?.droppedLines ?? 0,
    logLines,
    limits: health?.limits ?? NO_LIMITS,
    ...(events === undefined ? {} : { events }),
    ...(health?.residentKiB === undefined ? {} : { residentKiB: health.residentKiB }),
  };
}

/**
 * Describes a plugin for the other servers of a cluster.
 *
 * @param up whether its routes answer here
 * @param fault why it does not run as approved; undefined if it does
 * @param events its calls of `scheduled` and `change`
 */
export function toNodePlugin(
  up: boolean,
  fault: string | undefined,
  events: Pick<NodePlugin, "cron" | "delivers">,
): NodePlugin {
  return {
    up,
    ...(fault === undefined ? {} : { fault: fault.slice(0, MAX_REASON_CHARS) }),
    ...events,
  };
}

function describeHealth(
  health: CellHealth,
  { residentMiB, maxRequests, maxWaiting, responseTimeoutMs }: CellLimits,
  trusted: boolean,
): Readonly<Record<string, unknown>> {
  const { state, transport, pid, residentKiB, startedAt, requests, waiting, crashes, reason } =
    health;
  const reached = Object.entries(health.limits).filter(([, count]) => count > 0);
  return {
    state,
    ...(transport === undefined ? {} : { transport }),
    ...(startedAt === undefined ? {} : { started_at: new Date(startedAt).toISOString() }),
    ...(residentKiB === undefined ? {} : { resident_kib: residentKiB }),
    requests,
    waiting,
    served: health.served,
    refused: health.refused,
    crashes,
    limits: {
      resident_kib: residentMiB * 1024,
      requests: maxRequests,
      waiting: maxWaiting,
      answer_ms: responseTimeoutMs,
    },
    ...(reached.length === 0 ? {} : { limits_reached: Object.fromEntries(reached) }),
    ...(trusted && pid !== undefined ? { pid } : {}),
    ...(reason === undefined ? {} : { reason: trusted ? reason : WITHHELD }),
  };
}

/** Describes a route of a plugin that runs. */
export function toRoute(
  path: string,
  { name, manifest }: Pick<LoadedPlugin, "name" | "manifest">,
): PluginRoute {
  return { path, plugin: name, description: manifest.description, auth: manifest.auth };
}
