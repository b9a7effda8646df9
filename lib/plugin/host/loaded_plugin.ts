/**
 * From a source to a running cell: types out, imports refused, manifest read where nothing can be
 * done, what it asks for checked against what may be had. What fails here fails before anything of the
 * machine has changed.
 */

import type { Caller } from "../../auth/caller.ts";
import type { CellLimits } from "../../limits.ts";
import type { World } from "../../world/store.ts";
import { Cell, type CellEvent } from "../cell/cell.ts";
import { escalation } from "../manifest/missing_permissions.ts";
import type { CellInit } from "../wire/cell_init.ts";
import { initFor } from "../cell/build_cell_init.ts";
import { type Manifest, ManifestError } from "../manifest/manifest.ts";
import type { Permissions } from "../manifest/permissions.ts";
import { probe, type Probed } from "./probe_manifest.ts";
import { type ExamineSource, readSource } from "../manifest/validate_source.ts";
import { stripTypes } from "./strip_types.ts";
import type { CallBack } from "../cell/cell_run.ts";
import type { Launch } from "../transport/transport.ts";

/** Where cells come from and what they may be told. */
export interface CellGround {
  readonly launch: Launch;
  readonly limits: CellLimits;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Value of an environment variable of the server. */
  variable(name: string): string | undefined;
  /** Where sources are parsed, if not on the server's own thread. */
  readonly examine?: ExamineSource;
  /** Folders no plugin may reach, as they really lie. */
  readonly closed: readonly string[];
  /** Why a cell may not be granted a host, where the cell itself cannot be denied it. */
  netFault?(host: string): string | undefined;
  /** Why a path may not be a plugin's route, or `undefined`. */
  reserved(path: string): string | undefined;
  /** Text of a world, unredacted, or `undefined` when there is none. */
  config(path: string): Promise<string | undefined>;
  log(level: "log" | "warn" | "error", line: string): void;
}

/** A plugin asks for more than the server itself was started with. */
export class EscalationError extends Error {
  override readonly name = "EscalationError";
}

/** What a source asks to be, and its code. */
export interface Wanted extends Probed {
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
 * @throws {SourceError} {@link ManifestError} {@link CellEnd}
 */
export async function inquire(ground: CellGround, source: World): Promise<Wanted> {
  const { launch, limits, now } = ground;
  const strip = stripTypes(launch, limits, now);
  const code = await readSource(source.body, strip, ground.examine);
  return { code, ...await askAgain(ground, source.name, code) };
}

/** Asks a plugin's code once more, with its config worlds as they are now. */
export function askAgain(ground: CellGround, name: string, code: string): Promise<Probed> {
  const { launch, limits, now } = ground;
  return probe({
    name: shortName(name),
    code,
    launch,
    limits,
    now,
    reserved: (path) => ground.reserved(path),
    config: (path) => ground.config(path),
  });
}

/**
 * What a cell is started with, once the server is known to have it itself.
 *
 * @throws {EscalationError} {@link ManifestError}
 */
export async function initOf(
  ground: CellGround,
  name: string,
  code: string,
  { permissions, config }: Probed,
): Promise<CellInit> {
  for (const host of permissions.net) {
    const fault = ground.netFault?.(host);
    if (fault !== undefined) throw new ManifestError("permissions.net", fault);
  }
  const lacking = await escalation(permissions, (asked) => Deno.permissions.query(asked));
  if (lacking !== undefined) {
    throw new EscalationError(
      `it asks for what the server itself was not started with: ${lacking}`,
    );
  }
  return await initFor({
    name: shortName(name),
    code,
    permissions,
    config,
    limits: ground.limits,
    variable: (key) => ground.variable(key),
    realPath: (path) => Deno.realPath(path),
    closed: ground.closed,
  });
}

/** What the host hears from a cell. */
export interface CellEars {
  callBack(call: CallBack<Caller>): Promise<Response>;
  onEvent(event: CellEvent): void;
}

/**
 * Starts the cell of a source that was inquired.
 *
 * @throws {CellEnd} {@link EscalationError} {@link ManifestError}
 */
export async function startCell(
  ground: CellGround,
  source: World,
  wanted: Wanted,
  ears: CellEars,
): Promise<LoadedPlugin> {
  const init = await initOf(ground, source.name, wanted.code, wanted);
  const name = shortName(source.name);
  const { manifest, permissions, config, code, fault } = wanted;
  const answerMs = Math.max(ground.limits.answerMs, 1000 * (manifest.patience ?? 0));
  const cell = new Cell<Caller>({
    init,
    launch: ground.launch,
    limits: { ...ground.limits, answerMs },
    now: ground.now,
    callBack: (call) => ears.callBack(call),
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
export function faultOf(loaded: LoadedPlugin | undefined): string | undefined {
  return loaded?.fault === undefined
    ? undefined
    : `its configuration is of no use: ${loaded.fault}`;
}

/** Whether the config worlds are what a plugin was started with. */
export async function hasConfig(
  ground: CellGround,
  { manifest, config }: LoadedPlugin,
): Promise<boolean> {
  for (const path of manifest.config) {
    if (await ground.config(path) !== config[path]) return false;
  }
  return true;
}

/** `gpu` of `lib/gpu`. */
export function shortName(name: string): string {
  return name.startsWith("lib/") ? name.slice("lib/".length) : name;
}
