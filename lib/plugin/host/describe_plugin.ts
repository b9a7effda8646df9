/**
 * A plugin as JSON members, for `/lib/<name>/state`. Words that the plugin or its process chose go only to
 * callers that could approve it.
 */

import type { CellHealth } from "../cell/cell.ts";
import type { LoadedPlugin, RequestedGrants } from "./loaded_plugin.ts";

/** Sent in place of a text that only callers with T3 see. */
const WITHHELD = "told to T3";

/**
 * What a plugin is now.
 *
 * @param loaded the running plugin; undefined if it is not up
 * @param fault why it is not up, or what is wrong with its configuration
 * @param trusted whether the caller could approve the plugin
 */
export function describePlugin(
  loaded: LoadedPlugin | undefined,
  fault: string | undefined,
  trusted: boolean,
): Readonly<Record<string, unknown>> {
  return {
    up: loaded !== undefined,
    ...(loaded === undefined ? {} : { ...loaded.manifest, permissions: loaded.permissions }),
    health: loaded === undefined
      ? { state: "down" }
      : describeHealth(loaded.cell.health(), trusted),
    ...(fault === undefined ? {} : { fault: trusted ? fault : WITHHELD }),
  };
}

/** What a source requests: its manifest, its permissions, and the config worlds that exist. */
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

function describeHealth(
  { state, transport, pid, residentKiB, startedAt, requests, waiting, crashes, reason }: CellHealth,
  trusted: boolean,
): Readonly<Record<string, unknown>> {
  return {
    state,
    ...(transport === undefined ? {} : { transport }),
    ...(startedAt === undefined ? {} : { started_at: new Date(startedAt).toISOString() }),
    ...(residentKiB === undefined ? {} : { resident_kib: residentKiB }),
    requests,
    waiting,
    crashes,
    ...(trusted && pid !== undefined ? { pid } : {}),
    ...(reason === undefined ? {} : { reason: trusted ? reason : WITHHELD }),
  };
}
