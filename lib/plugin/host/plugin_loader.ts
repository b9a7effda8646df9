/**
 * From a source to a running cell: types out, imports refused, manifest read where nothing can be
 * done, what it asks for checked against what may be had. What fails here fails before anything of the
 * machine has changed.
 */

import type { Caller } from "../../auth/caller.ts";
import { Problem } from "../../http/problem.ts";
import type { World } from "../../world/store.ts";
import { buildCellInit } from "../cell/build_cell_init.ts";
import { Cell } from "../cell/cell.ts";
import { CellEndedError } from "../cell/cell_run.ts";
import { ManifestError } from "../manifest/manifest.ts";
import { missingPermissions } from "../manifest/missing_permissions.ts";
import { SourceError, validateSource } from "../manifest/validate_source.ts";
import type { CellInit } from "../wire/cell_init.ts";
import {
  type CellCallbacks,
  type LoadedPlugin,
  type RequestedGrants,
  type SandboxDeps,
  shortName,
} from "./loaded_plugin.ts";
import { probeManifest, type ProbeResult } from "./probe_manifest.ts";
import { createStripTypes } from "./strip_types.ts";

/** A plugin asks for more than the server itself was started with. */
export class MissingPermissionError extends Error {
  override readonly name = "MissingPermissionError";
}

/**
 * Learns what a source asks to be, without granting it anything.
 *
 * @throws {SourceError} {@link ManifestError} {@link CellEndedError}
 */
export async function inspectSource(ground: SandboxDeps, source: World): Promise<RequestedGrants> {
  const { startCell: launch, limits, now } = ground;
  const strip = createStripTypes(launch, limits, now);
  const code = await validateSource(source.body, strip, ground.checkImports);
  return { code, ...await probeAgain(ground, source.name, code) };
}

/** Asks a plugin's code once more, with its config worlds as they are now. */
export function probeAgain(ground: SandboxDeps, name: string, code: string): Promise<ProbeResult> {
  const { startCell: launch, limits, now } = ground;
  return probeManifest({
    name: shortName(name),
    code,
    startCell: launch,
    limits,
    now,
    routeFault: (path) => ground.routeFault(path),
    readConfig: (path) => ground.readConfig(path),
  });
}

/**
 * What a cell is started with, once the server is known to have it itself.
 *
 * @throws {MissingPermissionError} {@link ManifestError}
 */
export async function prepareCellInit(
  ground: SandboxDeps,
  name: string,
  code: string,
  { permissions, config }: ProbeResult,
): Promise<CellInit> {
  for (const host of permissions.net) {
    const fault = ground.netFault?.(host);
    if (fault !== undefined) throw new ManifestError("permissions.net", fault);
  }
  const lacking = await missingPermissions(permissions, (asked) => Deno.permissions.query(asked));
  if (lacking !== undefined) {
    throw new MissingPermissionError(
      `it asks for what the server itself was not started with: ${lacking}`,
    );
  }
  return await buildCellInit({
    name: shortName(name),
    code,
    permissions,
    config,
    limits: ground.limits,
    readVariable: (key) => ground.readVariable(key),
    realPath: (path) => Deno.realPath(path),
    forbiddenFolders: ground.forbiddenFolders,
  });
}

/**
 * Starts the cell of a source that was inquired.
 *
 * @throws {CellEnd} {@link MissingPermissionError} {@link ManifestError}
 */
export async function startPlugin(
  ground: SandboxDeps,
  source: World,
  wanted: RequestedGrants,
  ears: CellCallbacks,
): Promise<LoadedPlugin> {
  const init = await prepareCellInit(ground, source.name, wanted.code, wanted);
  const name = shortName(source.name);
  const { manifest, permissions, config, code, fault } = wanted;
  const responseTimeoutMs = Math.max(
    ground.limits.responseTimeoutMs,
    1000 * (manifest.patience ?? 0),
  );
  const cell = new Cell<Caller>({
    init,
    startCell: ground.startCell,
    limits: { ...ground.limits, responseTimeoutMs: responseTimeoutMs },
    now: ground.now,
    answerSubrequest: (call) => ears.answerSubrequest(call),
    log: (level, line) => ground.log(level, `plugin ${name}: ${line}`),
    onEvent: (event) => ears.onEvent(event),
  });
  try {
    await cell.start();
  } catch (error) {
    await cell.stop({ drain: false });
    throw error;
  }
  return { name: source.name, source, code, manifest, permissions, config, fault, cell };
}

/** Whether the config worlds are what a plugin was started with. */
export async function isConfigCurrent(
  ground: SandboxDeps,
  { manifest, config }: LoadedPlugin,
): Promise<boolean> {
  for (const path of manifest.config) {
    if (await ground.readConfig(path) !== config[path]) return false;
  }
  return true;
}

/**
 * The problem of a source that cannot be started; an error that no code expected comes back as it is.
 *
 * @param name world of the source, `lib/gpu`
 */
export function toActivationProblem(error: unknown, name: string): unknown {
  const known = error instanceof SourceError || error instanceof ManifestError ||
    error instanceof MissingPermissionError || error instanceof CellEndedError;
  if (!known) return error;
  return new Problem(
    "unprocessable",
    `Cannot activate /${name}: ${error.message}; nothing was changed`,
  );
}
