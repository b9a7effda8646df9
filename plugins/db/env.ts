/** What the server passes to the plugin. */

import type { Sql } from "../../lib/plugin/realm/env_sql.ts";
import type { PluginConfig, PluginFetch } from "../kit/env.ts";
import type { FolderLister } from "../kit/mounted_path.ts";

/** The part of `env` that is used. */
export interface Env {
  readonly config: PluginConfig;
  readonly caller: { readonly fetch: PluginFetch };
  readonly sql: Sql;
  /** Absent if no folder is mounted. */
  readonly files?: FolderLister;
}
