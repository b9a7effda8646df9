/**
 * COPY and MOVE (RFC 4918 §9.8, §9.9): bytes, extension, metadata and properties travel; what the
 * caller may not read does not. A world that moves to where nothing is keeps its chain and its earlier
 * versions. In place of another it becomes that one's next version, and is whole there before it goes
 * to the trash; so it is where other people may read than before, or another rule makes a world.
 */

import { ANONYMOUS } from "../../auth/authenticate.ts";
import { assertCan, canRead, isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import type { RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import { MAX_DAV_MEMBERS } from "../../limits.ts";
import { preconditionFault } from "../../world/precondition.ts";
import { initialState, type Precondition } from "../../world/store.ts";
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
import { deleteTree, type FailedResource, removeLocksAndProperties } from "./delete.ts";
import {
  findResource,
  listTree,
  notFoundProblem,
  requireFound,
  type Resource,
  type WorldResource,
} from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/** Worlds carried at a time. */
const STEP = 16;
/** Times a world is carried again when it changed on the way. */
const TRIES = 4;

/** One journey. */
interface Journey {
  readonly room: DavContext;
  readonly asked: DavRequest;
  readonly move: boolean;
  readonly from: Resource;
  readonly to: RequestTarget;
  /** What is at the destination now. */
  readonly there: Resource | undefined;
}

/**
 * Answers a COPY or a MOVE.
 *
 * @throws {Problem}
 */
export async function copyMove(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, isCollection: collection } } = asked;
  const { store } = room.server;
  const { method } = request;
  const move = method === "MOVE";
  const to = readDestination(request);
  assertCan(caller, "read", path);
  if (move) assertCan(caller, "delete", path);
  assertCan(caller, "write", to.path);
  const from = requireFound(await findResource(store, path), collection, method, path);
  const depth = readDepth(request.headers, "infinity", move ? ["infinity"] : ["0", "infinity"]);
  const overwrite = readOverwrite(request.headers);
  if (move) assertNotTopLevel(path, method);
  mustBeApart(path, to.path, method);
  if (from.collection) assertCollectionAllowed(to.path, method);
  else assertNotTopLevel(to.path, method);
  assertValidPath(to.path, method);
  await assertParentExists(store, to.path, method);
  const there = await findResource(store, to.path);
  if (there !== undefined && !overwrite) {
    throw new Problem(
      "precondition-failed",
      `Cannot ${method} ${path}: something is at ${to.path} and Overwrite is F`,
    );
  }
  mustMatch(from, parseDavPrecondition(request.headers, from.entry), method);
  const journey: Journey = { room, asked, move, from, to, there };
  mustPassLocks(journey);
  const tree = from.collection && depth === "infinity"
    ? await listTree(store, caller, from, () =>
      new Problem(
        "insufficient-storage",
        `Cannot ${method} ${path}: it holds more than ${MAX_DAV_MEMBERS} resources; go in parts`,
      ))
    // Alone, a collection is its name and its properties, and not the world it may also be.
    : [from.collection ? { path, collection: true } : from];
  for (const { path: at } of tree) assertValidPath(destinationOf(journey, at), method);
  const failures = await clear(journey);
  if (failures.length === 0) failures.push(...await carry(journey, tree));
  if (failures.length > 0) {
    return createMultistatus(
      failures.map(({ resource: { path, collection }, status }) =>
        writeStatusResponse(path, collection, status)
      ),
    );
  }
  if (there !== undefined) return new Response(null, { status: 204 });
  return new Response(null, {
    status: 201,
    headers: { location: toHref(to.path, from.collection) },
  });
}

/** Nothing goes into itself, nor in place of what it lies in. */
function mustBeApart(from: string, to: string, method: string): void {
  const inside = to === from || to.startsWith(`${from === "/" ? "" : from}/`);
  if (!inside && !from.startsWith(`${to}/`)) return;
  throw new Problem(
    "forbidden",
    `Cannot ${method} ${from} to ${to}: one is the other or lies in it; another place is needed`,
  );
}

function mustMatch({ path, entry }: Resource, demanded: Precondition | undefined, method: string) {
  const current = entry === undefined ? undefined : { ...entry, sha256: "" };
  const fault = preconditionFault(demanded, current);
  if (fault === undefined) return;
  throw new Problem("precondition-failed", `Cannot ${method} ${path}: ${fault}`);
}

function mustPassLocks({ room: { locks }, asked, move, from, to, there }: Journey): void {
  if (move) assertLockTokens(locks, asked, from.path, "tree");
  if (there === undefined) assertLockTokens(locks, asked, to.path, "membership");
  else assertLockTokens(locks, asked, to.path, isReplaced(from, there) ? "content" : "tree");
}

/** A world in place of a world is its next version; everything else is deleted first. */
function isReplaced(from: Resource, there: Resource): boolean {
  return !from.collection && !there.collection;
}

async function clear({ room, asked, move, from, to, there }: Journey): Promise<FailedResource[]> {
  if (there === undefined) return [];
  const replaced = isReplaced(from, there);
  if (!replaced || move) assertCan(asked.caller, "delete", to.path);
  return replaced ? [] : await deleteTree(room, asked, there);
}

async function carry(journey: Journey, tree: readonly Resource[]): Promise<FailedResource[]> {
  const { room, asked, move, from } = journey;
  const { store } = room.server;
  const failures: FailedResource[] = [];
  const worlds = tree.filter((found): found is WorldResource => found.entry !== undefined);
  for (let at = 0; at < worlds.length; at += STEP) {
    const step = worlds.slice(at, at + STEP);
    const done = await Promise.all(step.map((found) => carryOrSay(journey, found)));
    failures.push(...done.filter((failure) => failure !== undefined));
  }
  for (const found of tree) {
    if (found.collection) await carryCollection(journey, found);
  }
  if (!move) return failures;
  for (const { path, collection } of tree.toReversed()) {
    if (!collection) continue;
    await store.markCollection(path.slice(1), false);
    if (!store.isCollection(path.slice(1))) await removeLocksAndProperties(room, path);
  }
  if (failures.length === 0) room.locks.releaseAt(asked.target.path, true);
  await keepEmptyParent(store, from.path);
  return failures;
}

async function carryOrSay(
  journey: Journey,
  found: WorldResource,
): Promise<FailedResource | undefined> {
  try {
    await carryWorld(journey, found);
    return undefined;
  } catch (error) {
    const problem = toStoreProblem(error, journey.asked.request.method, found.path);
    if (!(problem instanceof Problem) || !journey.from.collection) throw problem;
    return { resource: found, status: problem.status };
  }
}

async function carryWorld(journey: Journey, found: WorldResource): Promise<void> {
  const { room, asked: { caller }, move } = journey;
  const { store } = room.server;
  const { name, layer } = found.entry;
  if (move && layer === "lower") {
    throw new Problem(
      "lower-layer",
      `Cannot MOVE ${found.path}: it belongs to the read-only lower layer; COPY it`,
    );
  }
  const path = destinationOf(journey, found.path);
  const dead = await room.deadProperties.read(found);
  if (move && fresh(journey) && keepsItsPast(found.path, path)) {
    const ext = chooseMovedExt(name, path.slice(1), found.entry.ext);
    await store.rename({ name, to: path.slice(1), by: caller.by, ext });
    await bringProperties(room, path, dead, caller.by);
    await removeLocksAndProperties(room, found.path);
    return;
  }
  for (let tries = 1;; tries++) {
    const world = await store.read(name);
    if (world === undefined) throw notFoundProblem(move ? "MOVE" : "COPY", found.path);
    const { body, ext, meta } = redactFor(caller, world);
    const { version } = world;
    await store.put({
      name: path.slice(1),
      body,
      ext: chooseMovedExt(name, path.slice(1), ext),
      meta,
      by: caller.by,
      state: initialState(path.slice(1)),
      facts: { [move ? "moved_from" : "copied_from"]: found.path, from_version: version },
      // Where nothing was, nothing that came meanwhile is overwritten unseen.
      ...(fresh(journey) && tries === 1 ? { precondition: { noneMatch: "*" } } : {}),
    });
    await bringProperties(room, path, dead, caller.by);
    if (!move) return;
    await store.note({ name, by: caller.by, type: "world_moved", payload: { to: path, version } });
    try {
      await store.remove({ name, by: caller.by, precondition: { match: [{ version }] } });
      await removeLocksAndProperties(room, found.path);
      return;
    } catch (error) {
      const problem = toStoreProblem(error, "MOVE", found.path);
      // It changed while it was carried: the newer bytes go too, or they would be lost.
      const changed = problem instanceof Problem && problem.status === 412;
      if (!changed || tries === TRIES) throw problem;
    }
  }
}

/** Whether nothing is at the destination, or nothing any more. */
function fresh({ from, there }: Journey): boolean {
  return there === undefined || !isReplaced(from, there);
}

/**
 * Whether a world's earlier versions and its chain may go where it goes: not from where few may read
 * to where more do, and an approval of a plugin is not for another name.
 */
function keepsItsPast(from: string, to: string): boolean {
  const plugin = [from, to].some((path) => path.startsWith("/lib/"));
  return !plugin && readership(from) === readership(to);
}

/** Who may read a path whole. */
function readership(path: string): string {
  if (isRedacted(ANONYMOUS, path)) return "some of it";
  return canRead(ANONYMOUS, path) ? "all" : "T3";
}

async function bringProperties(
  room: DavContext,
  path: string,
  dead: readonly DeadProperty[],
  by: string,
): Promise<void> {
  const arrived = await findResource(room.server.store, path);
  if (arrived !== undefined) await room.deadProperties.replace(arrived, dead, by);
}

async function carryCollection(journey: Journey, found: Resource): Promise<void> {
  const { room, asked } = journey;
  const { store } = room.server;
  const path = destinationOf(journey, found.path);
  if (!store.isCollection(path.slice(1))) await store.markCollection(path.slice(1), true);
  if (found.entry !== undefined) return; // its properties went with the world of its name
  const dead = await room.deadProperties.read(found);
  await room.deadProperties.replace({ path, collection: true }, dead, asked.caller.by);
}

function destinationOf({ from, to }: Journey, path: string): string {
  return to.path + path.slice(from.path === "/" ? 0 : from.path.length);
}
