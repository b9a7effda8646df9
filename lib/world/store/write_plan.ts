/**
 * Plans a change: the job for the writer, and a function that computes the world after the change
 * from the cached world, so that its file need not be read again. Pure.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import type {
  AppendJob,
  LowerWorld,
  PatchJob,
  PutJob,
  RestoreJob,
  TransitionJob,
  WriteResult,
} from "../change/write_job.ts";
import type { Queued, WriteJob } from "./worker_messages.ts";
import {
  type Append,
  type Patch,
  type Precondition,
  type Put,
  type Restore,
  StoreError,
  type Transition,
  type World,
} from "../store.ts";
import type { WithoutId } from "./worker_client.ts";
import { toWorld } from "./records.ts";

/** A planned change. */
export interface WritePlan {
  readonly job: PutJob | AppendJob | PatchJob | TransitionJob;
  /**
   * Computes the world after the change.
   *
   * @param before the cached world before the change
   * @returns `undefined` if the world cannot be computed and its file must be read again
   */
  readonly nextWorld: (result: WriteResult, before: World | undefined) => World | undefined;
}

/** Plans a replacement or creation. */
export function planPut(change: Put, lower: World | undefined): WritePlan {
  const { name, by, body, ext, isExtGuess, meta, state = "", eventFields = {} } = change;
  return {
    job: {
      kind: "put",
      name,
      by,
      body,
      ext,
      ...(isExtGuess === undefined ? {} : { isExtGuess }),
      meta,
      state,
      eventFields,
      ...optionalFields(change, lower),
    },
    nextWorld: (result) => toWorld(name, { ...result, body, headers: "" }, meta),
  };
}

/**
 * Plans an append; the bytes of a covered lower-layer world come first.
 *
 * @param join returns the cached content followed by the appended bytes
 */
export function planAppend(
  change: Append,
  lower: World | undefined,
  join = (body: Uint8Array<ArrayBuffer>, added: Uint8Array) => concatBytes([body, added]),
): WritePlan {
  const { name, by, body, ext, state = "" } = change;
  return {
    job: { kind: "append", name, by, body, ext, state, ...optionalFields(change, lower) },
    nextWorld(result, before) {
      const base = result.first ? lower : before;
      if (!result.first && before?.version !== result.version - 1) return undefined;
      if (result.len > MAX_CACHE_ENTRY_BYTES) return undefined;
      const joined = base === undefined ? body : join(base.body, body);
      return toWorld(name, { ...result, body: joined, headers: "" }, base?.meta ?? []);
    },
  };
}

/** Plans an edit; the writer returns the world after it. */
export function planPatch(change: Patch, lower: World | undefined): WritePlan {
  const { name, by, edit, meta, state = "" } = change;
  return {
    job: { kind: "patch", name, by, edit, meta, state, ...optionalFields(change, lower) },
    nextWorld: ({ patched, ...result }) =>
      patched === undefined
        ? undefined
        : toWorld(name, { ...result, body: patched.body, headers: "" }, patched.meta),
  };
}

/** Plans a change of the state. */
export function planTransition(change: Transition, lower: World | undefined): WritePlan {
  const { name, by, to, reason } = change;
  const eventFields = { ...(reason === undefined ? {} : { reason }), ...change.eventFields };
  return {
    job: { kind: "transition", name, by, to, eventFields, ...optionalFields(change, lower) },
    nextWorld: ({ state, updatedAt }, before) =>
      before === undefined ? undefined : { ...before, state, updatedAt },
  };
}

/** The fields of a change that a job may lack. */
interface OptionalFields {
  readonly precondition?: Precondition;
  readonly idem?: string;
  readonly maxBytes?: number;
}

/** Returns the optional fields of a job, and the lower-layer world of its name. */
function optionalFields(
  { precondition, idem, maxBytes }: OptionalFields,
  lower: World | undefined,
): OptionalFields & { lower?: LowerWorld } {
  return {
    ...(precondition === undefined ? {} : { precondition }),
    ...(idem === undefined ? {} : { idem }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(lower === undefined ? {} : { lower: toLowerWorld(lower) }),
  };
}

/** Returns what a writer needs of the lower-layer world that a change covers. */
export function toLowerWorld({ sha256, ext, meta, body, updatedAt }: World): LowerWorld {
  return { sha256, ext, meta, body, updatedAt };
}

/**
 * Plans a restore from the trash.
 *
 * @param floor version of a world that has the old name now; 0 without one
 * @param isTaken whether an upper-layer world has the new name
 * @throws {StoreError} `precondition` if a world has the new name
 */
export function planRestore(
  change: Restore,
  lower: World | undefined,
  floor: number,
  isTaken: boolean,
): WithoutId<Queued<RestoreJob>> {
  const { name, from } = change;
  // A chain that covers no lower-layer world cannot become one that does.
  if (isTaken || lower !== undefined && name !== from) {
    throw new StoreError(
      "precondition",
      "Cannot restore the world: a world with the name exists",
      name,
    );
  }
  const covered = lower === undefined ? {} : { lower: toLowerWorld(lower) };
  return { kind: "restore", ...change, ...covered, floor, lockWaitMs: 0 };
}

/** Adds to a job how long its writer waits for a lock; undefined for the usual time. */
export function withWait<J extends WithoutId<WriteJob>>(job: J, lockWaitMs: number | undefined): J {
  return lockWaitMs === undefined ? job : { ...job, lockWaitMs };
}

/** Adds to a change the longest content that it may leave, in bytes; undefined without a limit. */
export function within<C extends { readonly maxBytes?: number }>(
  change: C,
  maxBytes: number | undefined,
): C {
  return maxBytes === undefined ? change : { ...change, maxBytes };
}
