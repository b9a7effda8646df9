/**
 * MOVE on a plain path: `MOVE /home/x` with `Destination: /home/y`. It does what MOVE of WebDAV does,
 * with two differences of plain paths: a world and the collection of the same name are separate
 * (`/home/x` and `/home/x/`), and collections need not be created first. The response is JSON.
 */

import { assertCan, assertCanTree } from "../../auth/policy.ts";
import { parsePrecondition } from "../../http/conditional.ts";
import { formatEtag } from "../../http/etag.ts";
import { encodePath, type RequestTarget } from "../../http/path.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { Problem } from "../../http/problem.ts";
import type { Precondition } from "../../world/store.ts";
import { evaluateIfHeader, type IfResult } from "../locks/lock_guard.ts";
import { readOverwrite } from "../resource/dav_headers.ts";
import { readPlainDestination } from "../resource/destination.ts";
import { findResource, listTree, type Resource } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";
import { deleteTree, type FailedResource } from "./delete.ts";
import { assertCollectionAllowed, assertNotTopLevel, assertValidPath } from "./target_checks.ts";
import {
  assertLocks,
  assertMembersAllowed,
  destinationOf,
  type MovedWorld,
  type Transfer,
  transferAll,
} from "./transfer.ts";

/**
 * Handles a MOVE of a world, or of every world below a collection.
 *
 * @throws {Problem} if the whole request is refused; nothing is moved then
 */
export async function movePlain(
  context: DavContext,
  { request, target, caller }: RequestContext,
): Promise<Response> {
  const { path, isCollection } = target;
  const { locks, server: { store } } = context;
  assertCan(caller, "delete", path, "move");
  assertCan(caller, "read", path);
  const to = readPlainDestination(request);
  assertCan(caller, "write", to.path);
  const overwrite = readOverwrite(request.headers);
  await assertNoBody(request);
  const { submitted, version } = await evaluateIfHeader(request, path, caller, locks, store);
  const davRequest = { request, target, caller, submitted };
  assertPaths(target, to);
  const from = await requireSource(context, target);
  const existing = await findPlain(context, to);
  const precondition = { ...toPrecondition(version), ...parsePrecondition(request.headers) };
  const hasCondition = Object.keys(precondition).length > 0;
  if (isCollection && hasCondition) assertUnconditional(precondition, path);
  if (existing !== undefined && !overwrite) {
    throw new Problem(
      "precondition-failed",
      `Cannot MOVE ${path}: ${show(to)} exists and Overwrite is F`,
    );
  }
  const transfer: Transfer = {
    context,
    davRequest,
    move: true,
    from,
    to,
    existing,
    overwrite,
    lateReplaced: new Set<string>(),
    isPlain: true,
    moved: new Map<string, MovedWorld>(),
    ...(hasCondition && !isCollection ? { precondition } : {}),
  };
  assertLocks(transfer);
  const tree = isCollection ? await listCollection(context, davRequest, from) : [from];
  for (const { path: at } of tree) assertValidPath(destinationOf(transfer, at), "MOVE");
  const replaced = await assertMembersAllowed(transfer, tree);
  const failures = await deleteTree(context, davRequest, replaced);
  if (failures.length === 0) failures.push(...await transferAll(transfer, tree));
  return isCollection ? collectionResponse(transfer, failures) : worldResponse(transfer);
}

/** The condition on the version that the If header was compared with. */
function toPrecondition(version: IfResult["version"]): Precondition {
  if (version === undefined) return {};
  return version === "none" ? { noneMatch: "*" } : { match: [{ version }] };
}

async function assertNoBody(request: Request): Promise<void> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  const { value } = await reader.read();
  await reader.cancel();
  if (value === undefined || value.length === 0) return;
  throw new Problem("bad-body", "Cannot MOVE: the request has content; send none");
}

/** Throws if the two paths cannot be those of one move. */
function assertPaths(from: RequestTarget, to: RequestTarget): void {
  if (from.isCollection !== to.isCollection) {
    throw new Problem(
      "bad-header",
      `Cannot MOVE ${show(from)} to ${show(to)}: both paths of a collection end in a slash, and ` +
        "those of a world do not",
    );
  }
  assertNotTopLevel(from.path, "MOVE");
  if (from.isCollection) assertCollectionAllowed(to.path, "MOVE");
  else assertNotTopLevel(to.path, "MOVE");
  assertValidPath(to.path, "MOVE");
  const isInside = from.isCollection &&
    (to.path.startsWith(`${from.path}/`) || from.path.startsWith(`${to.path}/`));
  if (!isInside && from.path !== to.path) return;
  throw new Problem(
    "forbidden",
    `Cannot MOVE ${show(from)} to ${show(to)}: ${
      isInside ? "one path is inside the other" : "both paths are the same"
    }; choose another destination`,
  );
}

async function requireSource(context: DavContext, target: RequestTarget): Promise<Resource> {
  const found = await findPlain(context, target);
  if (found !== undefined) return found;
  const { path, isCollection, name } = target;
  const { store } = context.server;
  const hint = isCollection
    ? store.stat(name) === undefined ? "" : `; MOVE ${path} moves the world`
    : store.isCollection(name)
    ? `; it is a collection only, MOVE ${path}/ moves what is below it`
    : "";
  throw new Problem("not-found", `Cannot MOVE ${show(target)}: it does not exist${hint}`);
}

/** Finds a world, or a collection for a path with a slash. */
async function findPlain(
  { server: { store } }: DavContext,
  { path, name, isCollection }: RequestTarget,
): Promise<Resource | undefined> {
  if (isCollection) return store.isCollection(name) ? { path, collection: true } : undefined;
  const entry = (await findResource(store, path))?.entry;
  return entry === undefined ? undefined : { path, collection: false, entry };
}

async function listCollection(
  { server: { store }, limiter }: DavContext,
  { caller, target: { path } }: DavRequest,
  from: Resource,
): Promise<readonly Resource[]> {
  assertCanTree(caller, "read", path);
  assertCanTree(caller, "delete", path, "move");
  return await listTree(store, undefined, from, limiter, () =>
    new Problem(
      "insufficient-storage",
      `Cannot MOVE ${path}/: it has more than ${limiter.limits.members} resources; move its parts`,
    ));
}

/** A condition on a whole collection cannot be guaranteed; `If-Match: *` requires that it exists. */
function assertUnconditional(
  { match, noneMatch, unmodifiedSince }: Precondition,
  path: string,
): void {
  if (match === "*" && noneMatch === undefined && unmodifiedSince === undefined) return;
  throw new Problem(
    "precondition-failed",
    `Cannot MOVE ${path}/: a condition on a whole collection cannot be guaranteed; move its worlds ` +
      "one by one, each with its own condition",
  );
}

function worldResponse({ from, to, moved, existing, lateReplaced }: Transfer): Response {
  const done = moved.get(from.path);
  // Every failure of a single world is thrown.
  if (done === undefined) throw new Error(`${from.path} was not moved`);
  const { version, ext, sha256 } = done.result;
  const isReplaced = existing !== undefined || lateReplaced.has(to.path);
  return new Response(`{"version":${version},"ext":"${ext}"}\n`, {
    status: isReplaced ? 200 : 201,
    headers: {
      "content-type": "application/json",
      "etag": formatEtag(version, sha256, "raw"),
      "location": encodePath(to.path),
    },
  });
}

function collectionResponse(
  { to, moved, existing }: Transfer,
  failures: readonly FailedResource[],
): Response {
  const pairs = [...moved].map(([from, { path }]) => [from.slice(1), path.slice(1)]).sort();
  const failed = failures.map(({ resource: { path }, status }) => ({
    name: path.slice(1),
    status,
  }));
  const body = failed.length === 0 ? { moved: pairs } : { moved: pairs, failed };
  return new Response(`${JSON.stringify(body)}\n`, {
    status: failed.length > 0 ? 207 : existing === undefined ? 201 : 200,
    headers: { "content-type": "application/json", "location": `${encodePath(to.path)}/` },
  });
}

function show({ path, isCollection }: RequestTarget): string {
  return isCollection ? `${path}/` : path;
}
