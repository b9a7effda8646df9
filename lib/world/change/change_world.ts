/**
 * Changes of one existing world: replacements, appends, edits, states and notes. A job is checked
 * first, so that a world is changed only by jobs that succeed, and a transaction begins only for them.
 */

import { keepTextExt } from "../media_type.ts";
import { preconditionFault } from "../precondition.ts";
import { StoreError } from "../store.ts";
import { contentErrorOf } from "./content_rules.ts";
import type { EditableWorld } from "./editable_world.ts";
import { resolvePatch } from "./resolve_patch.ts";
import { assertWithin, otherKey, overLimit, tooLarge } from "./write_errors.ts";
import { callerFields, currentOf, patchBaseOf, resultOf, withPatched } from "./written_world.ts";
import type {
  AppendJob,
  NoteJob,
  PatchJob,
  PutJob,
  TransitionJob,
  WriteResult,
} from "./write_job.ts";

/** A change whose result does not depend on the world. */
export type DirectJob = PutJob | AppendJob | TransitionJob | NoteJob;
/** A job that changes one existing world. */
export type ChangeJob = DirectJob | PatchJob;

/**
 * Checks a job, and applies the edit of a patch to the world as it is now.
 *
 * @param maxWorldBytes longest content after an append or an edit
 * @returns the change; undefined if the job changes nothing; else why the world is not changed
 */
export function prepareChange(
  job: ChangeJob,
  world: EditableWorld,
  maxWorldBytes: number,
): DirectJob | StoreError | undefined {
  const fault = faultOf(job, world, maxWorldBytes);
  if (fault !== undefined) return fault;
  if (job.kind !== "patch") return job;
  try {
    const put = resolvePatch(job, patchBaseOf(world), maxWorldBytes);
    if (put === undefined) return undefined;
    assertWithin(put, put.body.length);
    return contentErrorOf(put, world) ?? put;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
}

/** Returns why a job cannot change this world, or `undefined`; called before the change. */
function faultOf(
  job: ChangeJob,
  world: EditableWorld,
  maxWorldBytes: number,
): StoreError | undefined {
  const fault = preconditionFault(job.precondition, currentOf(world));
  if (fault !== undefined) return new StoreError("precondition", fault, job.name);
  if (world.hasOtherKey) return otherKey(job.name, "change");
  if (job.kind === "put") return contentErrorOf(job, world);
  if (job.kind !== "append") return undefined;
  const len = world.row.len + job.body.length;
  if (len > maxWorldBytes) return tooLarge(job.name, len, maxWorldBytes);
  if (len > (job.maxBytes ?? len)) return overLimit(job.name, len);
  return contentErrorOf(job, world);
}

/**
 * Makes a change that {@link prepareChange} returned.
 *
 * @param queued the job from which it returned it
 * @param now the current time
 * @returns the result of the job
 */
export function makeChange(
  job: DirectJob,
  queued: ChangeJob,
  world: EditableWorld,
  now: string,
): WriteResult {
  const time = world.timeOf(now);
  switch (job.kind) {
    case "put": {
      const { body, meta, state, eventFields } = job;
      const ext = job.isExtGuess === true ? keepTextExt(world.row.ext, job.ext) : job.ext;
      const fields = { ext, headers: JSON.stringify(meta), state };
      world.replace(body, fields, time, { ...callerFields(job), ...eventFields });
      return queued.kind === "patch" ? withPatched(resultOf(world), job) : resultOf(world);
    }
    case "append":
      world.append(
        job.body,
        job.state,
        time,
        // A repeated request gets the extension again.
        job.idem === undefined ? { by: job.by } : { ext: world.row.ext, ...callerFields(job) },
      );
      break;
    case "transition":
      world.transition(job.to, time, { by: job.by, ...job.eventFields });
      break;
    case "note":
      world.note(job.type, { ...job.payload, by: job.by }, time);
      break;
  }
  return resultOf(world);
}
