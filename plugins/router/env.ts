/** What the server passes to the plugin. */

import type { PluginCaller, PluginConfig, PluginFetch } from "../kit/env.ts";

/** The part of `env` that is used. */
export interface Env {
  readonly caller: PluginCaller;
  readonly machine: { readonly fetch: PluginFetch };
  readonly config: PluginConfig;
}
