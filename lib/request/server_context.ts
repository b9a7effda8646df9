/**
 * The machine as its routes see it: the store, the settings that shape answers, and the few facts
 * about this process. Made once by the composition and never changed; no logic lives here.
 */

import type { Authenticator } from "../auth/authenticate.ts";
import type { Config } from "../config.ts";
import type { PluginRoutes } from "./plugin_routes.ts";
import type { ProgramSource } from "../source/program_source.ts";
import type { Store } from "../world/store.ts";

/** What every route may use. */
export interface ServerContext {
  readonly store: Store;
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** The key that signs events and capabilities. */
  readonly key: string;
  readonly plugins: PluginRoutes;
  readonly version: string;
  /** The files of the running program; looked for when they are first asked for. */
  readonly source: () => Promise<ProgramSource>;
  /** Unix milliseconds at which the machine started. */
  readonly startedAt: number;
  readonly now: () => number;
  /** Writes one line to the server's log. */
  readonly log: (line: string) => void;
}
