/**
 * What the core knows of plugins: which routes they hold, how a request reaches one, and how an
 * operator changes the state of one. The plugin host implements this; the core works without plugins.
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
  /** The lowest tier that may call it. */
  readonly auth: Tier;
}

/** A route that matches a request, with the plugin behind it. */
export interface PluginMatch extends PluginRoute {
  /**
   * Has the plugin answer.
   *
   * @throws {Problem} if the caller may not call the plugin, or the plugin failed
   */
  handle(context: RequestContext): Promise<Response>;
}

/** Gauges and counters of one plugin. */
export interface PluginMetrics {
  /** World of the plugin's source, `lib/gpu`. */
  readonly plugin: string;
  /** Whether its routes answer. */
  readonly up: boolean;
  /** Requests that it was sent since it came up. */
  readonly requests: number;
  /** Requests that it has not answered yet, and requests that wait for a place. */
  readonly open: number;
  readonly waiting: number;
  /** Times that it ended or was stopped for a fault since it came up. */
  readonly crashes: number;
  /** Resident memory of its process in KiB, if it has one and the figure is known. */
  readonly residentKiB?: number;
}

/** A change of a plugin's state. */
export interface StateChangeRequest {
  /** The caller, as the event records it. */
  readonly by: string;
  readonly precondition?: Precondition;
}

/** The active plugins. */
export interface PluginRoutes {
  /** Every route that answers, sorted by path. */
  list(): readonly PluginRoute[];
  /** The longest route that is the path or an ancestor of it; undefined if there is none. */
  match(path: string): PluginMatch | undefined;
  /** The plugin that resolves GET and HEAD of paths that have no route, if one is active. */
  readonly fallback: PluginMatch | undefined;
  /** Number of active plugins. */
  readonly activeCount: number;
  /** While the server starts its plugins: settles when a path without a route will not get one. */
  readonly starting: Promise<void> | undefined;
  /** How plugins are isolated, for `/proc/status`. */
  readonly containment: "process" | "worker";
  /** Every plugin that is active or should be, sorted by name. */
  metrics(): readonly PluginMetrics[];
  /** Changes and reports the state of plugins. */
  readonly admin: PluginAdmin;
}

/** The state of plugins, for `/lib/<name>/state`. Names are those of worlds: `lib/gpu`. */
export interface PluginAdmin {
  /** Facts about a plugin as JSON members; `trusted` callers also see the words of the plugin. */
  describe(name: string, trusted: boolean): Readonly<Record<string, unknown>>;
  /**
   * What a source requests, found by running it once without any grant; for the operator who approves.
   *
   * @throws {Problem} 404, or 422 with the reason
   */
  requestedGrants(name: string): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Approves the current source and starts it. A plugin that runs this very source stays as it is.
   *
   * @throws {Problem} 404, 412, or 422 with the reason; nothing is changed then
   */
  activate(name: string, change: StateChangeRequest): Promise<void>;
  /**
   * Takes the routes of a plugin down and keeps its source.
   *
   * @throws {Problem} 404, 412
   */
  disable(name: string, change: StateChangeRequest): Promise<void>;
}
