/**
 * Maps worlds to the resources of WebDAV (RFC 4918 §5). A name with other names below it is a
 * collection, even if a world of that name exists: a directory cannot be a file at the same time,
 * and its members must remain reachable.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import type { DavLimiter } from "./dav_limiter.ts";
import { MOUNT_ROOT } from "./mount_client.ts";
import { isInNamespace, NAMESPACES } from "../../world/name.ts";
import type { Store, WorldEntry } from "../../world/store.ts";

/** The resource at a path. */
export interface Resource {
  /** Canonical path, such as `/home/a.txt`. */
  readonly path: string;
  readonly collection: boolean;
  /** Catalog entry of the world with exactly this name, if it exists. */
  readonly entry?: WorldEntry;
}

/** A resource that has a world. */
export type WorldResource = Resource & { readonly entry: WorldEntry };

/** Whether a path is the root or a namespace; these collections cannot be changed. */
export function isTopLevel(path: string): boolean {
  return path.indexOf("/", 1) < 0;
}

/** Finds the resource at a path; `undefined` if it does not exist. */
export async function findResource(store: Store, path: string): Promise<Resource | undefined> {
  const name = path.slice(1);
  if (name === "" || NAMESPACES.some((namespace) => namespace === name)) {
    return { path, collection: true };
  }
  if (!isInNamespace(name)) return undefined;
  let entry = store.stat(name);
  if (entry !== undefined && entry.layer === "upper" && entry.version === 0) {
    // The row of this world has not been read since the start; a listing reads it.
    await store.list(name.slice(0, name.lastIndexOf("/")));
    entry = store.stat(name);
  }
  const collection = store.isCollection(name);
  if (entry === undefined) return collection ? { path, collection } : undefined;
  return { path, collection, entry };
}

/** Returns the resource at a path as the catalog knows it; `undefined` if it does not exist. */
export function peekResource(store: Store, path: string): Resource | undefined {
  const name = path.slice(1);
  const entry = store.stat(name);
  const collection = store.isCollection(name);
  if (entry === undefined) return collection ? { path, collection } : undefined;
  return { path, collection, entry };
}

/**
 * Lists the members of a collection that a caller can read, sorted by name.
 *
 * @param caller undefined lists all members
 * @param path canonical path of the collection
 * @param mounts whether the root has the collection `/mnt`
 */
export async function listMembers(
  store: Store,
  caller: Caller | undefined,
  path: string,
  mounts = false,
): Promise<Resource[]> {
  if (path === "/") {
    const folders = [...NAMESPACES, ...(mounts ? [MOUNT_ROOT.slice(1)] : [])].sort();
    return folders.map((name) => ({ path: `/${name}`, collection: true }))
      .filter((found) => caller === undefined || canRead(caller, found.path));
  }
  const found: Resource[] = [];
  for (const { name, dir, entry } of await store.list(path.slice(1))) {
    const member = { path: `${path}/${name}`, collection: dir };
    if (caller !== undefined && !canRead(caller, member.path)) continue;
    found.push(entry === undefined ? member : { ...member, entry });
  }
  return found;
}

/**
 * Lists a resource and all resources below it that a caller can read; a collection comes before its
 * members.
 *
 * @param caller undefined lists all resources
 * @param tooMany creates the error for too many resources
 * @throws {Problem} the error that `tooMany` creates
 */
export async function listTree(
  store: Store,
  caller: Caller | undefined,
  root: Resource,
  limiter: DavLimiter,
  tooMany: () => Problem,
): Promise<Resource[]> {
  const found: Resource[] = [root];
  const queue: Resource[] = root.collection ? [root] : [];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const member of await listMembers(store, caller, at.path)) {
      if (found.length >= limiter.limits.members) throw limiter.refuse("members", tooMany());
      found.push(member);
      if (member.collection) queue.push(member);
    }
  }
  return found;
}

/** Creates the 404 problem of a method that requires an existing resource. */
export function notFoundProblem(method: string, path: string): Problem {
  return new Problem("not-found", `Cannot ${method} ${path}: it does not exist`);
}

/**
 * Returns a resource if it exists and fits the URL.
 *
 * @param slash whether the URL ends with a slash, which only collections allow
 * @throws {Problem} `not-found` if the resource does not exist, or is a world and the URL has a
 * slash
 */
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
