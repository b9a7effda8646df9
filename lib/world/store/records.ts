/**
 * The shapes in which a world is known: as found in its file, as a listing shows it, as not yet looked
 * at. Pure functions from one to another.
 */

import { isExt } from "../media_type.ts";
import { parseMeta } from "../metadata.ts";
import type { ReadResult } from "./worker_messages.ts";
import type { Entry, World } from "../store.ts";

/**
 * A world from what its file holds.
 *
 * @param meta the pairs, where they are known already
 */
export function worldOf(name: string, found: ReadResult, meta = parseMeta(found.headers)): World {
  const { version, ext, state, updatedAt, body, sha256 } = found;
  // The file may have been edited by hand; what is no extension must not reach a header.
  const safeExt = isExt(ext) ? ext : "bin";
  return { name, version, ext: safeExt, meta, state, updatedAt, body, sha256, layer: "upper" };
}

/** What a listing shows of a world. */
export function entryOf(world: World): Entry {
  const { name, version, ext, state, updatedAt, layer, body } = world;
  return { name, version, ext, len: body.length, state, updatedAt, layer };
}

/** What a listing shows of an upper world; more than that is left out. */
export function upperEntry(row: Omit<Entry, "layer">): Entry {
  const { name, version, ext, len, state, updatedAt } = row;
  return { name, version, ext, len, state, updatedAt, layer: "upper" };
}

/** Stands for a world that is on disk and has not been looked into. */
export function unknownEntry(name: string): Entry {
  return upperEntry({ name, version: 0, ext: "bin", len: 0, state: "", updatedAt: "" });
}
