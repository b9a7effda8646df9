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

import { ANONYMOUS } from "../../auth/authenticate.ts";
import { assertCan, assertCanEach, assertCanTree, canRead, isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import type { RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import { preconditionFault } from "../../world/precondition.ts";
import { initialState, type Precondition, StoreError } from "../../world/store.ts";
import { parseDavPrecondition } from "../resource/dav_etag.ts";
import type { DeadProperty } from "../properties/dead_properties.ts";
import { readDepth, readOverwrite } from "../resource/dav_headers.ts";
import { toHref } from "../resource/dav_problem.ts";
import { readDestination } from "../resource/destination.ts";
import { chooseMovedExt } from "../resource/file_extension.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import { createMultistatus, writeStatusResponse } from "../properties/multistatus.ts";
import {
  assertCollectionAllowed,
  assertNotTopLevel,
  assertParentExists,
  assertValidPath,
  keepEmptyParent,
} from "./target_checks.ts";
import {
  deleteTree,
  type FailedResource,
  listForDeletion,
  removeLocksAndProperties,
} from "./delete.ts";
import {
  findResource,
  listTree,
  notFoundProblem,
  requireFound,
  type Resource,
  type WorldResource,
} from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/** Worlds that are transferred at the same time. */
const WORLDS_PER_STEP = 16;

/** One COPY or MOVE. */
interface Transfer {
  readonly context: DavContext;
  readonly davRequest: DavRequest;
  readonly move: boolean;
  readonly from: Resource;
  readonly to: RequestTarget;
  /** The resource at the destination before the transfer. */
  readonly existing: Resource | undefined;
  readonly overwrite: boolean;
  /** Paths of the worlds that appeared at the destination during the transfer and were replaced. */
  readonly lateReplaced: Set<string>;
}

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
  assertCan(caller, "read", path);
  if (move) assertCan(caller, "delete", path);
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
  const transfer = { context, davRequest, move, from, to, existing, overwrite, lateReplaced };
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

function assertLocks({ context: { locks }, davRequest, move, from, to, existing }: Transfer): void {
  if (move) assertLockTokens(locks, davRequest, from.path, "tree");
  if (existing === undefined) assertLockTokens(locks, davRequest, to.path, "membership");
  else {
    const scope = isReplaced(from, existing) ? "content" : "tree";
    assertLockTokens(locks, davRequest, to.path, scope);
  }
}

/**
 * Whether the source becomes the next version of the existing world. If not, the existing resource
 * is deleted first.
 */
function isReplaced(from: Resource, existing: Resource): boolean {
  return !from.collection && !existing.collection;
}

/**
 * Asks the policy for every name that the transfer reads, writes or deletes.
 *
 * @returns the resources at the destination that are deleted before the transfer
 * @throws {Problem} `unauthorized`, `forbidden`; nothing is changed then
 */
async function assertMembersAllowed(
  transfer: Transfer,
  tree: readonly Resource[],
): Promise<readonly Resource[]> {
  const { context, davRequest, move, from, to, existing } = transfer;
  const { caller } = davRequest;
  const paths = tree.map(({ path }) => path);
  assertCanEach(caller, "read", paths);
  if (move) assertCanEach(caller, "delete", paths);
  assertCanEach(caller, "write", paths.map((path) => destinationOf(transfer, path)));
  if (existing === undefined) return [];
  if (!isReplaced(from, existing)) return await listForDeletion(context, davRequest, existing);
  if (move) assertCan(caller, "delete", to.path);
  return [];
}

async function transferAll(
  transfer: Transfer,
  tree: readonly Resource[],
): Promise<FailedResource[]> {
  const { context, davRequest, move, from } = transfer;
  const { store } = context.server;
  const failures: FailedResource[] = [];
  const worlds = tree.filter((found): found is WorldResource => found.entry !== undefined);
  for (let at = 0; at < worlds.length; at += WORLDS_PER_STEP) {
    const step = worlds.slice(at, at + WORLDS_PER_STEP);
    const done = await Promise.all(step.map((found) => tryTransferWorld(transfer, found)));
    failures.push(...done.filter((failure) => failure !== undefined));
  }
  for (const found of tree) {
    if (found.collection) await transferCollection(transfer, found);
  }
  if (!move) return failures;
  for (const { path, collection } of tree.toReversed()) {
    if (!collection) continue;
    await store.markCollection(path.slice(1), false);
    if (!store.isCollection(path.slice(1))) await removeLocksAndProperties(context, path);
  }
  if (failures.length === 0) context.locks.releaseAt(davRequest.target.path, true);
  await keepEmptyParent(store, from.path);
  return failures;
}

async function tryTransferWorld(
  transfer: Transfer,
  found: WorldResource,
): Promise<FailedResource | undefined> {
  try {
    await transferWorld(transfer, found);
    return undefined;
  } catch (error) {
    const problem = toStoreProblem(error, transfer.davRequest.request.method, found.path);
    if (!(problem instanceof Problem) || !transfer.from.collection) throw problem;
    return { resource: found, status: problem.status };
  }
}

async function transferWorld(transfer: Transfer, found: WorldResource): Promise<void> {
  const { context, davRequest: { caller }, move } = transfer;
  const { store } = context.server;
  const { name, layer } = found.entry;
  if (move && layer === "lower") {
    throw new Problem(
      "lower-layer",
      `Cannot MOVE ${found.path}: it is in the read-only lower layer; use COPY`,
    );
  }
  const path = destinationOf(transfer, found.path);
  const dead = await context.deadProperties.read(found);
  if (move) return await moveWorld(transfer, found, path, dead);
  const world = await store.read(name);
  if (world === undefined) throw notFoundProblem("COPY", found.path);
  const { body, ext, meta } = redactFor(caller, world);
  await replaceIfAllowed(transfer, path, async (replace) => {
    await store.put({
      name: path.slice(1),
      body,
      ext: chooseMovedExt(name, path.slice(1), ext),
      meta,
      by: caller.by,
      state: initialState(path.slice(1)),
      eventFields: { copied_from: found.path, from_version: world.version },
      ...(replace ? {} : { precondition: { noneMatch: "*" } }),
    });
  });
  await copyProperties(context, path, dead, caller.by);
}

/** Moves one world; the store changes both names and writes the events in one step. */
async function moveWorld(
  transfer: Transfer,
  found: WorldResource,
  path: string,
  dead: readonly DeadProperty[],
): Promise<void> {
  const { context, davRequest: { caller } } = transfer;
  const { store } = context.server;
  if (isRedacted(caller, found.path)) {
    throw new Problem(
      "forbidden",
      `Cannot MOVE ${found.path}: the caller sees it redacted; T3 is required`,
    );
  }
  const name = found.entry.name;
  const to = path.slice(1);
  const contentOnly = !canRename(found.path, path);
  await replaceIfAllowed(transfer, path, async (replace) => {
    // The identity of the world moves along unless it replaces one.
    const isCarried = !replace && !contentOnly && dead.length > 0 &&
      await context.deadProperties.carry(found, path, dead, caller.by);
    await store.rename({
      name,
      to,
      by: caller.by,
      ext: chooseMovedExt(name, to, found.entry.ext),
      state: initialState(to),
      replace,
      contentOnly,
    });
    if (!isCarried) await copyProperties(context, path, dead, caller.by);
  });
  await removeLocksAndProperties(context, found.path);
}

/**
 * Writes one world to its destination. If a world appeared there after the checks, it is replaced
 * with `Overwrite: T`, after the same checks for its name, and otherwise the step fails.
 *
 * @param step does it; with `replace` false it fails with `precondition` if a world is there
 */
async function replaceIfAllowed(
  transfer: Transfer,
  path: string,
  step: (replace: boolean) => Promise<void>,
): Promise<void> {
  if (!isDestinationFree(transfer)) return await step(true);
  try {
    await step(false);
  } catch (error) {
    const hasAppeared = error instanceof StoreError && error.code === "precondition";
    if (!hasAppeared || !transfer.overwrite) throw error;
    const { context: { locks }, davRequest, move } = transfer;
    assertCan(davRequest.caller, "write", path);
    if (move) assertCan(davRequest.caller, "delete", path);
    assertLockTokens(locks, davRequest, path, "content");
    await step(true);
    transfer.lateReplaced.add(path);
  }
}

/** Whether the destination does not exist, or was deleted for this transfer. */
function isDestinationFree({ from, existing }: Transfer): boolean {
  return existing === undefined || !isReplaced(from, existing);
}

/**
 * Whether a world can be renamed with its earlier versions and its chain. The callers that can read
 * it must be the same, and it must not be a plugin source, because an approval is valid for one
 * name.
 */
function canRename(from: string, to: string): boolean {
  const plugin = [from, to].some((path) => path.startsWith("/lib/"));
  return !plugin && readersOf(from) === readersOf(to);
}

/** Returns which callers can read a path: all, T3 only, or all but with redacted bytes. */
function readersOf(path: string): string {
  if (isRedacted(ANONYMOUS, path)) return "redacted";
  return canRead(ANONYMOUS, path) ? "all" : "T3";
}

async function copyProperties(
  context: DavContext,
  path: string,
  dead: readonly DeadProperty[],
  by: string,
): Promise<void> {
  const target = await findResource(context.server.store, path);
  if (target !== undefined) await context.deadProperties.replace(target, dead, by);
}

async function transferCollection(transfer: Transfer, found: Resource): Promise<void> {
  const { context, davRequest } = transfer;
  const { store } = context.server;
  const path = destinationOf(transfer, found.path);
  if (!store.isCollection(path.slice(1))) await store.markCollection(path.slice(1), true);
  if (found.entry !== undefined) return; // the world of the same name has its properties
  const dead = await context.deadProperties.read(found);
  await context.deadProperties.replace({ path, collection: true }, dead, davRequest.caller.by);
}

function destinationOf({ from, to }: Transfer, path: string): string {
  return to.path + path.slice(from.path === "/" ? 0 : from.path.length);
}
