/**
 * Runs jobs on drafts. A job that is refused changes nothing, so that the next jobs of a transaction can
 * run. Checks, versions, times and events are those of `lib/world/change`, as for the SQLite engine.
 */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { type ChangeJob, makeChange, prepareChange } from "../change/change_world.ts";
import { assertContent, hasContentRule } from "../change/content_rules.ts";
import { planCreation } from "../change/create_world.ts";
import * as steps from "../change/move_world.ts";
import { notInTrash } from "../change/write_errors.ts";
import { resultOf } from "../change/written_world.ts";
import type { RemoveJob, RenameJob, RestoreJob, WriteResult } from "../change/write_job.ts";
import { StoreError } from "../store.ts";
import type { DraftSet } from "./draft_set.ts";
import { type DraftOptions, WorldDraft } from "./world_draft.ts";

/** A job that drafts can run. */
export type DraftJob = ChangeJob | RemoveJob | RenameJob | RestoreJob;

/** What jobs need to know besides the drafts. */
export interface DraftContext extends DraftOptions {
  /** Longest content after an append or an edit, in bytes. */
  readonly maxWorldBytes: number;
  /** Returns the current time as an RFC 3339 text in UTC with milliseconds. */
  readonly now: () => string;
  /** Returns a new id for a trash entry. */
  readonly createTrashId: () => string;
  /** Returns what a world in the trash costs, in bytes. */
  readonly sizeOf: (draft: WorldDraft) => number;
}

/**
 * Runs one job. The drafts of all names of the job, with the last uses of the names, must be in the set,
 * with the bytes that `needsBody` names.
 *
 * @returns the result of the job
 * @throws {StoreError} why the job is refused
 */
export function runDraftJob(job: DraftJob, drafts: DraftSet, context: DraftContext): WriteResult {
  switch (job.kind) {
    case "remove":
      return remove(job, drafts, context);
    case "rename":
      return rename(job, drafts, context);
    case "restore":
      return restore(job, drafts, context);
    default:
      return change(job, drafts, context);
  }
}

function change(job: ChangeJob, drafts: DraftSet, context: DraftContext): WriteResult {
  const world = drafts.find(job.name);
  if (world === undefined) return create(job, drafts, context);
  const prepared = prepareChange(job, world, context.maxWorldBytes);
  if (prepared instanceof StoreError) throw prepared;
  if (prepared === undefined) return resultOf(world);
  return makeChange(prepared, job, world, context.now());
}

function create(job: ChangeJob, drafts: DraftSet, context: DraftContext): WriteResult {
  const { maxWorldBytes, now } = context;
  const lastUse = (name: string) => drafts.lastUse(name);
  const plan = planCreation(job, { maxWorldBytes, now, lastUse });
  if (!("world" in plan)) return plan;
  const draft = WorldDraft.create(plan.world, plan.now, context);
  drafts.add(draft);
  return plan.resultOf(draft, draft.takeEvents());
}

function remove(job: RemoveJob, drafts: DraftSet, context: DraftContext): WriteResult {
  const world = steps.assertSource(job, drafts.find(job.name), "delete");
  const trash = context.createTrashId();
  const trashBytes = context.sizeOf(world);
  drafts.end(world, trash);
  steps.removeWorld(job, world, trash, context.now());
  return { ...resultOf(world), trash, trashBytes };
}

function rename(job: RenameJob, drafts: DraftSet, context: DraftContext): WriteResult {
  const { name, from } = job;
  steps.assertTwoNames(from, name);
  const source = steps.assertMovable({ ...job, name: from }, drafts.find(from));
  const target = drafts.find(name);
  steps.assertTarget(job, target);
  if (hasContentRule(name)) assertContent(name, source.body());
  return steps.movesChain(job, target)
    ? carry(job, source, drafts, context)
    : moveContent(job, source, target, drafts, context);
}

function carry(
  job: RenameJob,
  world: WorldDraft,
  drafts: DraftSet,
  context: DraftContext,
): WriteResult {
  const last = drafts.lastUse(job.name);
  const version = steps.movedVersion(world.row.version, undefined, last);
  drafts.end(world, "");
  world.rename(job.name);
  drafts.add(world);
  return steps.carryWorld(job, world, version, last, context.now());
}

function moveContent(
  job: RenameJob,
  source: WorldDraft,
  target: WorldDraft | undefined,
  drafts: DraftSet,
  context: DraftContext,
): WriteResult {
  const last = drafts.lastUse(job.name);
  const version = steps.movedVersion(source.row.version, target?.row.version, last);
  const trash = context.createTrashId();
  const trashBytes = context.sizeOf(source);
  const now = context.now();
  const result = target === undefined
    ? createMoved()
    : steps.replaceWithContent(job, source, target, version, now);
  drafts.end(source, trash);
  steps.leaveContent(job, source, trash, now);
  return { ...result, trash, trashBytes, sourceEvents: source.takeEvents() };

  function createMoved(): WriteResult {
    const { world, now: time, created } = steps.planMovedWorld(job, source, version, last, now);
    const draft = WorldDraft.create(world, time, context);
    drafts.add(draft);
    return { ...resultOf(draft), created, first: true };
  }
}

function restore(job: RestoreJob, drafts: DraftSet, context: DraftContext): WriteResult {
  const { name, from, trash } = job;
  steps.assertRestorable(job, () => drafts.find(name) !== undefined);
  const world = drafts.findTrashed(trash, from);
  if (world === undefined) throw notInTrash(name);
  if (hasContentRule(name)) assertContent(name, world.body());
  steps.assertRestored(job, world);
  const last = drafts.lastUse(name);
  const version = steps.restoredVersion(job, world.row.version, last, drafts.lastUse(from));
  const trashBytes = context.sizeOf(world);
  drafts.takeTrashed(trash, from);
  world.rename(name);
  drafts.add(world);
  return { ...steps.restoreDeleted(job, world, version, last, context.now()), trashBytes };
}

/** What is known of a world before it loads the bytes. */
export interface KnownWorld {
  /** Length of the bytes. */
  readonly len: number;
  /** Whether the state of the hash after the bytes is known; else an append needs the bytes. */
  readonly hasHash: boolean;
}

/**
 * Whether a job needs the current bytes of a world. All others need their length and their hash only.
 *
 * @param world the world of the job: that of `from` for a move, that in the trash for a restore. The
 * world that a move replaces needs none
 * @param isReplacing whether the new name of a move has a world
 */
export function needsBody(
  job: DraftJob,
  { len, hasHash }: KnownWorld,
  isReplacing = false,
): boolean {
  const isChecked = hasContentRule(job.name);
  switch (job.kind) {
    case "patch":
      return true;
    case "append":
      return len > 0 && (!hasHash || isChecked);
    case "rename":
      return job.contentOnly || isReplacing || isChecked;
    case "restore":
      // The result has the content for the cache.
      return isChecked || len <= MAX_CACHE_ENTRY_BYTES;
    default:
      return false;
  }
}
