/**
 * A plugin that runs, and what the host needs to start one. Types and two small functions only: the
 * code that starts cells is in `plugin_loader.ts`, which is loaded when the first plugin is needed.
 */

import type { Caller } from "../../auth/caller.ts";
import type { CellLimits } from "../../limits.ts";
import type { World } from "../../world/store.ts";
import type { Cell, CellEvent } from "../cell/cell.ts";
import type { Subrequest } from "../cell/cell_run.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Permissions } from "../manifest/permissions.ts";
import type { CheckImports } from "../manifest/validate_source.ts";
import type { StartCell } from "../transport/transport.ts";
import type { ProbeResult } from "./probe_manifest.ts";

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

/** What the host hears from a cell. */
export interface CellCallbacks {
  answerSubrequest(call: Subrequest<Caller>): Promise<Response>;
  onEvent(event: CellEvent): void;
}

/** A plugin's own words about its configuration, said to be that. */
export function configFault(loaded: LoadedPlugin | undefined): string | undefined {
  return loaded?.fault === undefined
    ? undefined
    : `its configuration is of no use: ${loaded.fault}`;
}

/** `gpu` of `lib/gpu`. */
export function shortName(name: string): string {
  return name.startsWith("lib/") ? name.slice("lib/".length) : name;
}
