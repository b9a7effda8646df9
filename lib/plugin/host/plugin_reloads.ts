/**
 * Gives running plugins their current config worlds, on which their permissions can depend, and records on
 * the event chain of a plugin what T3 approved by them: after a restart nothing else shows who made a change.
 */

import { Problem } from "../../http/problem.ts";
import type { Turns } from "../../world/turns.ts";
import {
  type ApprovalPayload,
  approvalPayload,
  configHashes,
  declarationFault,
  manifestDrift,
} from "./approval.ts";
import type { LoadedSteps } from "./check_source.ts";
import { type ConfigSource, grantPermissions } from "./config_permissions.ts";
import type { KnownRequests } from "./known_requests.ts";
import { StoreError } from "../../world/store.ts";
import { type ConfigReload, type LoadedPlugin, shortName } from "./loaded_plugin.ts";
import type { PluginEventLog } from "./plugin_event_log.ts";
import type { PluginLogs } from "./plugin_logs.ts";

/** Longest text of a plugin in an event, in characters. */
const MAX_REASON_CHARS = 500;

/** What a reload needs from the host. */
export interface ReloadDeps {
  load(): Promise<LoadedSteps>;
  readonly config: ConfigSource;
  readonly known: Pick<KnownRequests, "assertSame">;
  readonly eventLog: Pick<PluginEventLog, "write">;
  readonly logs: Pick<PluginLogs, "add">;
  readonly log: (line: string) => void;
  readonly turns: Pick<Turns, "run">;
  /** Whether a plugin still runs. */
  isActive(loaded: LoadedPlugin): boolean;
  /** Called after a reload, with the reason why the plugin keeps its old configuration. */
  onEnd(loaded: LoadedPlugin, fault: string | undefined): void;
  /** Called if the database cannot be reached, so that the reload must be tried again. */
  onUnreachable(loaded: LoadedPlugin): void;
}

/** The reloads of a host. */
export class PluginReloads {
  readonly #deps: ReloadDeps;
  readonly #running = new Set<Promise<void>>();

  constructor(deps: ReloadDeps) {
    this.#deps = deps;
  }

  /**
   * Replaces the cell of a plugin by one with the current config worlds. Requests that begin now wait for
   * it. Changes before it reads the config worlds share one reload.
   */
  request(loaded: LoadedPlugin): void {
    if (loaded.reload?.isStarted === false) return;
    const { turns, isActive, onEnd } = this.#deps;
    const done = turns.run(loaded.name, async () => {
      reload.isStarted = true;
      if (isActive(loaded)) onEnd(loaded, await this.#reload(loaded));
      if (loaded.reload === reload) loaded.reload = undefined;
    });
    const reload: ConfigReload = { isStarted: false, done };
    loaded.reload = reload;
    this.#running.add(done);
    done.finally(() => this.#running.delete(done));
  }

  /** Waits for the reloads that were requested: what T3 changed is recorded then. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /**
   * Records that a plugin starts with other config worlds than those of its approval, if T3 chose them since
   * then: its permissions are what T3 approved.
   *
   * @param payload the approval
   */
  async recordStart(loaded: LoadedPlugin, payload: ApprovalPayload): Promise<void> {
    const isSame = payload.config_sha256 === configHashes(loaded).config_sha256;
    if (!isSame && loaded.untrusted.size === 0) await this.#record(loaded);
  }

  async #record(loaded: LoadedPlugin): Promise<void> {
    const { name, source, permissions, untrusted, refused, fault } = loaded;
    await this.#deps.eventLog.write(name, "plugin_reconfigured", {
      source_sha256: source.sha256,
      permissions,
      ...(untrusted.size === 0 ? { approved: true } : { approved: false, refused }),
      ...configHashes(loaded),
      ...(fault === undefined ? {} : { fault: fault.slice(0, MAX_REASON_CHARS) }),
    });
  }

  /**
   * Never rejects. The permissions and the configuration of the plugin are changed.
   *
   * @returns why it keeps its old configuration; undefined if it has the current one
   */
  async #reload(loaded: LoadedPlugin): Promise<string | undefined> {
    const { load, config, known, logs, log, onUnreachable } = this.#deps;
    const { name, source, code } = loaded;
    try {
      const { sandbox, steps } = await load();
      if (await steps.isConfigCurrent(sandbox, loaded)) return undefined;
      const current = await steps.probeSource(sandbox, name, code);
      const fault = manifestDrift(approvalPayload(loaded), current);
      if (fault !== undefined) throw new Problem("unprocessable", fault);
      known.assertSame(source, current);
      const isTrusted = (path: string) => !loaded.untrusted.has(path);
      const granted = await grantPermissions(loaded.approved, current, isTrusted, config);
      const { permissions, approved, refused, untrusted } = granted;
      const init = await steps.prepareCellInit(sandbox, name, code, { ...current, permissions });
      await loaded.cell.swap(init, (text) => declarationFault(current, text));
      Object.assign(loaded, { permissions, approved, refused, untrusted });
      loaded.config = current.config;
      loaded.fault = current.fault;
      await this.#record(loaded);
      return undefined;
    } catch (error) {
      if (error instanceof StoreError && error.code === "unreachable") onUnreachable(loaded);
      const reason = error instanceof Error ? error.message : String(error);
      logs.add(loaded.logged, "error", `keeps its old configuration: ${reason}`);
      log(`plugin ${shortName(name)} keeps its old configuration: ${reason}`);
      return `its new configuration is invalid, the old one is still used: ${reason}`;
    }
  }
}
