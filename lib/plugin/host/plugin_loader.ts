/**
 * Turns a source into a running cell: removes types, refuses imports, reads the manifest in a cell
 * without permissions, checks what it requests, and starts the cell. A failure must not leave a
 * change of the server's state.
 */

import type { Caller } from "../../auth/caller.ts";
import { Problem } from "../../http/problem.ts";
import type { World } from "../../world/store.ts";
import { buildCellInit } from "../cell/build_cell_init.ts";
import { Cell } from "../cell/cell.ts";
import { CellEndedError } from "../cell/cell_run.ts";
import { declarationFault } from "./approval.ts";
import { ManifestError } from "../manifest/manifest.ts";
import { missingPermissions } from "../manifest/missing_permissions.ts";
import { SourceError, validateSource } from "../manifest/validate_source.ts";
import type { CellInit } from "../wire/cell_init.ts";
import {
  type CellCallbacks,
  type GrantedPermissions,
  type LoadedPlugin,
  type RequestedGrants,
  type SandboxDeps,
  shortName,
} from "./loaded_plugin.ts";
import { CronRunner } from "./cron_runner.ts";
import { assertOwnWorlds, kvCollection } from "./own_worlds.ts";
import { probeManifest, type ProbeResult } from "./probe_manifest.ts";
import { createStripTypes } from "./strip_types.ts";

/** A plugin requests permissions that the server does not have. */
export class MissingPermissionError extends Error {
  override readonly name = "MissingPermissionError";
}

/**
 * Finds out what a source requests, by running it once without any permission.
 *
 * @param source world of the plugin
 * @throws {SourceError} the source is refused
 * @throws {ManifestError} a field of the manifest is invalid
 * @throws {CellEndedError} the source cannot be loaded, or not in time
 */
export async function inspectSource(deps: SandboxDeps, source: World): Promise<RequestedGrants> {
  const { startCell, limits, now } = deps;
  const strip = createStripTypes(startCell, limits, now);
  const code = await validateSource(source.body, strip, deps.checkImports);
  return { code, ...await probeSource(deps, source.name, code) };
}

/**
 * Reads the manifest and the permissions again, with the current config worlds.
 *
 * @param name world of the source, `lib/gpu`
 * @param code JavaScript of the plugin
 * @throws {ManifestError} a field of the manifest is invalid
 * @throws {CellEndedError} the code cannot be loaded, or not in time
 */
export async function probeSource(
  deps: SandboxDeps,
  name: string,
  code: string,
): Promise<ProbeResult> {
  const { startCell, limits, now } = deps;
  const probed = await probeManifest({
    name: shortName(name),
    code,
    startCell,
    limits,
    now,
    routeFault: (path) => deps.routeFault(path),
    readConfig: (path) => deps.readConfig(path),
  });
  assertOwnWorlds(shortName(name), probed.manifest);
  return probed;
}

/**
 * Creates the init of a cell, after a check that the server has the requested permissions.
 *
 * @param name world of the source, `lib/gpu`
 * @param code JavaScript of the plugin
 * @throws {MissingPermissionError} the server does not have a requested permission
 * @throws {ManifestError} a host or folder must not be granted
 */
export async function prepareCellInit(
  deps: SandboxDeps,
  name: string,
  code: string,
  { manifest, permissions, config }: ProbeResult,
): Promise<CellInit> {
  for (const host of permissions.net) {
    const fault = deps.netFault?.(host);
    if (fault !== undefined) throw new ManifestError("permissions.net", fault);
  }
  const lacking = await missingPermissions(
    permissions,
    (permission) => Deno.permissions.query(permission),
  );
  if (lacking !== undefined) {
    throw new MissingPermissionError(
      `it requests permissions that the server does not have; start the server with ${lacking}`,
    );
  }
  return await buildCellInit({
    name: shortName(name),
    code,
    permissions,
    config,
    kv: manifest.kv ? kvCollection(shortName(name)) : undefined,
    limits: deps.limits,
    readVariable: (key) => deps.readVariable(key),
    realPath: (path) => Deno.realPath(path),
    forbiddenFolders: deps.forbiddenFolders,
  });
}

/**
 * Starts the cell of a source.
 *
 * @param source world of the plugin
 * @param requested result of {@link inspectSource}
 * @param granted the permissions that the cell gets
 * @param callbacks receives the events and subrequests of the cell
 * @throws {CellEndedError} the cell cannot be started
 * @throws {MissingPermissionError} the server does not have a requested permission
 * @throws {ManifestError} a host or folder must not be granted
 */
export async function startPlugin(
  deps: SandboxDeps,
  source: World,
  requested: RequestedGrants,
  granted: GrantedPermissions,
  callbacks: CellCallbacks,
): Promise<Omit<LoadedPlugin, "logged">> {
  const { permissions } = granted;
  const init = await prepareCellInit(deps, source.name, requested.code, {
    ...requested,
    permissions,
  });
  const name = shortName(source.name);
  const { manifest, config, code, fault } = requested;
  const responseTimeoutMs = Math.max(
    deps.limits.responseTimeoutMs,
    1000 * (manifest.patience ?? 0),
  );
  const { authority } = callbacks;
  const cell = new Cell<Caller>({
    init,
    checkDeclaration: (text) => declarationFault(requested, text),
    startCell: deps.startCell,
    limits: { ...deps.limits, responseTimeoutMs: responseTimeoutMs },
    now: deps.now,
    answerSubrequest: (call) => callbacks.answerSubrequest(call),
    isCurrent: (caller) => authority.isCurrent(caller),
    onStop: () => authority.end(),
    log: (level, line) => deps.log(level, `plugin ${name}: ${line}`),
    onEvent: (event) => callbacks.onEvent(event),
    onLine: (level, line) => callbacks.onLine(level, line),
  });
  try {
    await cell.start();
  } catch (error) {
    await cell.stop({ drain: false });
    throw error;
  }
  return {
    ...granted,
    name: source.name,
    source,
    code,
    manifest,
    config,
    fault,
    cell,
    machine: authority.machine,
    createSchedule: (options) => new CronRunner(options),
  };
}

/** Returns whether the config worlds are the same as at the start of the plugin's cell. */
export async function isConfigCurrent(
  deps: SandboxDeps,
  { manifest, config }: LoadedPlugin,
): Promise<boolean> {
  for (const path of manifest.config) {
    if (await deps.readConfig(path) !== config[path]) return false;
  }
  return true;
}

/**
 * Converts the error of a source that cannot be started to a problem. Another error is returned
 * unchanged.
 *
 * @param name world of the source, `lib/gpu`
 */
export function toActivationProblem(error: unknown, name: string): unknown {
  const isExpected = error instanceof SourceError || error instanceof ManifestError ||
    error instanceof MissingPermissionError || error instanceof CellEndedError;
  if (!isExpected) return error;
  if (error instanceof CellEndedError && error.kind === "spawn") {
    return new Problem(
      "unavailable",
      `Cannot activate /${name}: the server cannot start its process; send the request again later`,
      { "retry-after": "5" },
    );
  }
  return new Problem(
    "unprocessable",
    `Cannot activate /${name}: ${error.message}; nothing was changed`,
    {},
    error instanceof SourceError ? { ...error.place } : {},
  );
}
