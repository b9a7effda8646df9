/**
 * Worlds as the resources of a file system. A name under which other names lie is a collection, also
 * when it is a world as well: a directory cannot be a file, and its children must stay reachable.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_DAV_MEMBERS } from "../../limits.ts";
import { MOUNT_ROOT } from "./mount_client.ts";
import { isInNamespace, NAMESPACES } from "../../world/name.ts";
import type { Store, WorldEntry } from "../../world/store.ts";

/** What is at a path. */
export interface Resource {
  /** Canonical path, `/home/a.txt`. */
  readonly path: string;
  readonly collection: boolean;
  /** The world of exactly this name, if there is one. */
  readonly entry?: WorldEntry;
}

/** A world, whose bytes can be had. */
export type WorldResource = Resource & { readonly entry: WorldEntry };

/** Whether a path is the root, or one of the folders directly in it, which nobody can change. */
export function isTopLevel(path: string): boolean {
  return path.indexOf("/", 1) < 0;
}

/** What is at a path; `undefined` when nothing is. */
export async function findResource(store: Store, path: string): Promise<Resource | undefined> {
  const name = path.slice(1);
  if (name === "" || NAMESPACES.some((namespace) => namespace === name)) {
    return { path, collection: true };
  }
  if (!isInNamespace(name)) return undefined;
  let entry = store.stat(name);
  if (entry !== undefined && entry.layer === "upper" && entry.version === 0) {
    // The row was not read yet since the start; a listing reads it.
    await store.list(name.slice(0, name.lastIndexOf("/")));
    entry = store.stat(name);
  }
  const collection = store.isCollection(name);
  if (entry === undefined) return collection ? { path, collection } : undefined;
  return { path, collection, entry };
}

/**
 * The members of a collection that a caller may see, in order.
 *
 * @param mounts whether the root has the folder of mounts as well
 */
export async function listMembers(
  store: Store,
  caller: Caller,
  path: string,
  mounts = false,
): Promise<Resource[]> {
  if (path === "/") {
    const folders = [...NAMESPACES, ...(mounts ? [MOUNT_ROOT.slice(1)] : [])].sort();
    return folders.map((name) => ({ path: `/${name}`, collection: true }))
      .filter((found) => canRead(caller, found.path));
  }
  const found: Resource[] = [];
  for (const { name, dir, entry } of await store.list(path.slice(1))) {
    const member = { path: `${path}/${name}`, collection: dir };
    if (!canRead(caller, member.path)) continue;
    found.push(entry === undefined ? member : { ...member, entry });
  }
  return found;
}

/**
 * A resource and everything below it that a caller may see; what contains comes before its contents.
 *
 * @throws whatever `tooMany` makes, past {@link MAX_DAV_MEMBERS}
 */
export async function listTree(
  store: Store,
  caller: Caller,
  root: Resource,
  tooMany: () => Problem,
): Promise<Resource[]> {
  const found: Resource[] = [root];
  const waiting: Resource[] = root.collection ? [root] : [];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const member of await listMembers(store, caller, at.path)) {
      if (found.length >= MAX_DAV_MEMBERS) throw tooMany();
      found.push(member);
      if (member.collection) waiting.push(member);
    }
  }
  return found;
}

/** The 404 of a method that needs something to be there. */
export function notFoundProblem(method: string, path: string): Problem {
  return new Problem("not-found", `Cannot ${method} ${path}: nothing is here`);
}

/** The URL ends in a slash and what is there is no collection, or nothing is there at all. */
export function requireFound(
  found: Resource | undefined,
  slash: boolean,
  method: string,
  path: string,
): Resource {
  if (found === undefined) throw notFoundProblem(method, path);
  if (slash && !found.collection) {
    throw new Problem("not-found", `Cannot ${method} ${path}/: it is a world, not a collection`);
  }
  return found;
}
