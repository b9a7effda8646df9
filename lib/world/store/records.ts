/**
 * The shapes in which a world is known: as found in its file, as a listing shows it, as not yet looked
 * at. Pure functions from one to another.
 */

import { isValidExt } from "../media_type.ts";
import { parseMeta } from "../metadata.ts";
import type { ReadResult } from "./worker_messages.ts";
import type { World, WorldEntry } from "../store.ts";

/**
 * A world from what its file holds.
 *
 * @param meta the pairs, where they are known already
 */
export function toWorld(name: string, found: ReadResult, meta = parseMeta(found.headers)): World {
  const { version, ext, state, updatedAt, body, sha256 } = found;
  // The file may have been edited by hand; what is no extension must not reach a header.
  const safeExt = isValidExt(ext) ? ext : "bin";
  return { name, version, ext: safeExt, meta, state, updatedAt, body, sha256, layer: "upper" };
}

/** What a listing shows of a world. */
export function toEntry(world: World): WorldEntry {
  const { name, version, ext, state, updatedAt, layer, body } = world;
  return { name, version, ext, len: body.length, state, updatedAt, layer };
}

/** What a listing shows of an upper world; more than that is left out. */
export function toUpperEntry(row: Omit<WorldEntry, "layer">): WorldEntry {
  const { name, version, ext, len, state, updatedAt } = row;
  return { name, version, ext, len, state, updatedAt, layer: "upper" };
}

/** Stands for a world that is on disk and has not been looked into. */
export function unindexedEntry(name: string): WorldEntry {
  return toUpperEntry({ name, version: 0, ext: "bin", len: 0, state: "", updatedAt: "" });
}
