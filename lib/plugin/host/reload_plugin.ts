/** Gives a running plugin its current config worlds, on which its permissions can depend. */

import { Problem } from "../../http/problem.ts";
import { approvalPayload, configHashes, declarationFault, manifestDrift } from "./approval.ts";
import type { LoadedSteps } from "./check_source.ts";
import { type ConfigSource, grantPermissions } from "./config_permissions.ts";
import type { KnownRequests } from "./known_requests.ts";
import { StoreError } from "../../world/store.ts";
import { type LoadedPlugin, shortName } from "./loaded_plugin.ts";
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
  /** Called if the database cannot be reached, so that the reload must be tried again. */
  onUnreachable(): void;
}

/**
 * Replaces the cell of a plugin by one with the current config worlds. Never rejects.
 *
 * @param loaded the plugin; its permissions and its configuration are changed
 * @returns why it keeps its old configuration; undefined if it has the current one
 */
export async function reloadPlugin(
  loaded: LoadedPlugin,
  { load, config, known, eventLog, logs, log, onUnreachable }: ReloadDeps,
): Promise<string | undefined> {
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
    await eventLog.write(name, "plugin_reconfigured", {
      source_sha256: source.sha256,
      permissions,
      ...(untrusted.size === 0 ? { approved: true } : { approved: false, refused }),
      ...configHashes(current),
      ...(current.fault === undefined ? {} : { fault: current.fault.slice(0, MAX_REASON_CHARS) }),
    });
    return undefined;
  } catch (error) {
    if (error instanceof StoreError && error.code === "unreachable") onUnreachable();
    const reason = error instanceof Error ? error.message : String(error);
    logs.add(loaded.logged, "error", `keeps its old configuration: ${reason}`);
    log(`plugin ${shortName(name)} keeps its old configuration: ${reason}`);
    return `its new configuration is invalid, the old one is still used: ${reason}`;
  }
}
