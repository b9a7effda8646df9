/**
 * Checks of the target of a WebDAV request: valid names, existing parents, collections that cannot
 * be changed. They apply the rules of file systems to worlds, which have no directories.
 */

import type { Caller } from "../../auth/caller.ts";
import { decide } from "../../auth/policy.ts";
import type { RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { assertValidName } from "../../request/request_context.ts";
import type { Store } from "../../world/store.ts";
import { parentOf } from "../locks/lock_paths.ts";
import { findResource, isTopLevel } from "../resource/resource.ts";

/**
 * Throws if the target cannot be a world.
 *
 * @throws {Problem} `method-not-allowed` if the URL is that of a collection, `bad-name`
 */
export function assertWorld(
  { path, isCollection: collection }: RequestTarget,
  method: string,
): void {
  if (collection || isTopLevel(path)) {
    throw new Problem(
      "method-not-allowed",
      `Cannot ${method} ${path}: the URL is that of a collection; send a URL without a trailing slash`,
    );
  }
  assertValidPath(path, method);
}

/**
 * Throws if a path can be neither a world nor a collection.
 *
 * @throws {Problem} `bad-name`; `conflict` if the path is below a plugin source
 */
export function assertValidPath(path: string, method: string): void {
  assertValidName(path.slice(1), method);
  if (path.startsWith("/lib/") && path.indexOf("/", 5) >= 0) {
    throw new Problem(
      "conflict",
      `Cannot ${method} ${path}: a plugin is one world directly in /lib; use a name without a slash`,
    );
  }
}

/**
 * Throws if no collection can be created at a path: the root, a namespace, or a path in `/lib`.
 *
 * @throws {Problem} `forbidden`
 */
export function assertCollectionAllowed(path: string, method: string): void {
  assertNotTopLevel(path, method);
  if (path.startsWith("/lib/")) {
    throw new Problem(
      "forbidden",
      `Cannot ${method} ${path}: /lib contains plugin sources, which are worlds, and no collections`,
    );
  }
}

/**
 * Throws for the root and the namespaces, which cannot be changed.
 *
 * @throws {Problem} `forbidden`
 */
export function assertNotTopLevel(path: string, method: string): void {
  if (!isTopLevel(path)) return;
  throw new Problem(
    "forbidden",
    `Cannot ${method} ${path}: it is a fixed collection of the server`,
  );
}

/**
 * Throws if the parent collection of a path does not exist (RFC 4918 §9.3.1, §9.7.1, §9.8.5).
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
    `Cannot ${method} ${path}: the collection ${parent} does not exist; create it with MKCOL ${parent}/`,
  );
}

/**
 * Marks a collection that lost its last world: in a file system an empty folder continues to exist. The
 * mark is a change of the collection, so the caller must be able to write it: a capability for one
 * folder does not mark the folder above.
 */
export async function keepEmptyParent(store: Store, caller: Caller, path: string): Promise<void> {
  const parent = parentOf(path);
  if (isTopLevel(parent) || store.isCollection(parent.slice(1))) return;
  if (decide(caller, "write", parent).allowed) await store.markCollection(parent.slice(1), true);
}
