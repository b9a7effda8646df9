/**
 * Worlds as the resources of a file system. A name under which other names lie is a collection, also
 * when it is a world as well: a directory cannot be a file, and its children must stay reachable.
 */

import type { Caller } from "../../auth/caller.ts";
import { visible } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_DAV_MEMBERS } from "../../limits.ts";
import { MOUNTS } from "./mount_client.ts";
import { inNamespace, NAMESPACES } from "../../world/name.ts";
import type { Entry, Store } from "../../world/store.ts";

/** What is at a path. */
export interface Found {
  /** Canonical path, `/home/a.txt`. */
  readonly path: string;
  readonly collection: boolean;
  /** The world of exactly this name, if there is one. */
  readonly entry?: Entry;
}

/** A world, whose bytes can be had. */
export type FoundWorld = Found & { readonly entry: Entry };

/** Whether a path is the root, or one of the folders directly in it, which nobody can change. */
export function isFixed(path: string): boolean {
  return path.indexOf("/", 1) < 0;
}

/** What is at a path; `undefined` when nothing is. */
export async function find(store: Store, path: string): Promise<Found | undefined> {
  const name = path.slice(1);
  if (name === "" || NAMESPACES.some((namespace) => namespace === name)) {
    return { path, collection: true };
  }
  if (!inNamespace(name)) return undefined;
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
export async function membersOf(
  store: Store,
  caller: Caller,
  path: string,
  mounts = false,
): Promise<Found[]> {
  if (path === "/") {
    const folders = [...NAMESPACES, ...(mounts ? [MOUNTS.slice(1)] : [])].sort();
    return folders.map((name) => ({ path: `/${name}`, collection: true }))
      .filter((found) => visible(caller, found.path));
  }
  const found: Found[] = [];
  for (const { name, dir, entry } of await store.list(path.slice(1))) {
    const member = { path: `${path}/${name}`, collection: dir };
    if (!visible(caller, member.path)) continue;
    found.push(entry === undefined ? member : { ...member, entry });
  }
  return found;
}

/**
 * A resource and everything below it that a caller may see; what contains comes before its contents.
 *
 * @throws whatever `tooMany` makes, past {@link MAX_DAV_MEMBERS}
 */
export async function treeOf(
  store: Store,
  caller: Caller,
  root: Found,
  tooMany: () => Problem,
): Promise<Found[]> {
  const found: Found[] = [root];
  const waiting: Found[] = root.collection ? [root] : [];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const member of await membersOf(store, caller, at.path)) {
      if (found.length >= MAX_DAV_MEMBERS) throw tooMany();
      found.push(member);
      if (member.collection) waiting.push(member);
    }
  }
  return found;
}

/** The 404 of a method that needs something to be there. */
export function nothingHere(method: string, path: string): Problem {
  return new Problem("not-found", `Cannot ${method} ${path}: nothing is here`);
}

/** The URL ends in a slash and what is there is no collection, or nothing is there at all. */
export function mustBeThere(
  found: Found | undefined,
  slash: boolean,
  method: string,
  path: string,
): Found {
  if (found === undefined) throw nothingHere(method, path);
  if (slash && !found.collection) {
    throw new Problem("not-found", `Cannot ${method} ${path}/: it is a world, not a collection`);
  }
  return found;
}
