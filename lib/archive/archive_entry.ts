/**
 * Parses the names of archive entries into paths of a data folder. An archive is untrusted input;
 * only this module turns its names into paths. Pure.
 */

import { COLLECTIONS_FILE, WORLD_FILE } from "../world/file/durable_fs.ts";
import { KEY_FILE, RETIRED_KEYS_FILE } from "../world/file/signing_keys.ts";

/** The archive is not a data folder, or it is malicious. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

/** A path in a data folder that is unpacked; undefined for an entry that is skipped. */
export type EntryPath = string | undefined;

/** Folder at the start of every name, so that plain tar unpacks into `data/`. */
export const ARCHIVE_ROOT = "data";

/** The file of a world, and the SQLite log with changes that are not in it yet. */
const WORLD_FILES: readonly string[] = [WORLD_FILE, `${WORLD_FILE}-wal`, `${WORLD_FILE}-journal`];
const OWN_FILES: readonly string[] = [KEY_FILE, RETIRED_KEYS_FILE, COLLECTIONS_FILE];
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const UNSAFE_NAME = /[\u0000-\u001f\u007f\\]|^[A-Za-z]:/;

/**
 * Parses the name of an entry.
 *
 * @param name name from the archive, untrusted
 * @param type type from the archive: `file` or `directory`
 * @returns the path below the data folder, without `data/`; undefined for an entry that a data
 * folder does not need: tokens, locks, catalogs, the trash, other files
 * @throws {ArchiveError} if the name could leave the folder, or if the entry is neither a file nor
 * a directory
 */
export function parseEntryPath(name: string, type: string): EntryPath {
  const quoted = JSON.stringify(name.slice(0, 200));
  if (type !== "file" && type !== "directory") {
    throw new ArchiveError(`Cannot unpack ${quoted}: it is a ${type}; only files are allowed`);
  }
  if (name.startsWith("/") || UNSAFE_NAME.test(name) || !name.isWellFormed()) {
    throw new ArchiveError(
      `Cannot unpack ${quoted}: it is not a relative path, or it contains a control character or a backslash`,
    );
  }
  const segments = name.replace(/\/$/, "").split("/").filter((segment) => segment !== ".");
  if (segments.some((segment) => segment === ".." || segment === "")) {
    throw new ArchiveError(`Cannot unpack ${quoted}: it leaves its folder`);
  }
  if (segments[0] === ARCHIVE_ROOT) segments.shift();
  if (type === "directory") return undefined;
  const [first = "", second, ...more] = segments;
  if (second === undefined) return OWN_FILES.includes(first) ? first : undefined;
  const isWorld = !first.startsWith(".") && more.length === 0 && WORLD_FILES.includes(second);
  return isWorld ? `${first}/${second}` : undefined;
}
