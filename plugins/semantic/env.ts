/** What the server passes to this plugin with each request. Types only. */

import type { PluginCaller, PluginConfig, PluginFetch } from "../kit/env.ts";

export interface Env {
  readonly config: PluginConfig;
  /** Acts with the authority of the caller. */
  readonly caller: Pick<PluginCaller, "fetch"> & {
    /**
     * Entity tag of the world that the route names, as this caller sees it; undefined if the server
     * did not read the world.
     */
    readonly tag?: string | undefined;
  };
  /** Acts with the grants of the plugin. */
  readonly machine: { readonly fetch: PluginFetch };
}
