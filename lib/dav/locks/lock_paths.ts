/** Which locks apply to a path, given the locks by their roots. Pure. */

import type { Lock } from "./locks.ts";

/** Locks by the paths of their roots. */
export type LocksByRoot = ReadonlyMap<string, readonly Lock[]>;

/** Returns the locks of a path, and those with depth infinity above it. */
export function locksCovering(roots: LocksByRoot, path: string): Lock[] {
  const found = [...roots.get(path) ?? []];
  for (const above of ancestors(path)) {
    for (const lock of roots.get(above) ?? []) {
      if (lock.depth === "infinity") found.push(lock);
    }
  }
  return found;
}

/** Returns the locks whose paths are below a path. */
export function locksBelow(roots: LocksByRoot, path: string): Lock[] {
  const prefix = path === "/" ? "/" : `${path}/`;
  const found: Lock[] = [];
  for (const [root, locks] of roots) {
    if (root !== path && root.startsWith(prefix)) found.push(...locks);
  }
  return found;
}

/** Returns the paths above a path, nearest first; none for the root. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let at = path; at !== "/";) {
    at = parentOf(at);
    found.push(at);
  }
  return found;
}

/** Returns the path of the collection that contains a path. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
