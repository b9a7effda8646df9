/**
 * Explains why there is no world at a path, and what would work. It names only what a GET by the
 * same caller would show: the caller's own path, and collections that it can read.
 */

import type { Caller } from "../auth/caller.ts";
import { canRead } from "../auth/policy.ts";
import { encodePath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { isInNamespace, nameFault } from "../world/name.ts";
import { type Store, StoreError } from "../world/store.ts";

/** What is needed of the store. */
type Names = Pick<Store, "stat" | "isCollection">;

/**
 * Describes what is at a path without a world.
 *
 * @param name canonical name without its leading slash; the caller can read it
 * @returns the end of a sentence: that it is a collection, or which collection above it exists
 */
export function describeAbsence(store: Names, caller: Caller, name: string): string {
  if (store.isCollection(name)) {
    return `it is a collection, not a world; GET ${encodePath(`/${name}`)}/ lists it`;
  }
  const nearest = findCollectionAbove(store, caller, name);
  return nearest === undefined
    ? "nothing is here"
    : `nothing is here; GET ${encodePath(`/${nearest}`)}/ lists the closest collection above it`;
}

/** The longest name above `name` that is a collection and that the caller can read. */
function findCollectionAbove(store: Names, caller: Caller, name: string): string | undefined {
  for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
    const above = name.slice(0, end);
    if (!canRead(caller, `/${above}`)) continue;
    // A namespace can be listed even if it is empty.
    if (!above.includes("/") || store.isCollection(above)) return above;
  }
  return undefined;
}

/**
 * Waits for a result about a world. If the world does not exist, the problem says what would work.
 *
 * @param name canonical name of the world; the caller can read it
 * @param action the attempted action as a verb, for the error message: `read the log of`
 * @param remedy what works for a collection in addition to its listing
 * @throws {Problem} `not-found`
 * @throws {StoreError} any other error of the store
 */
export async function withAbsenceExplained<T>(
  store: Names,
  caller: Caller,
  name: string,
  action: string,
  result: Promise<T>,
  remedy?: string,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    const isAbsent = error instanceof StoreError && error.code === "absent";
    if (!isAbsent || store.stat(name) !== undefined) throw error;
    const absence = describeAbsence(store, caller, name);
    const also = remedy !== undefined && store.isCollection(name) ? `; ${remedy}` : "";
    throw new Problem("not-found", `Cannot ${action} /${name}: ${absence}${also}`);
  }
}

/**
 * Throws if the path after a route cannot be the name of a world, with the path that can be.
 *
 * @param name what follows the route: `nothing` of `/proc/log/nothing`
 * @param route the route: `/proc/log`
 * @param action the attempted action as a verb, for the error message: `read the log of`
 * @throws {Problem} `bad-name`
 */
export function assertSubject(name: string, route: string, action: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  const path = encodePath(`/${name}`);
  const remedy = !isInNamespace(name)
    ? `; the whole path of a world is needed, such as ${route}/home${path}`
    : name.includes("/")
    ? ""
    : `; GET ${path}/ lists its worlds`;
  throw new Problem(
    "bad-name",
    `Cannot ${action} /${name}: as the name of a world ${fault}${remedy}`,
  );
}
