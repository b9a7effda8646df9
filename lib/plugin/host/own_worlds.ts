/**
 * The worlds that a plugin has without a grant: what the server stores for it below
 * `/var/lib/<plugin>/`. Pure functions of names. Only T3 and a plugin whose grants name the path can
 * read there.
 */

import type { Grants } from "../../auth/caller.ts";
import { isGranted } from "../../auth/grants.ts";
import { MAX_KV_NAME_BYTES } from "../../cell_limits.ts";
import { nameFault } from "../../world/name.ts";
import { type Manifest, ManifestError } from "../manifest/manifest.ts";
import { shortName } from "./loaded_plugin.ts";

/**
 * Returns the path of the collection of `env.kv`, `/var/lib/gpu/kv/`.
 *
 * @param plugin name of the plugin without its namespace
 */
export function kvCollection(plugin: string): string {
  return `/var/lib/${plugin}/kv/`;
}

/**
 * Returns what `env.machine` may access: the grants, and the collection of `env.kv`.
 *
 * @param name world of the source, `lib/gpu`
 */
export function allGrants(name: string, { grants, kv }: Pick<Manifest, "grants" | "kv">): Grants {
  return kv ? { ...grants, [kvCollection(shortName(name))]: "rw" } : grants;
}

/**
 * Checks whether the server can store what a plugin declares.
 *
 * @param plugin name of the plugin without its namespace
 * @throws {ManifestError} the name of the plugin is too long, or the server uses its folder otherwise
 */
export function assertOwnWorlds(plugin: string, { kv }: Pick<Manifest, "kv">): void {
  if (!kv) return;
  const collection = kvCollection(plugin);
  const fault = nameFault(`${collection.slice(1)}${"x".repeat(MAX_KV_NAME_BYTES)}`);
  if (fault !== undefined) {
    throw new ManifestError("kv", `the name of the plugin is too long for ${collection}: ${fault}`);
  }
  if (!isGranted({ [collection]: "rw" }, "write", collection)) {
    throw new ManifestError("kv", `${collection} belongs to the server; rename the plugin`);
  }
}
