/**
 * Converts between the records of a world: the row in its file, the world itself and its catalog
 * entry. Pure.
 */

import { isValidExt } from "../media_type.ts";
import { parseMeta } from "../metadata.ts";
import type { ChainHead } from "../changes.ts";
import type { Catalog } from "./catalog.ts";
import type { KnownWorlds } from "./change_index.ts";
import type { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WriteResult } from "../change/write_job.ts";
import type { ReadResult } from "./worker_messages.ts";
import type { ChangeResult, World, WorldEntry } from "../store.ts";

/**
 * Converts the row of a file to a world.
 *
 * @param meta the metadata, if the caller has parsed it already
 */
export function toWorld(name: string, found: ReadResult, meta = parseMeta(found.headers)): World {
  const { version, ext, state, updatedAt, body, sha256 } = found;
  // The file can have been edited outside the server; an invalid extension must not reach a header.
  const safeExt = isValidExt(ext) ? ext : "bin";
  return { name, version, ext: safeExt, meta, state, updatedAt, body, sha256, layer: "upper" };
}

/** Returns the catalog entry of a world. */
export function toEntry(world: World): WorldEntry {
  const { name, version, ext, state, updatedAt, layer, body } = world;
  const len = body.length;
  return { name, version, ext, len, state, updatedAt, layer, by: "", head: 0, headAt: "" };
}

/** Returns the catalog entry of an upper-layer world, without other fields of the row. */
export function toUpperEntry(row: Omit<WorldEntry, "layer">): WorldEntry {
  const { name, version, ext, len, state, updatedAt, by, head, headAt } = row;
  return { name, version, ext, len, state, updatedAt, layer: "upper", by, head, headAt };
}

/** Returns what the caller of a change gets. */
export function toChangeResult(result: WriteResult): ChangeResult {
  const { version, ext, sha256, state, updatedAt, created } = result;
  return { version, ext, sha256, state, updatedAt, created };
}

/** Returns what the change index needs to know of the worlds of the upper layer. */
export function toKnownWorlds(
  catalog: Pick<Catalog, "uppers">,
  unindexed: Pick<UnindexedWorlds, "names" | "has">,
): KnownWorlds {
  const heads: ChainHead[] = [];
  for (const { name, head, headAt } of catalog.uppers()) {
    if (!unindexed.has(name)) heads.push({ name, event: head, at: headAt });
  }
  return { heads, unindexed: unindexed.names };
}

/** Returns a catalog entry with version 0 for a world on disk that has not been read yet. */
export function unindexedEntry(name: string): WorldEntry {
  const unknown = { version: 0, ext: "bin", len: 0, state: "", updatedAt: "", by: "" };
  return toUpperEntry({ name, ...unknown, head: 0, headAt: "" });
}
