/**
 * What the servers of one store agree on before they act: that something happens once, that actions run
 * one after another, and which server has a duty. A server that has a store of its own agrees with itself.
 * Types only.
 */

/** Receives the changes of a duty. */
export interface DutyHandlers {
  /** Called when this candidate has the duty. */
  onHeld(): void;
  /**
   * Called when it has the duty no more, before another server can have it. It is not called after
   * {@link Duty.end}.
   */
  onLost(): void;
}

/** A candidate for a duty. */
export interface Duty {
  /** Whether this candidate has the duty now. */
  readonly isHeld: boolean;
  /** Ends the candidacy, so that another candidate gets the duty at once. Idempotent; never rejects. */
  end(): Promise<void>;
}

/** What a server tells the others about itself. */
export interface NodeReport {
  /** URL on which it listens. */
  readonly url: string;
  /** What it reports about its plugins, by the names of their worlds. */
  readonly plugins: Readonly<Record<string, NodePlugin>>;
}

/** A plugin on one server. */
export interface NodePlugin {
  /** Whether its routes answer there. */
  readonly up: boolean;
  /** Why it does not run as approved. Text of the plugin is possible: for callers that can approve it. */
  readonly fault?: string;
  /** Whether this server delivers the changes of its `on`. */
  readonly delivers?: boolean;
  /** The last runs of its `cron` on this server. */
  readonly cron?: readonly NodeCronRun[];
}

/** The last run of a `cron` expression on one server. */
export interface NodeCronRun {
  readonly cron: string;
  /** RFC 3339 time. */
  readonly started_at: string;
  readonly ended_at?: string;
  readonly result: string;
  readonly reason?: string;
}

/** A server of the cluster, as it has reported itself. */
export interface NodeEntry extends NodeReport {
  /** Name of the server, `ELASTIK_NODE`; `""` if it has none. */
  readonly id: string;
  /** Version of the program. */
  readonly version: string;
  /** Whether it follows the store. */
  readonly readable: boolean;
  /** Age of what its memory had when it reported, in milliseconds; absent if it has no lease. */
  readonly leaseAgeMs?: number;
  /** Time since it had read the change feed when it reported, in milliseconds. */
  readonly feedLagMs?: number;
  /** Milliseconds since its report, by the clock of the store. */
  readonly ageMs: number;
}

/** Agreement between the servers of one store. All names are chosen by the program, not by clients. */
export interface Coordination {
  /** Name of this server, `ELASTIK_NODE`; undefined if it has its store for itself. */
  readonly node: string | undefined;
  /**
   * Returns true for the first call with a key, whichever server makes it, and false for all others.
   *
   * @param keepSeconds how long the key is remembered
   * @throws {StoreError} `unreachable`
   */
  once(key: string, keepSeconds: number): Promise<boolean>;
  /**
   * Runs actions with the same key one after another, on whichever servers they are. A server that loses
   * the database while it runs one must make no further change with it: the write checks of the request
   * refuse it.
   *
   * @throws {StoreError} `unreachable`; `busy` if the action before takes too long
   */
  exclusive<T>(key: string, run: () => Promise<T>): Promise<T>;
  /**
   * Runs an action unless one with the same name runs on any server.
   *
   * @returns false if one runs
   * @throws {StoreError} `unreachable`
   */
  attempt(name: string, run: () => Promise<void>): Promise<boolean>;
  /** Applies for a duty that one candidate at a time has. */
  duty(name: string, handlers: DutyHandlers): Duty;
  /**
   * Takes the routes of a plugin that was approved without them, such as one that was imported.
   *
   * @param plugin world of its source, `lib/gpu`
   * @returns the world of another plugin that has a route which overlaps one of them; nothing is taken then
   * @throws {StoreError} `unreachable`
   */
  claimRoutes(plugin: string, routes: readonly string[]): Promise<string | undefined>;
  /** Lists the servers that reported a short time ago, this one included, by name. */
  nodes(): Promise<readonly NodeEntry[]>;
  /** Sets what this server reports about itself; called again for each report. */
  report(create: () => NodeReport): void;
}
