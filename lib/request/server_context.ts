/**
 * The services and facts that routes receive: the store, the settings, and facts about this
 * process. Created once at the start and never changed. It contains no logic.
 */

import type { Authenticator } from "../auth/authenticate.ts";
import type { Config } from "../config.ts";
import type { Precompressed } from "../http/content_coding.ts";
import type { EdgeCounts } from "./edge_counts.ts";
import type { PluginRoutes } from "./plugin_routes.ts";
import type { ReloadCounts } from "./reload_counts.ts";
import type { ProgramSource } from "../source/program_source.ts";
import type { Store } from "../world/store.ts";

/** Services and facts for handlers. */
export interface ServerContext {
  readonly store: Store;
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** The key that signs events and capabilities. */
  readonly key: string;
  readonly plugins: PluginRoutes;
  readonly version: string;
  /** Lower-layer worlds that were compressed when the program was built. */
  readonly precompressed?: Precompressed;
  /** The files of the running program, located on first use. */
  readonly source: () => Promise<ProgramSource>;
  /** Unix milliseconds at which the server started; the first value of `monotonic`. */
  readonly startedAt: number;
  /** Current time in Unix milliseconds, for dates and for the expiry of capabilities. */
  readonly now: () => number;
  /**
   * Milliseconds of a clock that only moves forward, for durations: a step of the computer's clock
   * does not change it.
   */
  readonly monotonic: () => number;
  /**
   * Writes one line to the server's log. A line that clients can cause has a `kind`, so that lines of
   * this kind are limited.
   */
  readonly log: (line: string, kind?: string) => void;
  /** Log lines that were not written since the start, access log included. */
  readonly droppedLogLines: () => number;
  /**
   * Answers the challenge of a client that holds a secret of the data folder; absent in a test of the
   * app without a listener.
   *
   * @param challenge value of the request header, or null if it was not sent
   */
  readonly prove?: (challenge: string | null) => string | undefined;
  /** Counters of the network edge; absent in a test of the app without a listener. */
  readonly edge?: () => EdgeCounts;
  /** Figures about reloads; absent in a test of the app without a listener. */
  readonly reloads?: () => ReloadCounts;
}
