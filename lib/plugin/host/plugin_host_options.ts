/** What the host of plugins needs from the server. Types only. */

import type { Caller } from "../../auth/caller.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { Coordination } from "../../world/coordination.ts";
import type { Store } from "../../world/store.ts";
import type { SandboxDeps } from "./loaded_plugin.ts";

/** Dependencies of the host. */
export interface PluginHostOptions {
  readonly store: Store;
  /** Agreement with the other servers of the store. */
  readonly coordination: Coordination;
  /** Returns the current time in Unix milliseconds. */
  readonly now: () => number;
  /** Pause after a first failure of `change` in milliseconds; absent for the default. */
  readonly changeRetryMs?: number;
  /** Pause after which a plugin that another server runs is started again; absent for the default. */
  readonly startRetryMs?: number;
  /** How long requests wait for plugins that start, in milliseconds; absent for the default. */
  readonly startWaitMs?: number;
  /** How cells are isolated. */
  readonly containment: "process" | "worker";
  /** Loads what starts cells; called when the first plugin is needed. */
  readonly loadSandbox: () => Promise<SandboxDeps>;
  /** Whether the credential of a caller is still valid. If absent, it always is. */
  readonly isCurrent?: (caller: Caller) => boolean;
  /** Answers a request behind the gate; never throws. */
  dispatch(context: RequestContext): Promise<Response>;
  readonly log: (line: string) => void;
}
