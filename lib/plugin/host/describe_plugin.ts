/**
 * Describes a plugin as JSON members for `/lib/<name>/state`. Text that the plugin or its process
 * chose must only be shown to callers that can approve it.
 */

import type { CellHealth } from "../cell/cell.ts";
import type { LoadedPlugin, RequestedGrants } from "./loaded_plugin.ts";

/** Replaces a text that only callers with T3 may see. */
const WITHHELD = "shown to T3 only";

/**
 * Describes the current state of a plugin.
 *
 * @param loaded the running plugin; undefined if it is not active
 * @param fault why it is not active, or what is wrong with its configuration
 * @param trusted whether the caller can approve the plugin
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
