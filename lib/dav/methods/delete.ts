/**
 * The DELETE method of WebDAV (RFC 4918 §9.6): deletes a world, or a collection with all resources
 * below it. A lock of another caller on any of them prevents the whole request. The response lists
 * resources that could not be deleted.
 */

import { assertCan, assertCanEach, assertCanTree } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import { StoreError } from "../../world/store.ts";
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

/** Worlds that are deleted at the same time. */
const WORLDS_PER_STEP = 64;

/** A resource for which the request failed, with the status of the failure. */
export interface FailedResource {
  readonly resource: Resource;
  readonly status: number;
}

/**
 * Handles a DELETE request.
 *
 * @throws {Problem} if the whole request is refused; failures of single members are in the 207
 * response
 */
export async function deleteResource(
  context: DavContext,
  davRequest: DavRequest,
): Promise<Response> {
  const { request, caller, target: { path, name, isCollection: collection } } = davRequest;
  const { store } = context.server;
  assertCan(caller, "delete", path);
  const found = requireFound(await findResource(store, path), collection, "delete", path);
  assertNotTopLevel(path, "DELETE");
  const precondition = parseDavPrecondition(request.headers, found.entry);
  if (!found.collection) {
    assertLockTokens(context.locks, davRequest, path, "tree");
    await store.remove({
      name,
      by: caller.by,
      ...(precondition === undefined ? {} : { precondition }),
    });
    await forgetWorld(context, path);
    await keepEmptyParent(store, caller, path);
    return new Response(null, { status: 204 });
  }
  readDepth(request.headers, "infinity", ["infinity"]);
  if (precondition !== undefined && precondition.match !== "*") {
    throw new Problem(
      "precondition-failed",
      `Cannot delete ${path}: it is a collection, for which only If-Match: * is supported`,
    );
  }
  const locked = missingLocks(context.locks, davRequest, path, "tree");
  if (locked.some((lock) => lock.path === path || !lock.path.startsWith(`${path}/`))) {
    assertLockTokens(context.locks, davRequest, path, "tree");
  }
  if (locked.length > 0) {
    const paths = new Set(locked.map((lock) => lock.path));
    return createMultistatus([...paths].map((at) => writeStatusResponse(at, false, 423)));
  }
  const tree = await listForDeletion(context, davRequest, found);
  const failures = await deleteTree(context, davRequest, tree);
  if (failures.length === 0) return new Response(null, { status: 204 });
  return createMultistatus(
    failures.map(({ resource: { path, collection }, status }) =>
      writeStatusResponse(path, collection, status)
    ),
  );
}

/**
 * Lists a resource and all resources below it, and checks that the caller can delete each of them.
 * Nothing is changed.
 *
 * @throws {Problem} `unauthorized`, `forbidden`; `insufficient-storage` if there are too many
 */
export async function listForDeletion(
  { server: { store }, limiter }: DavContext,
  { caller }: DavRequest,
  root: Resource,
): Promise<readonly Resource[]> {
  assertCanTree(caller, "delete", root.path);
  const tree = await listTree(store, undefined, root, limiter, () =>
    new Problem(
      "insufficient-storage",
      `Cannot delete ${root.path}: it has more than ${limiter.limits.members} resources; ` +
        `delete its parts, or use its plain path: DELETE ${root.path}/`,
    ));
  assertCanEach(caller, "delete", tree.map(({ path }) => path));
  return tree;
}

/**
 * Deletes the resources that {@link listForDeletion} returned.
 *
 * @returns the resources that could not be deleted
 */
export async function deleteTree(
  context: DavContext,
  { caller }: DavRequest,
  tree: readonly Resource[],
): Promise<FailedResource[]> {
  const { store } = context.server;
  const [root] = tree;
  if (root === undefined) return [];
  const failures: FailedResource[] = [];
  const worlds = tree.filter((found): found is WorldResource => found.entry !== undefined);
  for (let at = 0; at < worlds.length; at += WORLDS_PER_STEP) {
    const step = worlds.slice(at, at + WORLDS_PER_STEP);
    const done = await Promise.all(step.map((found) => removeWorld(context, caller.by, found)));
    failures.push(...done.filter((failure) => failure !== undefined));
  }
  // Deepest collections first; collections that still have members keep their properties.
  for (const { path, collection } of tree.toReversed()) {
    if (!collection) continue;
    await store.markCollection(path.slice(1), false);
    if (store.isCollection(path.slice(1))) continue;
    const failure = await forgetCollection(context, path);
    if (failure !== undefined) failures.push(failure);
  }
  await keepEmptyParent(store, caller, root.path);
  return failures;
}

/**
 * Removes the locks and the dead properties of a world that was deleted or moved. If the record of
 * the properties cannot be removed now, it remains: it has the identity of the world, so no other
 * world gets them.
 */
export async function forgetWorld(context: DavContext, path: string): Promise<void> {
  await context.locks.releaseAt(path);
  try {
    await context.deadProperties.remove(path);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/**
 * Removes the locks and the dead properties of a collection that was deleted or moved. If they
 * cannot be removed, it remains without members: a new collection of its name would get them.
 */
export async function forgetCollection(
  context: DavContext,
  path: string,
): Promise<FailedResource | undefined> {
  await context.locks.releaseAt(path);
  try {
    await context.deadProperties.remove(path);
    return undefined;
  } catch (error) {
    const problem = toStoreProblem(error, "DELETE", path);
    if (!(problem instanceof Problem)) throw problem;
    await context.server.store.markCollection(path.slice(1), true);
    return { resource: { path, collection: true }, status: problem.status };
  }
}

async function removeWorld(
  context: DavContext,
  by: string,
  found: WorldResource,
): Promise<FailedResource | undefined> {
  try {
    await context.server.store.remove({ name: found.entry.name, by });
  } catch (error) {
    const problem = toStoreProblem(error, "DELETE", found.path);
    // Another request deleted the world first; that is the requested result.
    if (problem instanceof Problem && problem.status === 404) return undefined;
    if (!(problem instanceof Problem)) throw problem;
    return { resource: found, status: problem.status };
  }
  await forgetWorld(context, found.path);
  return undefined;
}
