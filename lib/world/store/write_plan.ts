/**
 * What a caller's change is for a writer, and what becomes of the world in memory when the writer has
 * done it. Pure: values in, values out; nobody is asked and nothing is kept.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import type { LowerWorld, WriteJob, WriteResult } from "./worker_messages.ts";
import type { Append, Precondition, Put, Transition, World } from "../store.ts";
import type { WithoutId } from "./worker_client.ts";
import { toWorld } from "./records.ts";

/** A change on its way. */
export interface WritePlan {
  readonly job: WithoutId<Exclude<WriteJob, { kind: "remove" | "note" }>>;
  /**
   * The world after it, from the one in memory before it; `undefined` when that does not tell, and
   * the file must be read again.
   */
  readonly nextWorld: (result: WriteResult, before: World | undefined) => World | undefined;
}

/** Stages a replacement over what may lie below. */
export function planPut(change: Put, lower: World | undefined): WritePlan {
  const { name, by, body, ext, meta, precondition, state = "", facts = {} } = change;
  return {
    job: { kind: "put", name, by, body, ext, meta, state, facts, ...on(precondition, lower) },
    nextWorld: (result) => toWorld(name, { ...result, body, headers: "" }, meta),
  };
}

/** Stages an append; over a lower world its bytes come first. */
export function planAppend(change: Append, lower: World | undefined): WritePlan {
  const { name, by, body, ext, precondition, state = "" } = change;
  return {
    job: { kind: "append", name, by, body, ext, state, ...on(precondition, lower) },
    nextWorld(result, before) {
      const base = result.version === 1 ? lower : before;
      if (result.version > 1 && before?.version !== result.version - 1) return undefined;
      if (result.len > MAX_CACHE_ENTRY_BYTES) return undefined;
      const whole = base === undefined ? body : concatBytes([base.body, body]);
      return toWorld(name, { ...result, body: whole, headers: "" }, base?.meta ?? []);
    },
  };
}

/** Stages a change of the state alone. */
export function planTransition(change: Transition, lower: World | undefined): WritePlan {
  const { name, by, to, reason, precondition } = change;
  const facts = { ...(reason === undefined ? {} : { reason }), ...change.facts };
  return {
    job: { kind: "transition", name, by, to, facts, ...on(precondition, lower) },
    nextWorld: ({ state, updatedAt }, before) =>
      before === undefined ? undefined : { ...before, state, updatedAt },
  };
}

/** What a change stands on: what its caller claims to have seen, and what lies below. */
function on(
  precondition: Precondition | undefined,
  lower: World | undefined,
): { precondition?: Precondition; below?: LowerWorld } {
  const claimed = precondition === undefined ? {} : { precondition };
  if (lower === undefined) return claimed;
  const { sha256, ext, meta, body, updatedAt } = lower;
  return { ...claimed, below: { sha256, ext, meta, body, updatedAt } };
}
