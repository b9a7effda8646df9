/**
 * What COPY and MOVE do after the checks of their request: locks, the policy for every name, and the
 * transfer of worlds, dead properties and collections. Shared by WebDAV and by MOVE on plain paths.
 */

import { canCarryChain } from "../../auth/carry_chain.ts";
import { assertCan, assertCanEach, isRedacted } from "../../auth/policy.ts";
import { canReadQuota } from "../../auth/quota_access.ts";
import { redactFor } from "../../auth/redact.ts";
import type { RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { QuotaError } from "../../world/quota_list.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import {
  type ChangeResult,
  initialState,
  type Precondition,
  StoreError,
} from "../../world/store.ts";
import type { DeadProperty } from "../properties/dead_properties.ts";
import { chooseMovedExt } from "../resource/file_extension.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import { keepEmptyParent } from "./target_checks.ts";
import { type FailedResource, forgetCollection, forgetWorld, listForDeletion } from "./delete.ts";
import {
  findResource,
  notFoundProblem,
  type Resource,
  type WorldResource,
} from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/** Worlds that are transferred at the same time. */
const WORLDS_PER_STEP = 16;

/** One COPY or MOVE. */
export interface Transfer {
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
  /**
   * Whether worlds and collections of one name are separate, as on plain paths. In WebDAV they are one
   * resource.
   */
  readonly isPlain?: boolean;
  /** The worlds that were moved, by their old path, with their new path. */
  readonly moved: Map<string, MovedWorld>;
  /** Condition for the world that is moved; checked in the step of the store. */
  readonly precondition?: Precondition;
}

/** A world that was moved. */
export interface MovedWorld {
  readonly path: string;
  readonly result: ChangeResult;
}

/**
 * Throws unless the request submitted the tokens of all locks that the transfer affects.
 *
 * @throws {DavProblem} `locked`
 */
export function assertLocks(
  { context: { locks }, davRequest, move, from, to, existing }: Transfer,
): void {
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
export async function assertMembersAllowed(
  transfer: Transfer,
  tree: readonly Resource[],
): Promise<readonly Resource[]> {
  const { context, davRequest, move, from, to, existing } = transfer;
  const { caller } = davRequest;
  const paths = tree.map(({ path }) => path);
  assertCanEach(caller, "read", paths);
  if (move) assertCanEach(caller, "delete", paths, "move");
  assertCanEach(caller, "write", paths.map((path) => destinationOf(transfer, path)));
  if (existing === undefined) return [];
  if (!isReplaced(from, existing)) return await listForDeletion(context, davRequest, existing);
  if (move) assertCan(caller, "delete", to.path, "replace");
  return [];
}

/**
 * Transfers all worlds and collections of a tree.
 *
 * @returns the resources that could not be transferred
 */
export async function transferAll(
  transfer: Transfer,
  tree: readonly Resource[],
): Promise<FailedResource[]> {
  const { context, davRequest, move, from, isPlain = false } = transfer;
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
    if (store.isCollection(path.slice(1)) || hasOtherWorld(transfer, { path })) continue;
    const failure = await forgetCollection(context, path);
    if (failure !== undefined) failures.push(failure);
  }
  if (failures.length === 0 && (from.collection || !isPlain)) {
    await context.locks.releaseAt(davRequest.target.path, true);
  }
  // On plain paths a collection exists while it has worlds.
  if (!isPlain) await keepEmptyParent(store, davRequest.caller, from.path);
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
    const problem = toStoreProblem(
      error,
      transfer.davRequest.request.method,
      found.path,
      (subject) => canReadQuota(transfer.davRequest.caller, subject),
    );
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
  const { context, davRequest: { caller }, moved, precondition } = transfer;
  const { store } = context.server;
  if (isRedacted(caller, found.path)) {
    throw new Problem(
      "forbidden",
      `Cannot MOVE ${found.path}: the caller sees it redacted; T3 is required`,
    );
  }
  const name = found.entry.name;
  const to = path.slice(1);
  const contentOnly = !canCarryChain(found.path, path);
  await replaceIfAllowed(transfer, path, async (replace) => {
    // The identity of the world moves along unless it replaces one.
    const isCarried = !replace && !contentOnly && dead.length > 0 &&
      await context.deadProperties.carry(found, path, dead, caller.by);
    const renamed = store.rename({
      name,
      to,
      by: caller.by,
      ext: chooseMovedExt(name, to, found.entry.ext),
      state: initialState(to),
      replace,
      contentOnly,
      ...(precondition === undefined ? {} : { precondition }),
    });
    const result = await renamed.catch(async (error) => {
      if (isCarried) await context.deadProperties.discard(path).catch(() => {}); // `error` is first
      throw error;
    });
    moved.set(found.path, { path, result });
    if (!isCarried) await copyProperties(context, path, dead, caller.by);
  });
  await forgetWorld(context, found.path);
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
    if (move) assertCan(davRequest.caller, "delete", path, "replace");
    assertLockTokens(locks, davRequest, path, "content");
    await step(true);
    transfer.lateReplaced.add(path);
  }
}

/** Whether the destination does not exist, or was deleted for this transfer. */
function isDestinationFree({ from, existing }: Transfer): boolean {
  return existing === undefined || !isReplaced(from, existing);
}

async function copyProperties(
  context: DavContext,
  path: string,
  dead: readonly DeadProperty[],
  by: string,
): Promise<void> {
  const target = await findResource(context.server.store, path);
  if (target !== undefined) await replaceProperties(context, target, dead, by);
}

/** Replaces the properties of a resource that was written. */
async function replaceProperties(
  context: DavContext,
  target: Resource,
  dead: readonly DeadProperty[],
  by: string,
): Promise<void> {
  try {
    await context.deadProperties.replace(target, dead, by);
  } catch (error) {
    const { path } = target;
    const problem = toStoreProblem(error, "PROPPATCH", path);
    // The resource is not as it was before.
    if (!(error instanceof StoreError) || !(problem instanceof Problem)) throw problem;
    const { type, headers } = problem;
    const reason = error.code === "in-use"
      ? "another process has locked them"
      : error instanceof QuotaError
      ? "a quota has no space for them"
      : "they cannot be stored now";
    const explained = new Problem(
      type,
      `Cannot write the properties of ${path}: ${reason}; ${path} itself was written, send its ` +
        "properties with PROPPATCH",
      headers,
    );
    explained.cause = error;
    throw explained;
  }
}

async function transferCollection(transfer: Transfer, found: Resource): Promise<void> {
  const { context, davRequest } = transfer;
  const { store } = context.server;
  const path = destinationOf(transfer, found.path);
  const { move, davRequest: { caller: { by } } } = transfer;
  const made = move ? { by, from: found.path.slice(1) } : { by };
  if (!store.isCollection(path.slice(1))) await store.markCollection(path.slice(1), true, made);
  // The world of the same name has its properties.
  if (found.entry !== undefined || hasOtherWorld(transfer, found)) return;
  const dead = await context.deadProperties.read(found);
  await replaceProperties(context, { path, collection: true }, dead, davRequest.caller.by);
}

/** Whether a world that is not a part of the transfer has the name of a collection. */
function hasOtherWorld(
  { isPlain = false, context }: Transfer,
  { path }: { path: string },
): boolean {
  return isPlain && context.server.store.stat(path.slice(1)) !== undefined;
}

/** Returns the path that a resource has after the transfer. */
export function destinationOf({ from, to }: Transfer, path: string): string {
  return to.path + path.slice(from.path === "/" ? 0 : from.path.length);
}
