/**
 * What the core knows of plugins: which routes they hold, and how a request gets there. The plugin
 * host implements it; the core works the same with none.
 */

import type { Exchange } from "./http/exchange.ts";

/** A route a plugin answers for. */
export interface PluginRoute {
  /** Canonical path; the route is this path and everything below it. */
  readonly path: string;
  /** World of the plugin's source, `lib/gpu`. */
  readonly plugin: string;
  readonly description: string;
}

/** The active plugins' routes. */
export interface PluginRoutes {
  /** Every route that is up, sorted by path. */
  list(): readonly PluginRoute[];
  /** The route a path belongs to: the longest that is the path or an ancestor of it. */
  match(path: string): PluginRoute | undefined;
  /** Has the route's plugin answer. */
  fetch(route: PluginRoute, exchange: Exchange): Promise<Response>;
  /** Number of plugins that are active. */
  readonly active: number;
}

/** A machine without plugins. */
export const NO_PLUGINS: PluginRoutes = {
  list: () => [],
  match: () => undefined,
  fetch: () => Promise.reject(new Error("Cannot call a plugin: there is none")),
  active: 0,
};
