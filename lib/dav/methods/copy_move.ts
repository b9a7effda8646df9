/**
 * The COPY and MOVE methods of WebDAV (RFC 4918 §9.8, §9.9). They transfer bytes, extension,
 * metadata and dead properties of all worlds that the caller can read.
 *
 * A MOVE renames the world, so that it keeps its chain and its earlier versions, if three
 * conditions hold: the destination does not exist, the same callers can read both paths, and
 * neither path is a plugin source. Otherwise the world is written to the destination, as the next
 * version of an existing world, and the source moves to the trash. The store changes both names and
 * their events in one step, also if the process is stopped.
 *
 * The policy decides for every single name before the first change: each member of the source (read,
 * for MOVE also delete), each name at the destination (write), and each resource that is deleted
 * there (delete). One refused name refuses the whole request.
 */

import { assertCan, assertCanTree } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { preconditionFault } from "../../world/precondition.ts";
import type { Precondition } from "../../world/store.ts";
import { parseDavPrecondition } from "../resource/dav_etag.ts";
import { readDepth, readOverwrite } from "../resource/dav_headers.ts";
import { toHref } from "../resource/dav_problem.ts";
import { readDestination } from "../resource/destination.ts";
import { createMultistatus, writeStatusResponse } from "../properties/multistatus.ts";
import {
  assertCollectionAllowed,
  assertNotTopLevel,
  assertParentExists,
  assertValidPath,
} from "./target_checks.ts";
import { deleteTree } from "./delete.ts";
import { findResource, listTree, requireFound, type Resource } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";
import {
  assertLocks,
  assertMembersAllowed,
  destinationOf,
  type MovedWorld,
  transferAll,
} from "./transfer.ts";

/**
 * Handles a COPY or MOVE request.
 *
 * @throws {Problem} if the whole request is refused; failures of single members are in the 207
 * response
 */
export async function copyMove(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path, isCollection: collection } } = davRequest;
  const { store } = context.server;
  const { method } = request;
  const move = method === "MOVE";
  if (move) assertCan(caller, "delete", path, "move");
  assertCan(caller, "read", path);
  const to = readDestination(request);
  assertCan(caller, "write", to.path);
  const from = requireFound(await findResource(store, path), collection, method, path);
  const depth = readDepth(request.headers, "infinity", move ? ["infinity"] : ["0", "infinity"]);
  const overwrite = readOverwrite(request.headers);
  if (move) assertNotTopLevel(path, method);
  assertDisjoint(path, to.path, method);
  if (from.collection) assertCollectionAllowed(to.path, method);
  else assertNotTopLevel(to.path, method);
  assertValidPath(to.path, method);
  await assertParentExists(store, to.path, method);
  const existing = await findResource(store, to.path);
  if (existing !== undefined && !overwrite) {
    throw new Problem(
      "precondition-failed",
      `Cannot ${method} ${path}: ${to.path} exists and Overwrite is F`,
    );
  }
  assertPrecondition(from, parseDavPrecondition(request.headers, from.entry), method);
  const lateReplaced = new Set<string>();
  const moved = new Map<string, MovedWorld>();
  const transfer = {
    context,
    davRequest,
    move,
    from,
    to,
    existing,
    overwrite,
    lateReplaced,
    moved,
  };
  assertLocks(transfer);
  const isTree = from.collection && depth === "infinity";
  if (isTree) assertCanTree(caller, "read", path);
  const tree = isTree
    ? await listTree(store, undefined, from, context.limiter, () =>
      new Problem(
        "insufficient-storage",
        `Cannot ${method} ${path}: it has more than ${context.limiter.limits.members} resources; transfer its parts`,
      ))
    // With Depth 0 only the collection is copied, without a world of the same name.
    : [from.collection ? { path, collection: true } : from];
  for (const { path: at } of tree) assertValidPath(destinationOf(transfer, at), method);
  const replaced = await assertMembersAllowed(transfer, tree);
  const failures = await deleteTree(context, davRequest, replaced);
  if (failures.length === 0) failures.push(...await transferAll(transfer, tree));
  if (failures.length > 0) {
    return createMultistatus(
      failures.map(({ resource: { path, collection }, status }) =>
        writeStatusResponse(path, collection, status)
      ),
    );
  }
  const isReplaced = existing !== undefined || lateReplaced.has(to.path);
  if (isReplaced) return new Response(null, { status: 204 });
  return new Response(null, {
    status: 201,
    headers: { location: toHref(to.path, from.collection) },
  });
}

/** Throws if one path contains the other or both are equal. */
function assertDisjoint(from: string, to: string, method: string): void {
  const inside = to === from || to.startsWith(`${from === "/" ? "" : from}/`);
  if (!inside && !from.startsWith(`${to}/`)) return;
  throw new Problem(
    "forbidden",
    `Cannot ${method} ${from} to ${to}: one path is inside the other; choose another destination`,
  );
}

function assertPrecondition(
  { path, entry }: Resource,
  precondition: Precondition | undefined,
  method: string,
) {
  const current = entry === undefined ? undefined : { ...entry, sha256: "" };
  const fault = preconditionFault(precondition, current);
  if (fault === undefined) return;
  throw new Problem("precondition-failed", `Cannot ${method} ${path}: ${fault}`);
}
