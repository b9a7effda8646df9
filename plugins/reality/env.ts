/** What the server passes to the plugin. */

import type { PluginFetch } from "../kit/env.ts";

/** The part of `env` that is used. */
export interface Env {
  readonly caller: { readonly fetch: PluginFetch; readonly tier: string };
  readonly machine: { readonly fetch: PluginFetch };
}
