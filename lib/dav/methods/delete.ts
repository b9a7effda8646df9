/**
 * DELETE (RFC 4918 §9.6): a world, or a collection with everything below it. What a lock protects
 * stops all of it, so that nothing is left half deleted; what cannot be deleted is named.
 */

import { require } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { storeProblem } from "../../response/store_problem.ts";
import { MAX_DAV_MEMBERS } from "../../limits.ts";
import { davPrecondition } from "../resource/dav_etag.ts";
import { readDepth } from "../resource/dav_headers.ts";
import { missingLocks, mustHold } from "../locks/lock_guard.ts";
import { multistatus, statusResponse } from "../properties/multistatus.ts";
import { keepParent, mustBeMovable } from "./target_checks.ts";
import { find, type Found, type FoundWorld, mustBeThere, treeOf } from "../resource/resource.ts";
import type { DavRequest, Room } from "./dav_context.ts";

/** Worlds removed at a time. */
const STEP = 64;

/** A resource that stayed, and the status that says why. */
export interface Failure {
  readonly found: Found;
  readonly status: number;
}

/**
 * Answers a DELETE.
 *
 * @throws {Problem}
 */
export async function remove(room: Room, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name, collection } } = asked;
  const { store } = room.machine;
  require(caller, "delete", path);
  const found = mustBeThere(await find(store, path), collection, "delete", path);
  mustBeMovable(path, "DELETE");
  const demanded = davPrecondition(request.headers, found.entry);
  if (!found.collection) {
    mustHold(room.locks, asked, path, "tree");
    try {
      await store.remove({
        name,
        by: caller.by,
        ...(demanded === undefined ? {} : { precondition: demanded }),
      });
    } catch (error) {
      throw storeProblem(error, "delete", path);
    }
    await forget(room, path);
    await keepParent(store, path);
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
    mustHold(room.locks, asked, path, "tree");
  }
  if (locked.length > 0) {
    const paths = new Set(locked.map((lock) => lock.path));
    return multistatus([...paths].map((at) => statusResponse(at, false, 423)));
  }
  const failures = await removeTree(room, asked, found);
  if (failures.length === 0) return new Response(null, { status: 204 });
  return multistatus(
    failures.map(({ found: { path, collection }, status }) =>
      statusResponse(path, collection, status)
    ),
  );
}

/** Removes everything at and below a resource; what had to stay comes back with the reason. */
export async function removeTree(
  room: Room,
  { caller }: DavRequest,
  root: Found,
): Promise<Failure[]> {
  const { store } = room.machine;
  const tree = await treeOf(store, caller, root, () =>
    new Problem(
      "insufficient-storage",
      `Cannot delete ${root.path}: it holds more than ${MAX_DAV_MEMBERS} resources; ` +
        `delete its parts, or all of it at once by its plain path, DELETE ${root.path}/`,
    ));
  const failures: Failure[] = [];
  const worlds = tree.filter((found): found is FoundWorld => found.entry !== undefined);
  for (let at = 0; at < worlds.length; at += STEP) {
    const step = worlds.slice(at, at + STEP);
    const done = await Promise.all(step.map((found) => removeWorld(room, caller.by, found)));
    failures.push(...done.filter((failure) => failure !== undefined));
  }
  // Deepest first, and none that still has something in it.
  for (const { path, collection } of tree.toReversed()) {
    if (!collection) continue;
    await store.mark(path.slice(1), false);
    if (!store.isCollection(path.slice(1))) await forget(room, path);
  }
  await keepParent(store, root.path);
  return failures;
}

/** What goes with a resource: its locks and its properties. */
export async function forget(room: Room, path: string): Promise<void> {
  room.locks.forget(path);
  await room.dead.remove(path);
}

async function removeWorld(
  room: Room,
  by: string,
  found: FoundWorld,
): Promise<Failure | undefined> {
  try {
    await room.machine.store.remove({ name: found.entry.name, by });
  } catch (error) {
    const problem = storeProblem(error, "delete", found.path);
    // Somebody else deleted it meanwhile: as gone as can be.
    if (problem instanceof Problem && problem.status === 404) return undefined;
    if (!(problem instanceof Problem)) throw problem;
    return { found, status: problem.status };
  }
  await forget(room, found.path);
  return undefined;
}
