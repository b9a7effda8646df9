/**
 * Grants: what a plugin can read and write through `env.machine`. A plugin's source requests them
 * and a T3 caller approves them. Grants are a union, unlike the lines of a capability. They never
 * cover a path with which a plugin could extend its own rights.
 */

import { foldPath } from "../base/fold_path.ts";
import type { Grants } from "./caller.ts";

/**
 * Paths that no grant makes writable, each with everything below it. They decide what callers can
 * do, or they run with the rights of such a caller: in its browser, or as a program.
 */
const NEVER_WRITABLE = [
  "/lib",
  "/boot",
  "/auth",
  "/etc/passwd",
  "/etc/shadow",
  "/etc/revoked",
  "/etc/quota",
  "/usr/lib/shell",
  "/usr/bin",
] as const;
/**
 * Contains the dead properties of all resources, also of those that a plugin cannot write. A grant
 * for a parent path is allowed and does not include it.
 */
const PROPERTY_RECORDS = "/var/lib/dav/";
/**
 * Paths that only T3 can read. A grant for a parent path does not include them; the plugin must
 * request each by name.
 */
const REQUIRES_EXPLICIT_GRANT = [
  "/boot",
  "/etc/shadow",
  "/etc/revoked",
  "/etc/quota",
  "/proc/source",
  "/var/cache",
  "/var/lib",
] as const;

/**
 * Checks whether grants allow an action on a path.
 *
 * @param path canonical absolute path
 */
export function isGranted(
  grants: Grants,
  action: "read" | "write" | "delete",
  path: string,
): boolean {
  const mode = modeOf(grants, path);
  if (mode === undefined) return false;
  if (action === "read") return true;
  if (mode === "r" || isNeverWritable(path)) return false;
  // Deleting a collection deletes everything below it, some of which may be granted for reading
  // only.
  return action === "write" || !hasReadOnlyBelow(grants, path);
}

/**
 * Checks whether grants allow an action on a path and on every path below it, whether or not a
 * world exists there.
 *
 * @param path canonical absolute path
 */
export function isTreeGranted(
  grants: Grants,
  action: "read" | "write" | "delete",
  path: string,
): boolean {
  if (!isGranted(grants, action, path)) return false;
  const below = path === "/" ? "/" : `${foldPath(path)}/`;
  const isUnrequested = (hidden: string) =>
    hidden.startsWith(below) && modeOf(grants, hidden) === undefined;
  if (REQUIRES_EXPLICIT_GRANT.some(isUnrequested)) return false;
  if (action === "read") return true;
  return !NEVER_WRITABLE.some((never) => never.startsWith(below)) &&
    !hasReadOnlyBelow(grants, path);
}

/**
 * Explains why a plugin cannot request a grant.
 *
 * @param prefix canonical path; with a trailing slash if it includes everything below it
 * @param mode what the plugin requests
 * @returns a clause for an error message, or undefined if the grant can be requested
 */
export function grantFault(prefix: string, mode: "r" | "rw"): string | undefined {
  if (mode === "r") return undefined;
  const folded = prefix.toLowerCase();
  const path = folded.endsWith("/") ? folded.slice(0, -1) : folded;
  const own = NEVER_WRITABLE.find((never) => covers(`${never}/`, path) || covers(folded, never));
  return own === undefined
    ? undefined
    : `writing ${own} would let the plugin extend its own rights`;
}

/**
 * The mode of the longest grant that covers a path. A grant for exactly the path has priority. A
 * longer read-only grant also restricts paths that differ in letter case only, because some file
 * systems do not distinguish them.
 */
function modeOf(grants: Grants, path: string): "r" | "rw" | undefined {
  const folded = foldPath(path);
  const hidden = REQUIRES_EXPLICIT_GRANT.find((never) => covers(`${never}/`, folded));
  let longest = -1;
  let mode: "r" | "rw" | undefined;
  for (const [prefix, found] of Object.entries(grants)) {
    if (!covers(prefix, path)) continue;
    if (hidden !== undefined && !prefix.toLowerCase().startsWith(hidden)) continue;
    if (prefix === path) return found;
    if (prefix.length <= longest) continue;
    longest = prefix.length;
    mode = found;
  }
  if (mode !== "rw") return mode;
  const isRestricted = Object.entries(grants).some(([prefix, found]) =>
    found === "r" && prefix.length > longest && covers(prefix.toLowerCase(), folded)
  );
  return isRestricted ? "r" : mode;
}

function hasReadOnlyBelow(grants: Grants, path: string): boolean {
  const below = path === "/" ? "/" : `${foldPath(path)}/`;
  return Object.entries(grants).some(([prefix, mode]) =>
    mode === "r" && prefix.toLowerCase().startsWith(below)
  );
}

/**
 * Checks whether a prefix covers a path. Only a prefix with a trailing slash covers more than
 * itself.
 */
function covers(prefix: string, path: string): boolean {
  if (!prefix.endsWith("/")) return path === prefix;
  return path.startsWith(prefix) || path === prefix.slice(0, -1);
}

/**
 * Case-insensitive, like `isPrivate` in `policy.ts`: some file systems do not distinguish the
 * spellings.
 */
function isNeverWritable(path: string): boolean {
  const folded = foldPath(path);
  return covers(PROPERTY_RECORDS, folded) ||
    NEVER_WRITABLE.some((never) => covers(`${never}/`, folded));
}
