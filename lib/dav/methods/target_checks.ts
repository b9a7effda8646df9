/**
 * Where things may come to stand: names that can be worlds, parents that are collections. The rules
 * of a file system over a tree that has no directories of its own.
 */

import type { Target } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { nameFault } from "../../world/name.ts";
import type { Store } from "../../world/store.ts";
import { parentOf } from "../locks/lock_table.ts";
import { find, isFixed } from "../resource/resource.ts";

/** The state a write leaves a world in: plugin sources wait for approval. */
export function bornState(name: string): string {
  return name.startsWith("lib/") ? "pending" : "";
}

/**
 * Refuses a target that cannot be a world.
 *
 * @throws {Problem} `method-not-allowed`, `bad-name`
 */
export function mustBeWorld({ path, collection }: Target, method: string): void {
  if (collection || isFixed(path)) {
    throw new Problem(
      "method-not-allowed",
      `Cannot ${method} ${path}: its URL names a collection; a world's has no slash at its end`,
    );
  }
  mustFit(path, method);
}

/**
 * Refuses a path that can be neither world nor collection.
 *
 * @throws {Problem} `bad-name`, `conflict` below a plugin, which is one world
 */
export function mustFit(path: string, method: string): void {
  const fault = nameFault(path.slice(1));
  if (fault !== undefined) {
    throw new Problem("bad-name", `Cannot ${method} ${path}: as a world's name ${fault}`);
  }
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
export function mayBeCollection(path: string, method: string): void {
  mustBeMovable(path, method);
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
export function mustBeMovable(path: string, method: string): void {
  if (!isFixed(path)) return;
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
export async function mustHaveParent(store: Store, path: string, method: string): Promise<void> {
  const parent = parentOf(path);
  if ((await find(store, parent))?.collection === true) return;
  throw new Problem(
    "conflict",
    `Cannot ${method} ${path}: ${parent} is no collection; MKCOL ${parent}/ would make it one`,
  );
}

/** Keeps a collection that lost its last world: in a file system an emptied folder stays. */
export async function keepParent(store: Store, path: string): Promise<void> {
  const parent = parentOf(path);
  if (!isFixed(parent) && !store.isCollection(parent.slice(1))) {
    await store.mark(parent.slice(1), true);
  }
}
