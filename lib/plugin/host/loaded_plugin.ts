/**
 * A plugin that runs, and what the host needs to start one. Types and two small functions only: the
 * code that starts cells is in `plugin_loader.ts`, which is loaded when the first plugin is needed.
 */

import type { Caller } from "../../auth/caller.ts";
import type { CellLimits } from "../../cell_limits.ts";
import type { World } from "../../world/store.ts";
import type { Cell, CellEvent } from "../cell/cell.ts";
import type { Subrequest } from "../cell/cell_run.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Permissions } from "../manifest/permissions.ts";
import type { CheckImports } from "../manifest/validate_source.ts";
import type { StartCell } from "../transport/transport.ts";
import type { ApprovedPermissions } from "./approval.ts";
import type { PluginAuthority } from "./plugin_authority.ts";
import type { LoggedSource } from "./plugin_logs.ts";
import type { CronOptions, CronRunner } from "./cron_runner.ts";
import type { ProbeResult } from "./probe_manifest.ts";

/** Dependencies for starting cells. */
export interface SandboxDeps {
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  /** Returns milliseconds of a clock that only moves forward, beginning at a Unix time. */
  readonly now: () => number;
  /** Returns an environment variable of the server, or undefined if it is not set. */
  readVariable(name: string): string | undefined;
  /** Checks a source for imports; if absent, on the server's thread. */
  readonly checkImports?: CheckImports;
  /** Real paths of folders that no plugin may reach. */
  readonly forbiddenFolders: readonly string[];
  /**
   * Returns why a cell must not be granted a host, or undefined if it may. Present if the transport
   * cannot deny a host to the cell.
   */
  netFault?(host: string): string | undefined;
  /** Returns why a path must not be a route of a plugin, or undefined if it may be one. */
  routeFault(path: string): string | undefined;
  /** Returns the text of a config world, with secrets, or undefined if it does not exist. */
  readConfig(path: string): Promise<string | undefined>;
  log(level: "log" | "warn" | "error", line: string): void;
}

/** What a source requests, and its JavaScript. */
export interface RequestedGrants extends ProbeResult {
  readonly code: string;
}

/** The permissions that a plugin gets with certain config worlds. */
export interface GrantedPermissions {
  /** What its cell has. */
  permissions: Permissions;
  /** What T3 approved. */
  approved: ApprovedPermissions;
  /** Permissions that the plugin requests and that T3 did not approve, as text. */
  refused: readonly string[];
  /** Config worlds whose content T3 neither approved nor wrote. */
  untrusted: ReadonlySet<string>;
}

/** An active plugin with its cell. */
export interface LoadedPlugin extends GrantedPermissions {
  /** World of the source, `lib/gpu`. */
  readonly name: string;
  readonly source: World;
  readonly code: string;
  readonly manifest: Manifest;
  config: Readonly<Record<string, string>>;
  /** What the plugin reports about its configuration, if it is invalid. Text of the plugin. */
  fault: string | undefined;
  readonly cell: Cell<Caller>;
  /** Identifies the source in the log of the plugin. */
  readonly logged: LoggedSource;
  /** The caller of `env.machine`: the plugin with its grants. */
  readonly machine: Caller;
  /** Creates the schedule of its `cron`, with code that is loaded when a plugin is started. */
  readonly createSchedule: (options: CronOptions) => CronRunner;
  /** Present while a change of a config world is not in effect. Requests wait for its end. */
  reload?: ConfigReload | undefined;
}

/** A change of a config world that takes effect. */
export interface ConfigReload {
  /** The config worlds are being read, so a later change needs another reload. */
  isStarted: boolean;
  /** Resolves when the plugin runs with the new configuration, or keeps the old one. */
  readonly done: Promise<void>;
}

/** Callbacks of a cell to the host. */
export interface CellCallbacks {
  /** The authority of the plugin, which ends when its cell is stopped. */
  readonly authority: Pick<PluginAuthority, "machine" | "isCurrent" | "end">;
  answerSubrequest(call: Subrequest<Caller>): Promise<Response>;
  onEvent(event: CellEvent): void;
  /** Called with a line of the plugin for its log. */
  onLine(level: "log" | "warn" | "error", line: string): void;
}

/** Returns the fault that a plugin reports about its configuration, or undefined. */
export function configFault(loaded: LoadedPlugin | undefined): string | undefined {
  return loaded?.fault === undefined ? undefined : `its configuration is invalid: ${loaded.fault}`;
}

/** Returns the name without its namespace: `gpu` for `lib/gpu`. */
export function shortName(name: string): string {
  return name.startsWith("lib/") ? name.slice("lib/".length) : name;
}
