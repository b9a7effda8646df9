/**
 * Deletes a world, or every world below a collection. A deleted world moves to the trash. A world
 * of the lower layer cannot be deleted.
 */

import { assertCan, assertCanEach, assertCanTree } from "../auth/policy.ts";
import { assertUnlocked } from "../dav/locks/lock_guard.ts";
import { removePropertyRecord } from "../dav/resource/property_record.ts";
import type { Locks } from "../dav/locks/locks.ts";
import { parsePrecondition } from "../http/conditional.ts";
import { Problem } from "../http/problem.ts";
import { assertValidName, type RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { compareNames } from "../world/name.ts";
import { type Precondition, type Store, StoreError, type WorldEntry } from "../world/store.ts";
import { createMethodProblem } from "./handler.ts";
import { deletedResponse, type DeletedWorld, toDeletedWorld } from "./world_responses.ts";
import { allowedMethods, assertWorldTarget } from "./world_target.ts";

/** Worlds that are deleted concurrently when a collection is deleted. */
const WORLDS_PER_STEP = 64;
const NO_BODY = new Uint8Array();

/**
 * `DELETE /home/x`: moves the world to the trash.
 *
 * @throws {Problem} and {@link StoreError}; nothing is deleted then
 */
export async function deleteWorld(
  { store }: Pick<ServerContext, "store">,
  locks: Locks,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { name, path }, caller } = context;
  assertCan(caller, "delete", path);
  assertWorldTarget(context);
  assertValidName(name, "delete");
  const precondition = parsePrecondition(request.headers);
  if (store.stat(name) === undefined && store.isCollection(name)) {
    throw new Problem(
      "not-found",
      `Cannot delete ${path}: it is a collection only; DELETE ${path}/ deletes every world below it`,
    );
  }
  const required = await assertUnlocked(locks, store, context, true, precondition);
  const { trash } = await store.remove({
    name,
    by: caller.by,
    ...(required === undefined ? {} : { precondition: required }),
    ...(context.keyed === undefined ? {} : { idem: context.keyed.mark(NO_BODY) }),
  });
  await removePropertyRecord(store, path);
  return deletedResponse([{ name, trash }]);
}

/**
 * `DELETE /home/x/`: moves every world below the collection to the trash.
 *
 * @throws {Problem} and {@link StoreError}
 */
export async function deleteCollection(
  { store }: Pick<ServerContext, "store">,
  locks: Locks,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { name, path }, caller } = context;
  assertCanTree(caller, "delete", path);
  if (!name.includes("/")) throw createMethodProblem(context, allowedMethods(context));
  assertUnconditional(parsePrecondition(request.headers), path);
  const below = (await store.walk(name)).filter((entry) => entry.name !== name);
  assertCanEach(caller, "delete", below.map((entry) => `/${entry.name}`));
  const upper = below.filter((entry) => entry.layer === "upper");
  const done = context.keyed?.done ?? [];
  if (below.length === 0 && done.length === 0 && !store.isCollection(name)) {
    throw new Problem("not-found", `Cannot delete ${path}/: nothing is below it`);
  }
  if (upper.length === 0 && below.length > 0) {
    throw new Problem(
      "lower-layer",
      `Cannot delete ${path}/: every world below it belongs to the read-only lower layer`,
    );
  }
  await assertUnlocked(locks, store, context, true, undefined);
  const deleted: DeletedWorld[] = done.map(toDeletedWorld);
  for (let at = 0; at < upper.length;) {
    // The last world is deleted last: its mark has the number of those that were deleted, because
    // another request can have deleted some of the others first.
    const end = Math.max(at + 1, Math.min(at + WORLDS_PER_STEP, upper.length - 1));
    const idem = context.keyed?.mark(NO_BODY, deleted.length + upper.length - at);
    const step = upper.slice(at, end);
    at = end;
    const done = await Promise.all(
      step.map((entry) => removeIfPresent(store, entry.name, caller.by, idem)),
    );
    deleted.push(...done.filter((found) => found !== undefined));
  }
  const collections = [
    name,
    ...collectionsOf(name, below),
    ...await unmarkCollections(store, name),
  ];
  for (const collection of new Set(collections)) {
    if (!store.isCollection(collection)) await removePropertyRecord(store, `/${collection}`);
  }
  if (done.length > 0) deleted.sort((a, b) => compareNames(a.name, b.name));
  return deletedResponse(deleted);
}

/** Returns the names of the collections below one that worlds are in. */
function collectionsOf(name: string, below: readonly WorldEntry[]): Set<string> {
  const found = new Set<string>();
  for (const { name: world } of below) {
    // Worlds are sorted, so most of the parents are known.
    for (
      let end = world.lastIndexOf("/");
      end > name.length;
      end = world.lastIndexOf("/", end - 1)
    ) {
      const parent = world.slice(0, end);
      if (found.has(parent)) break;
      found.add(parent);
    }
  }
  return found;
}

/**
 * Removes the marks of empty collections that WebDAV clients created, deepest first, and the mark
 * of this one.
 *
 * @returns the names of the collections below it that still existed
 */
async function unmarkCollections(store: Store, name: string): Promise<string[]> {
  const found: string[] = [];
  for (const child of await store.list(name)) {
    if (!child.dir) continue;
    const path = `${name}/${child.name}`;
    found.push(path, ...await unmarkCollections(store, path));
  }
  await store.markCollection(name, false);
  return found;
}

/**
 * Removes one world of a collection. A world that another request removed first is not an error.
 */
async function removeIfPresent(
  store: Store,
  name: string,
  by: string,
  idem: string | undefined,
): Promise<DeletedWorld | undefined> {
  try {
    const { trash } = await store.remove({ name, by, ...(idem === undefined ? {} : { idem }) });
    await removePropertyRecord(store, `/${name}`);
    return { name, trash };
  } catch (error) {
    if (error instanceof StoreError && error.code === "absent") return undefined;
    throw error;
  }
}

/**
 * A collection is deleted world by world, so a condition on the whole collection cannot be
 * guaranteed. `If-Match: *` requires only that it exists.
 */
function assertUnconditional(precondition: Precondition | undefined, path: string): void {
  if (precondition === undefined) return;
  const { match, noneMatch, unmodifiedSince } = precondition;
  if (match === "*" && noneMatch === undefined && unmodifiedSince === undefined) return;
  throw new Problem(
    "precondition-failed",
    `Cannot delete ${path}/: a condition on a whole collection cannot be guaranteed; ` +
      "delete its worlds one by one, each with its own condition",
  );
}
