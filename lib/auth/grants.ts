/**
 * What `env.machine` may do: the grants a plugin's source asked for and somebody of T3 approved. They
 * are a union, unlike a capability's lines, and they never reach what could make a plugin more than it
 * was approved to be.
 */

import type { Grants } from "./caller.ts";

/**
 * Paths no grant covers for writing, each with what lies below: they decide who may do what, or run in
 * the browser of somebody who may.
 */
const NEVER_WRITABLE = [
  "/lib",
  "/boot",
  "/auth",
  "/etc/passwd",
  "/etc/shadow",
  "/usr/lib/shell",
] as const;
/** What only T3 may read. A grant that lies above reaches none of it; it is to be asked for by name. */
const REQUIRES_EXPLICIT_GRANT = ["/boot", "/etc/shadow", "/proc/source", "/var/cache"] as const;

/** Whether grants let a plugin read, or change, a path. */
export function isGranted(
  grants: Grants,
  action: "read" | "write" | "delete",
  path: string,
): boolean {
  const mode = modeOf(grants, path);
  if (mode === undefined) return false;
  if (action === "read") return true;
  if (mode === "r" || isNeverWritable(path)) return false;
  // A collection goes with everything below it, and some of that may be granted for reading alone.
  return action === "write" || !hasReadOnlyBelow(grants, path);
}

/**
 * Says why a grant cannot be asked for, or `undefined` when it can.
 *
 * @param prefix canonical, with a slash at its end when it means what lies below
 */
export function grantFault(prefix: string, mode: "r" | "rw"): string | undefined {
  if (mode === "r") return undefined;
  const folded = prefix.toLowerCase();
  const path = folded.endsWith("/") ? folded.slice(0, -1) : folded;
  const own = NEVER_WRITABLE.find((never) => covers(`${never}/`, path) || covers(folded, never));
  return own === undefined
    ? undefined
    : `to write ${own} would let it become more than what was approved`;
}

/** The mode of the longest grant that covers a path; one for exactly the path comes before all. */
function modeOf(grants: Grants, path: string): "r" | "rw" | undefined {
  const folded = path.toLowerCase();
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
  return mode;
}

function hasReadOnlyBelow(grants: Grants, path: string): boolean {
  return Object.entries(grants).some(([prefix, mode]) =>
    mode === "r" && prefix.startsWith(`${path}/`)
  );
}

/** Whether a prefix covers a path; only one that ends in a slash covers more than itself. */
function covers(prefix: string, path: string): boolean {
  if (!prefix.endsWith("/")) return path === prefix;
  return path.startsWith(prefix) || path === prefix.slice(0, -1);
}

/** Case folds here as it does for what is private: some disks do not tell the spellings apart. */
function isNeverWritable(path: string): boolean {
  const folded = path.toLowerCase();
  return NEVER_WRITABLE.some((never) => covers(`${never}/`, folded));
}
