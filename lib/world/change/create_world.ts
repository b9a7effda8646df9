/**
 * The first version of a world: created by a put or an append, by an edit of the lower-layer world that
 * it covers, or by a move of a content. Pure: the engine writes what is returned here.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { sha256Hex } from "../../base/hash.ts";
import { latestTime, nextSecond } from "../change_time.ts";
import type { CommittedEvent } from "../changes.ts";
import { keepTextExt } from "../media_type.ts";
import { preconditionFault } from "../precondition.ts";
import { StoreError } from "../store.ts";
import { createdEvent, type EventContent } from "./change_events.ts";
import type { ChangeJob } from "./change_world.ts";
import { assertContent } from "./content_rules.ts";
import type { EventFields, StageRow } from "./editable_world.ts";
import { resolvePatch } from "./resolve_patch.ts";
import { assertWithin, removedOutside, tooLarge } from "./write_errors.ts";
import { callerFields, withPatched } from "./written_world.ts";
import type { AppendJob, PutJob, WriteResult } from "./write_job.ts";

/** The last use of a name that has no world now, or had none in between. */
export interface LastUse {
  readonly version: number;
  /** RFC 3339 time of the last change of the world. */
  readonly updatedAt: string;
  /** Id of the trash entry of its world; `""` if the world was moved to another name. */
  readonly trash: string;
}

/** Content of the first version of a world. */
export interface NewWorld {
  /** Canonical name, which the first event records. */
  readonly name: string;
  /** Number of the version; more than 1 if the name has had a world before. */
  readonly version: number;
  readonly op: "put" | "append";
  /** The bytes of the world. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The bytes of the request; `body` can have the bytes of a lower-layer world before them. */
  readonly sent: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  readonly headers: string;
  readonly state: string;
  readonly eventFields: EventFields;
}

/** A first version with its hash and its event. */
export interface FirstVersion {
  readonly row: StageRow;
  readonly sha256: string;
  readonly event: EventContent;
}

/** A world that a job creates. */
export interface Creation {
  readonly world: NewWorld;
  /** Its time. */
  readonly now: string;
  /** Returns the result of the job from its first version and the event. */
  readonly resultOf: (
    first: Omit<FirstVersion, "event">,
    events: readonly CommittedEvent[],
  ) => WriteResult;
}

/** What a creation needs to know besides its job. */
export interface CreationContext {
  /** Longest content after an append or an edit. */
  readonly maxWorldBytes: number;
  /** Returns the last use of the name; called after the precondition holds. */
  readonly lastUse: (name: string) => LastUse | undefined;
  /** Returns the current time. */
  readonly now: () => string;
}

/**
 * Plans the creation of a world by a job whose name has no upper-layer world.
 *
 * @returns the world to create, or the result of an edit that changes nothing
 * @throws {StoreError} why the world is not created
 */
export function planCreation(job: ChangeJob, context: CreationContext): Creation | WriteResult {
  const { name, lower, known = 0 } = job;
  const isCreating = job.kind === "put" || job.kind === "append";
  if (!isCreating && (job.kind !== "patch" || lower === undefined)) {
    throw new StoreError("absent", "Cannot change the world: it does not exist", name);
  }
  const fault = preconditionFault(
    job.precondition,
    lower === undefined ? undefined : { version: 0, ...lower },
  );
  if (fault !== undefined) throw new StoreError("precondition", fault, name);
  const last = context.lastUse(name);
  // What such a change would add to is gone.
  if (job.kind !== "put" && known > (last?.version ?? 0)) throw removedOutside(name);
  if (isCreating) return planFirst(job, last, context);
  if (job.kind !== "patch" || lower === undefined) throw removedOutside(name);
  const put = resolvePatch(job, { version: 0, ...lower }, context.maxWorldBytes);
  if (put !== undefined) {
    const creation = planFirst(put, last, context);
    return { ...creation, resultOf: (...of) => withPatched(creation.resultOf(...of), put) };
  }
  const { body: { length: len }, ext, sha256, updatedAt } = lower;
  return { version: 0, ext, sha256, state: "", updatedAt, len, created: false, events: [] };
}

function planFirst(
  job: PutJob | AppendJob,
  last: LastUse | undefined,
  { maxWorldBytes, now }: CreationContext,
): Creation {
  const { name, lower, known = 0 } = job;
  const appendBase = job.kind === "append" ? lower : undefined;
  const isGuess = job.kind === "put" && job.isExtGuess === true;
  const body = appendBase === undefined ? job.body : concatBytes([appendBase.body, job.body]);
  if (job.kind === "append" && body.length > maxWorldBytes) {
    throw tooLarge(name, body.length, maxWorldBytes);
  }
  assertWithin(job, body.length);
  assertContent(name, body);
  const eventFields = {
    ...callerFields(job),
    ...(lower === undefined ? {} : { covers: "lower" }),
    ...(job.kind === "put" ? job.eventFields : {}),
  };
  const world: NewWorld = {
    name,
    version: Math.max(last?.version ?? 0, known) + 1,
    op: job.kind,
    body,
    sent: job.body,
    ext: isGuess ? keepTextExt(lower?.ext, job.ext) : appendBase?.ext ?? job.ext,
    headers: JSON.stringify(job.kind === "put" ? job.meta : appendBase?.meta ?? []),
    state: job.state,
    eventFields,
  };
  const created = lower === undefined;
  return {
    world,
    now: latestTime(firstTime(now(), last), lower?.updatedAt ?? ""),
    resultOf: ({ row: { version, ext, state, updatedAt, len }, sha256 }, events) => (
      { version, ext, state, updatedAt, len, sha256, created, first: true, events }
    ),
  };
}

/** Returns the time of the first version of a world whose name may have had a world before. */
export function firstTime(now: string, last: LastUse | undefined): string {
  return latestTime(now, nextSecond(last?.updatedAt ?? ""));
}

/**
 * Returns the first version of a world.
 *
 * @param now RFC 3339 time of the creation
 */
export function firstVersion(
  { name, version, op, body, sent, ext, headers, state, eventFields }: NewWorld,
  now: string,
): FirstVersion {
  const sha256 = sha256Hex(body);
  const row = { version, updatedAt: now, ext, headers, state, len: body.length };
  const added = op === "append" ? sent : undefined;
  return { row, sha256, event: createdEvent(name, row, sha256, added, eventFields) };
}
