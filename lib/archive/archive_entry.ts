/**
 * What an entry of an archive may be called, and what it is to a data folder. Everything an archive says
 * comes from whoever made it, and a name becomes a path here and nowhere else. Pure.
 */

import { COLLECTIONS_FILE, WORLD_FILE } from "../world/file/durable_fs.ts";

/** Thrown when an archive is no data folder, or one that somebody made to do harm. */
export class ArchiveRefused extends Error {
  override readonly name = "ArchiveRefused";
}

/** A path inside a data folder that is worth unpacking, or `undefined` for one that is left out. */
export type EntryPath = string | undefined;

/** The folder that an archive's names begin with, so that plain tar unpacks it where it belongs. */
export const TOP = "data";
/** The signing key's file. */
export const KEY_FILE = ".key";

/** A world's file, and the log that holds what has not reached it. */
const WORLD_FILES: readonly string[] = [WORLD_FILE, `${WORLD_FILE}-wal`, `${WORLD_FILE}-journal`];
const OWN_FILES: readonly string[] = [KEY_FILE, COLLECTIONS_FILE];
// deno-lint-ignore no-control-regex -- control characters are what is looked for
const HARMFUL = /[\u0000-\u001f\u007f\\]|^[A-Za-z]:/;

/**
 * Reads an entry's name.
 *
 * @param type as the archive gives it, `file` or `directory`
 * @returns its path below the data folder, without `data/`; `undefined` for what a data folder does not
 * need: tokens, locks, catalogs, the trash, and whatever else lies there
 * @throws {ArchiveRefused} for a name that could lead out of the folder, and for what is no file
 */
export function entryPath(name: string, type: string): EntryPath {
  const shown = JSON.stringify(name.slice(0, 200));
  if (type !== "file" && type !== "directory") {
    throw new ArchiveRefused(`Cannot unpack ${shown}: it is a ${type}; files alone are unpacked`);
  }
  if (name.startsWith("/") || HARMFUL.test(name) || !name.isWellFormed()) {
    throw new ArchiveRefused(`Cannot unpack ${shown}: it is no relative path in plain characters`);
  }
  const segments = name.replace(/\/$/, "").split("/").filter((segment) => segment !== ".");
  if (segments.some((segment) => segment === ".." || segment === "")) {
    throw new ArchiveRefused(`Cannot unpack ${shown}: it leads out of its folder`);
  }
  if (segments[0] === TOP) segments.shift();
  if (type === "directory") return undefined;
  const [first = "", second, ...more] = segments;
  if (second === undefined) return OWN_FILES.includes(first) ? first : undefined;
  const isWorld = !first.startsWith(".") && more.length === 0 && WORLD_FILES.includes(second);
  return isWorld ? `${first}/${second}` : undefined;
}
