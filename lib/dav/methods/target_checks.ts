/**
 * Where things may come to stand: names that can be worlds, parents that are collections. The rules
 * of a file system over a tree that has no directories of its own.
 */

import type { RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { assertValidName } from "../../request/request_context.ts";
import type { Store } from "../../world/store.ts";
import { parentOf } from "../locks/lock_table.ts";
import { findResource, isTopLevel } from "../resource/resource.ts";

/**
 * Refuses a target that cannot be a world.
 *
 * @throws {Problem} `method-not-allowed`, `bad-name`
 */
export function assertWorld(
  { path, isCollection: collection }: RequestTarget,
  method: string,
): void {
  if (collection || isTopLevel(path)) {
    throw new Problem(
      "method-not-allowed",
      `Cannot ${method} ${path}: its URL names a collection; a world's has no slash at its end`,
    );
  }
  assertValidPath(path, method);
}

/**
 * Refuses a path that can be neither world nor collection.
 *
 * @throws {Problem} `bad-name`, `conflict` below a plugin, which is one world
 */
export function assertValidPath(path: string, method: string): void {
  assertValidName(path.slice(1), method);
  if (path.startsWith("/lib/") && path.indexOf("/", 5) >= 0) {
    throw new Problem(
      "conflict",
      `Cannot ${method} ${path}: a plugin is one world directly in /lib, with nothing below it`,
    );
  }
}

/**
 * Refuses a collection where only worlds can be, and where the machine's own stand.
 *
 * @throws {Problem} `forbidden`
 */
export function assertCollectionAllowed(path: string, method: string): void {
  assertNotTopLevel(path, method);
  if (path.startsWith("/lib/")) {
    throw new Problem(
      "forbidden",
      `Cannot ${method} ${path}: /lib holds plugin sources, each one world, and no collections`,
    );
  }
}

/**
 * Refuses the root and the namespaces, which are the machine's own.
 *
 * @throws {Problem} `forbidden`
 */
export function assertNotTopLevel(path: string, method: string): void {
  if (!isTopLevel(path)) return;
  throw new Problem(
    "forbidden",
    `Cannot ${method} ${path}: it is one of the machine's own collections, which always stay`,
  );
}

/**
 * Refuses what would have no collection around it (RFC 4918 §9.3.1, §9.7.1, §9.8.5).
 *
 * @throws {Problem} `conflict`
 */
export async function assertParentExists(
  store: Store,
  path: string,
  method: string,
): Promise<void> {
  const parent = parentOf(path);
  if ((await findResource(store, parent))?.collection === true) return;
  throw new Problem(
    "conflict",
    `Cannot ${method} ${path}: ${parent} is no collection; MKCOL ${parent}/ would make it one`,
  );
}

/** Keeps a collection that lost its last world: in a file system an emptied folder stays. */
export async function keepEmptyParent(store: Store, path: string): Promise<void> {
  const parent = parentOf(path);
  if (!isTopLevel(parent) && !store.isCollection(parent.slice(1))) {
    await store.markCollection(parent.slice(1), true);
  }
}
