/**
 * What the core knows of plugins: their routes, how a request reaches one, and how an operator
 * changes the state of one. The plugin host implements these interfaces; the core works without
 * plugins.
 */

import type { Tier } from "../auth/caller.ts";
import type { Precondition } from "../world/store.ts";
import type { RequestContext } from "./request_context.ts";

/** A route of an active plugin. */
export interface PluginRoute {
  /** Canonical path; the route is this path and everything below it. */
  readonly path: string;
  /** World of the plugin's source, `lib/gpu`. */
  readonly plugin: string;
  readonly description: string;
  /** The lowest tier that can call it. */
  readonly auth: Tier;
}

/** A route that matches a request, with its plugin. */
export interface PluginMatch extends PluginRoute {
  /**
   * Passes the request to the plugin.
   *
   * @throws {Problem} if the caller cannot call the plugin, or the plugin failed
   */
  handle(context: RequestContext): Promise<Response>;
}

/** Gauges and counters of one plugin. */
export interface PluginMetrics {
  /** World of the plugin's source, `lib/gpu`. */
  readonly plugin: string;
  /** Its routes are active. */
  readonly up: boolean;
  /** Requests that were sent to it since it became active. */
  readonly requests: number;
  /** Requests that it has not answered yet. */
  readonly open: number;
  /** Requests that wait until the plugin has fewer. */
  readonly waiting: number;
  /** Times that it ended or was stopped because of a fault, since it became active. */
  readonly crashes: number;
  /** Requests that got 503 because too many waited, or because they waited too long. */
  readonly refused: number;
  /** Resident memory of its process in KiB, if it has a process and the value is known. */
  readonly residentKiB?: number;
  /** Calls of `env.caller` and `env.machine` that are open. */
  readonly calls: number;
  /** Database queries that run, and that wait. */
  readonly queries: { readonly running: number; readonly waiting: number };
  /** Console lines that were dropped since it became active. */
  readonly droppedLines: number;
  /** Lines of its log that are kept. */
  readonly logLines: number;
  /** How often it reached each limit since it became active. */
  readonly limits: Readonly<Record<PluginLimit, number>>;
  /** Calls of its `scheduled` and `change`; absent if it declares neither. */
  readonly events?: PluginEventMetrics;
}

/** Calls of a plugin that no client makes, since it became active. */
export interface PluginEventMetrics {
  /** Runs of `scheduled`, by result. */
  readonly runs?: Readonly<Record<"ok" | "failed" | "skipped", number>>;
  /** Changes that were delivered and given up, calls that failed, and the age of the waiting change. */
  readonly changes?: {
    readonly delivered: number;
    readonly failed: number;
    readonly skipped: number;
    readonly lagMs: number;
  };
}

/**
 * A limit that a plugin can reach: time to start, time to a response, heartbeats, resident memory,
 * messages, plugins that wait for each other, work after a response, a response that is not read, and
 * a database query.
 */
export type PluginLimit =
  | "start"
  | "answer"
  | "heartbeat"
  | "memory"
  | "messages"
  | "depth"
  | "work"
  | "unread"
  | "query";

/** A change of a plugin's state. */
export interface StateChangeRequest {
  /** Name of the caller, as the event chain records it. */
  readonly by: string;
  readonly precondition?: Precondition;
  /** Digest of what the source requests, as the caller was shown it; absent for a plain `active`. */
  readonly asks?: string;
}

/** The active plugins. */
export interface PluginRoutes {
  /** All routes of active plugins, sorted by path. */
  list(): readonly PluginRoute[];
  /** The longest route that is the path or an ancestor of it; undefined if absent. */
  match(path: string): PluginMatch | undefined;
  /** Whether a path was below a route of a plugin that is active no more, since the start. */
  wasRoute(path: string): boolean;
  /** The plugin that resolves GET and HEAD of paths that have no route, if one is active. */
  readonly fallback: PluginMatch | undefined;
  /** Number of active plugins. */
  readonly activeCount: number;
  /** Settles when requests wait no longer for the start of the active plugins; then undefined. */
  readonly starting: Promise<void> | undefined;
  /** Settles when the routes of the active plugins are known, as far as requests wait for that. */
  readonly readingRoutes: Promise<void> | undefined;
  /** Whether active plugins are still being started, also if requests wait no longer. */
  readonly isStarting: boolean;
  /** How plugins are isolated, for `/proc/status`. */
  readonly containment: "process" | "worker";
  /** Every plugin that is active or should be, sorted by name. */
  metrics(): readonly PluginMetrics[];
  /** Changes and reports the state of plugins. */
  readonly admin: PluginAdmin;
}

/** A line of the log of a plugin. */
export interface PluginLogLine {
  /** Position in the log, for `Last-Event-ID`. */
  readonly id: string;
  /** When the server received it (RFC 3339). */
  readonly time: string;
  readonly level: "log" | "warn" | "error";
  readonly text: string;
  /** Version of the source that ran. */
  readonly version: number;
}

/** The last lines of each plugin. Names are those of worlds: `lib/gpu`. */
export interface PluginLogReader {
  /** Returns `by` of the last write of a source; undefined if it is not known. */
  findWriter(name: string): Promise<string | undefined>;
  /**
   * Returns the lines that are kept, oldest first.
   *
   * @param writer only lines of sources that this caller wrote; undefined for all
   * @param after id of a line; only later ones are returned. An id of an earlier start means all
   */
  read(name: string, writer: string | undefined, after?: string): readonly PluginLogLine[];
  /**
   * Calls a listener with each new line. Returns a function that ends this.
   *
   * @param writer as for `read`
   */
  watch(
    name: string,
    writer: string | undefined,
    listener: (line: PluginLogLine) => void,
  ): () => void;
}

/** The state of plugins, for `/lib/<name>/state`. Names are those of worlds: `lib/gpu`. */
export interface PluginAdmin {
  /** The logs of all plugins. */
  readonly logs: PluginLogReader;
  /**
   * Waits until the config worlds that were changed before are in effect, at most as long as a request
   * to the plugin waits for that. Never rejects.
   */
  settle(name: string): Promise<void>;
  /**
   * Describes a plugin as JSON members. Only for a `trusted` caller they include texts of the
   * plugin.
   */
  describe(name: string, trusted: boolean): Readonly<Record<string, unknown>>;
  /**
   * Determines what a source requests, by running it once without any grant. For the operator who
   * approves it. The member `digest` identifies all of it.
   *
   * @throws {Problem} `not-found` (404), or `unprocessable` (422) with the reason
   */
  requestedGrants(name: string): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Determines what a source that is not stored would request, and makes every check of an approval that
   * runs the source without any grant.
   *
   * @param name the world that it would be
   * @throws {Problem} `unprocessable` (422) with the reason
   */
  checkSource(
    name: string,
    body: Uint8Array<ArrayBuffer>,
  ): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Approves the current source and starts it. A plugin that already runs this source is not
   * restarted.
   *
   * @throws {Problem} 404, 412, 409 if the source requests something else than `asks`, or 422 with
   * the reason; nothing is changed then
   */
  activate(name: string, change: StateChangeRequest): Promise<void>;
  /**
   * Removes the routes of a plugin and keeps its source.
   *
   * @throws {Problem} 404, 412
   */
  disable(name: string, change: StateChangeRequest): Promise<void>;
}
