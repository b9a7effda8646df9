/**
 * What the core knows of plugins: which routes they hold, how a request gets there, and how somebody
 * who may changes a plugin's state. The plugin host implements it; the core works the same with none.
 */

import type { Tier } from "../auth/caller.ts";
import type { Exchange } from "./request_context.ts";
import type { PluginHost } from "../plugin/host/plugin_host.ts";

/** A route a plugin answers for. */
export interface PluginRoute {
  /** Canonical path; the route is this path and everything below it. */
  readonly path: string;
  /** World of the plugin's source, `lib/gpu`. */
  readonly plugin: string;
  readonly description: string;
  /** Who may ask at least. */
  readonly auth: Tier;
}

/** How a plugin fares, in numbers. */
export interface PluginVitals {
  /** World of the plugin's source, `lib/gpu`. */
  readonly plugin: string;
  /** Its routes answer. */
  readonly up: boolean;
  /** Requests it was sent since it came up. */
  readonly requests: number;
  /** Requests it has not answered yet, and those that wait for a place. */
  readonly open: number;
  readonly waiting: number;
  /** Times that it ended by itself or was ended for cause, since it came up. */
  readonly crashes: number;
  /** Resident memory of its process in KiB, while it has one and as far as it is known. */
  readonly residentKiB?: number;
}

/** The active plugins' routes. */
export interface PluginRoutes {
  /** Every route that is up, sorted by path. */
  list(): readonly PluginRoute[];
  /** The route a path belongs to: the longest that is the path or an ancestor of it. */
  match(path: string): PluginRoute | undefined;
  /** Has the route's plugin answer. */
  fetch(route: PluginRoute, exchange: Exchange): Promise<Response>;
  /** The plugin that resolves GET and HEAD of paths nothing else answers, if one is up. */
  readonly fallback: PluginRoute | undefined;
  /** Number of plugins that are up. */
  readonly active: number;
  /** While the machine starts: until this is over, a path without a route may still get one. */
  readonly starting: Promise<void> | undefined;
  /** How plugins are contained, for `/proc/status`. */
  readonly containment: "process" | "worker";
  /** Every plugin that is up or should be, sorted by name. */
  vitals(): readonly PluginVitals[];
  /** What changes and tells plugins' states; loaded when it is first needed. */
  host(): Promise<PluginHost>;
}
