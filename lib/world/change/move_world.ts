/**
 * Removals, moves and restores of worlds: what is checked, which version and time they make, and which
 * events. The engine makes the steps of one move exist together or not at all.
 */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { latestTime } from "../change_time.ts";
import { preconditionFault } from "../precondition.ts";
import { StoreError } from "../store.ts";
import { contentMovedEvent } from "./change_events.ts";
import { firstTime, type LastUse, type NewWorld } from "./create_world.ts";
import type { EditableWorld, MovedNames } from "./editable_world.ts";
import { assertWithin, otherKey } from "./write_errors.ts";
import { callerFields, currentOf, resultOf } from "./written_world.ts";
import type { JobBase, RemoveJob, RenameJob, RestoreJob, WriteResult } from "./write_job.ts";

/** A move without its kind, because an engine can split it into several jobs. */
type RenameFields = Omit<RenameJob, "kind">;

/**
 * Checks that the world of a job exists, and the precondition of the job.
 *
 * @param verb what the caller wants to do, for the error message
 * @throws {StoreError} `absent`, `precondition`
 */
export function assertSource<W extends EditableWorld>(
  { name, precondition }: Pick<JobBase, "name" | "precondition">,
  world: W | undefined,
  verb: "delete" | "move",
): W {
  if (world === undefined) {
    throw new StoreError("absent", `Cannot ${verb} the world: it does not exist`, name);
  }
  const fault = preconditionFault(precondition, currentOf(world));
  if (fault !== undefined) throw new StoreError("precondition", fault, name);
  return world;
}

/**
 * Removes a world that was checked.
 *
 * @param trash id of its trash entry
 * @param now the current time
 */
export function removeWorld(
  job: RemoveJob,
  world: EditableWorld,
  trash: string,
  now: string,
): void {
  world.markDeleted(world.timeOf(now), { trash, ...callerFields(job) });
}

/**
 * Checks that a move has two names. With one it would replace the world and then delete it.
 *
 * @throws {StoreError} `precondition`
 */
export function assertTwoNames(from: string, to: string): void {
  if (from !== to) return;
  throw new StoreError("precondition", "Cannot move the world: it has this name already", from);
}

/**
 * Checks that a world can move to another name.
 *
 * @throws {StoreError} `absent`, `precondition`, `other-key`, `over-limit`
 */
export function assertMovable<W extends EditableWorld>(
  job: Pick<JobBase, "name" | "precondition" | "maxBytes">,
  world: W | undefined,
): W {
  const source = assertSource(job, world, "move");
  if (source.hasOtherKey) throw otherKey(job.name, "move");
  assertWithin(job, source.row.len);
  return source;
}

/**
 * Checks that a move may change the world of its new name.
 *
 * @param target undefined if the name has no upper-layer world
 * @throws {StoreError} `precondition`, `other-key`
 */
export function assertTarget(
  { name, replace }: RenameFields,
  target: EditableWorld | undefined,
): void {
  if (target !== undefined && !replace) {
    throw new StoreError(
      "precondition",
      "Cannot move the world: a world with the new name exists",
      name,
    );
  }
  if (target?.hasOtherKey) throw otherKey(name, "replace");
}

/** Whether a move takes the chain to the new name; otherwise only the content moves. */
export function movesChain(
  { contentOnly }: RenameFields,
  target: EditableWorld | undefined,
): boolean {
  return target === undefined && !contentOnly;
}

/**
 * Returns the version that a move makes: higher than any of both names.
 *
 * @param source version of the source
 * @param target version of the world that is replaced, if there is one
 * @param last the last use of the new name
 */
export function movedVersion(
  source: number,
  target: number | undefined,
  last: LastUse | undefined,
): number {
  return Math.max(target ?? 0, last?.version ?? 0, source) + 1;
}

/**
 * Records a move with the chain.
 *
 * @param world the world, which has its new name already
 * @param version the version that the move makes
 * @param now the current time
 */
export function carryWorld(
  job: RenameFields,
  world: EditableWorld,
  version: number,
  last: LastUse | undefined,
  now: string,
): WriteResult {
  world.versionFloor = version - 1;
  const time = world.timeOf(firstTime(now, last));
  const names = { ...movedNames(job), from_version: world.row.version };
  world.recordMove(job.ext, time, { ...names, by: job.by });
  return { ...resultOf(world), created: true };
}

/**
 * Records in a world that its content moves, and marks it as deleted.
 *
 * @param trash id of its trash entry
 * @param now the current time
 */
export function leaveContent(
  job: RenameFields,
  source: EditableWorld,
  trash: string,
  now: string,
): void {
  const { by } = job;
  const time = source.timeOf(now);
  source.note(...contentMovedEvent(movedNames(job), source.row, by), time);
  source.markDeleted(time, { trash, by });
}

/**
 * Replaces a world with the content of another one.
 *
 * @param version the version that the move makes
 * @param now the current time
 */
export function replaceWithContent(
  job: RenameFields,
  source: EditableWorld,
  target: EditableWorld,
  version: number,
  now: string,
): WriteResult {
  const { ext, state } = job;
  const { headers } = source.row;
  target.versionFloor = version - 1;
  target.replace(
    source.body(),
    { ext, headers, state },
    target.timeOf(now),
    contentFields(job, source),
  );
  return resultOf(target);
}

/**
 * Plans the world that gets the content of another one.
 *
 * @param version the version that the move makes
 * @param last the last use of the new name
 * @param now the current time
 */
export function planMovedWorld(
  job: RenameFields,
  source: EditableWorld,
  version: number,
  last: LastUse | undefined,
  now: string,
): { readonly world: NewWorld; readonly now: string; readonly created: boolean } {
  const { name, ext, state, lower } = job;
  const body = source.body();
  const fields = contentFields(job, source);
  const eventFields = lower === undefined ? fields : { ...fields, covers: "lower" };
  const { headers } = source.row;
  return {
    world: { name, version, op: "put", body, sent: body, ext, headers, state, eventFields },
    now: latestTime(firstTime(now, last), lower?.updatedAt ?? ""),
    created: lower === undefined,
  };
}

function contentFields({ by, from }: RenameFields, source: EditableWorld) {
  return { by, moved_from: `/${from}`, from_version: source.row.version };
}

function movedNames({ from, name }: { from: string; name: string }): MovedNames {
  return { from: `/${from}`, to: `/${name}` };
}

/**
 * Checks that a name is free for a restore.
 *
 * @param isTaken returns whether the name has an upper-layer world
 * @throws {StoreError} `precondition`
 */
export function assertRestorable(
  { name, lower, precondition }: RestoreJob,
  isTaken: () => boolean,
): void {
  const fault = preconditionFault(
    precondition,
    lower === undefined ? undefined : { version: 0, ...lower },
  );
  if (fault !== undefined) throw new StoreError("precondition", fault, name);
  if (isTaken()) {
    throw new StoreError(
      "precondition",
      "Cannot restore the world: a world with the name exists",
      name,
    );
  }
}

/**
 * Checks that a world in the trash can be restored.
 *
 * @throws {StoreError} `other-key`, `over-limit`
 */
export function assertRestored(job: RestoreJob, world: EditableWorld): void {
  if (world.hasOtherKey) throw otherKey(job.from, "restore");
  assertWithin(job, world.row.len);
}

/**
 * Returns the version that a restore makes: higher than any of both names.
 *
 * @param trashed version of the world in the trash
 * @param lastUses the last uses of both names
 */
export function restoredVersion(
  { floor }: RestoreJob,
  trashed: number,
  ...lastUses: readonly (LastUse | undefined)[]
): number {
  return Math.max(floor, trashed, ...lastUses.map((last) => last?.version ?? 0)) + 1;
}

/**
 * Records a restore.
 *
 * @param world the world, which has its new name already
 * @param version the version that the restore makes
 * @param last the last use of the new name
 * @param now the current time
 * @returns the result, with the content unless it is too long for the cache
 */
export function restoreDeleted(
  job: RestoreJob,
  world: EditableWorld,
  version: number,
  last: LastUse | undefined,
  now: string,
): WriteResult {
  const { name, from, ext, state, trash, lower } = job;
  world.versionFloor = version - 1;
  const covers = lower === undefined ? {} : { covers: "lower" };
  const names = from === name ? undefined : movedNames(job);
  const eventFields = { trash, ...covers, ...callerFields(job) };
  world.recordRestore({ ext, state }, world.timeOf(firstTime(now, last)), eventFields, names);
  const { len, headers } = world.row;
  const result = { ...resultOf(world), created: lower === undefined };
  if (len > MAX_CACHE_ENTRY_BYTES) return result;
  return { ...result, content: { body: world.body(), headers } };
}

/** Adds the id of the chain to the first event, because the name can have had another chain. */
export function withChain(result: WriteResult, chain: string): WriteResult {
  const events = result.events.map((event, at) => at === 0 ? { ...event, chain } : event);
  return { ...result, events };
}
