/**
 * From a source to a running cell: types out, imports refused, manifest read where nothing can be
 * done, what it asks for checked against what may be had. What fails here fails before anything of the
 * machine has changed.
 */

import type { Caller } from "../../auth/caller.ts";
import type { CellLimits } from "../../limits.ts";
import type { World } from "../../world/store.ts";
import { Cell, type CellEvent } from "../cell/cell.ts";
import { missingPermissions } from "../manifest/missing_permissions.ts";
import type { CellInit } from "../wire/cell_init.ts";
import { buildCellInit } from "../cell/build_cell_init.ts";
import { type Manifest, ManifestError } from "../manifest/manifest.ts";
import type { Permissions } from "../manifest/permissions.ts";
import { probeManifest, type ProbeResult } from "./probe_manifest.ts";
import { type CheckImports, validateSource } from "../manifest/validate_source.ts";
import { createStripTypes } from "./strip_types.ts";
import type { Subrequest } from "../cell/cell_run.ts";
import type { StartCell } from "../transport/transport.ts";

/** Where cells come from and what they may be told. */
export interface SandboxDeps {
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Value of an environment variable of the server. */
  readVariable(name: string): string | undefined;
  /** Where sources are parsed, if not on the server's own thread. */
  readonly checkImports?: CheckImports;
  /** Folders no plugin may reach, as they really lie. */
  readonly forbiddenFolders: readonly string[];
  /** Why a cell may not be granted a host, where the cell itself cannot be denied it. */
  netFault?(host: string): string | undefined;
  /** Why a path may not be a plugin's route, or `undefined`. */
  routeFault(path: string): string | undefined;
  /** Text of a world, unredacted, or `undefined` when there is none. */
  readConfig(path: string): Promise<string | undefined>;
  log(level: "log" | "warn" | "error", line: string): void;
}

/** A plugin asks for more than the server itself was started with. */
export class MissingPermissionError extends Error {
  override readonly name = "MissingPermissionError";
}

/** What a source asks to be, and its code. */
export interface RequestedGrants extends ProbeResult {
  readonly code: string;
}

/** A plugin in its cell. */
export interface LoadedPlugin {
  readonly name: string;
  readonly source: World;
  readonly code: string;
  readonly manifest: Manifest;
  permissions: Permissions;
  config: Readonly<Record<string, string>>;
  /** What it finds wrong with its configuration, in its own words. */
  fault: string | undefined;
  readonly cell: Cell<Caller>;
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

/** What the host hears from a cell. */
export interface CellCallbacks {
  answerSubrequest(call: Subrequest<Caller>): Promise<Response>;
  onEvent(event: CellEvent): void;
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

/** A plugin's own words about its configuration, said to be that. */
export function configFault(loaded: LoadedPlugin | undefined): string | undefined {
  return loaded?.fault === undefined
    ? undefined
    : `its configuration is of no use: ${loaded.fault}`;
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

/** `gpu` of `lib/gpu`. */
export function shortName(name: string): string {
  return name.startsWith("lib/") ? name.slice("lib/".length) : name;
}
