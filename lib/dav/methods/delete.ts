/**
 * DELETE (RFC 4918 §9.6): a world, or a collection with everything below it. What a lock protects
 * stops all of it, so that nothing is left half deleted; what cannot be deleted is named.
 */

import { assertCan } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import { MAX_DAV_MEMBERS } from "../../limits.ts";
import { parseDavPrecondition } from "../resource/dav_etag.ts";
import { readDepth } from "../resource/dav_headers.ts";
import { assertLockTokens, missingLocks } from "../locks/lock_guard.ts";
import { createMultistatus, writeStatusResponse } from "../properties/multistatus.ts";
import { assertNotTopLevel, keepEmptyParent } from "./target_checks.ts";
import {
  findResource,
  listTree,
  requireFound,
  type Resource,
  type WorldResource,
} from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/** Worlds removed at a time. */
const STEP = 64;

/** A resource that stayed, and the status that says why. */
export interface FailedResource {
  readonly resource: Resource;
  readonly status: number;
}

/**
 * Answers a DELETE.
 *
 * @throws {Problem}
 */
export async function deleteResource(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name, isCollection: collection } } = asked;
  const { store } = room.server;
  assertCan(caller, "delete", path);
  const found = requireFound(await findResource(store, path), collection, "delete", path);
  assertNotTopLevel(path, "DELETE");
  const demanded = parseDavPrecondition(request.headers, found.entry);
  if (!found.collection) {
    assertLockTokens(room.locks, asked, path, "tree");
    await store.remove({
      name,
      by: caller.by,
      ...(demanded === undefined ? {} : { precondition: demanded }),
    });
    await removeLocksAndProperties(room, path);
    await keepEmptyParent(store, path);
    return new Response(null, { status: 204 });
  }
  readDepth(request.headers, "infinity", ["infinity"]);
  if (demanded !== undefined && demanded.match !== "*") {
    throw new Problem(
      "precondition-failed",
      `Cannot delete ${path}: no condition on a whole collection can be kept`,
    );
  }
  const locked = missingLocks(room.locks, asked, path, "tree");
  if (locked.some((lock) => lock.path === path || !lock.path.startsWith(`${path}/`))) {
    assertLockTokens(room.locks, asked, path, "tree");
  }
  if (locked.length > 0) {
    const paths = new Set(locked.map((lock) => lock.path));
    return createMultistatus([...paths].map((at) => writeStatusResponse(at, false, 423)));
  }
  const failures = await deleteTree(room, asked, found);
  if (failures.length === 0) return new Response(null, { status: 204 });
  return createMultistatus(
    failures.map(({ resource: { path, collection }, status }) =>
      writeStatusResponse(path, collection, status)
    ),
  );
}

/** Removes everything at and below a resource; what had to stay comes back with the reason. */
export async function deleteTree(
  room: DavContext,
  { caller }: DavRequest,
  root: Resource,
): Promise<FailedResource[]> {
  const { store } = room.server;
  const tree = await listTree(store, caller, root, () =>
    new Problem(
      "insufficient-storage",
      `Cannot delete ${root.path}: it holds more than ${MAX_DAV_MEMBERS} resources; ` +
        `delete its parts, or all of it at once by its plain path, DELETE ${root.path}/`,
    ));
  const failures: FailedResource[] = [];
  const worlds = tree.filter((found): found is WorldResource => found.entry !== undefined);
  for (let at = 0; at < worlds.length; at += STEP) {
    const step = worlds.slice(at, at + STEP);
    const done = await Promise.all(step.map((found) => removeWorld(room, caller.by, found)));
    failures.push(...done.filter((failure) => failure !== undefined));
  }
  // Deepest first, and none that still has something in it.
  for (const { path, collection } of tree.toReversed()) {
    if (!collection) continue;
    await store.markCollection(path.slice(1), false);
    if (!store.isCollection(path.slice(1))) await removeLocksAndProperties(room, path);
  }
  await keepEmptyParent(store, root.path);
  return failures;
}

/** What goes with a resource: its locks and its properties. */
export async function removeLocksAndProperties(room: DavContext, path: string): Promise<void> {
  room.locks.releaseAt(path);
  await room.deadProperties.remove(path);
}

async function removeWorld(
  room: DavContext,
  by: string,
  found: WorldResource,
): Promise<FailedResource | undefined> {
  try {
    await room.server.store.remove({ name: found.entry.name, by });
  } catch (error) {
    const problem = toStoreProblem(error, "DELETE", found.path);
    // Somebody else deleted it meanwhile: as gone as can be.
    if (problem instanceof Problem && problem.status === 404) return undefined;
    if (!(problem instanceof Problem)) throw problem;
    return { resource: found, status: problem.status };
  }
  await removeLocksAndProperties(room, found.path);
  return undefined;
}
