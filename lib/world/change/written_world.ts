/** What all jobs share: results, the current version for preconditions, and who made a change. */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { parseMeta } from "../metadata.ts";
import type { EditableWorld } from "./editable_world.ts";
import type { PatchBase } from "./resolve_patch.ts";
import type { PutJob, WriteResult } from "./write_job.ts";
import type { CurrentVersion } from "../precondition.ts";

/** Returns the result of a job from the world after it. */
export function resultOf(world: EditableWorld): WriteResult {
  const { version, ext, state, updatedAt, len } = world.row;
  const events = world.takeEvents();
  return { version, ext, state, updatedAt, len, sha256: world.sha256, created: false, events };
}

/** Returns the version that a precondition is compared with. */
export function currentOf(world: EditableWorld): CurrentVersion {
  return {
    version: world.row.version,
    updatedAt: world.row.updatedAt,
    get sha256() {
      return world.sha256;
    },
  };
}

/** Returns the world to which an edit applies. */
export function patchBaseOf(world: EditableWorld): PatchBase {
  const { version, ext, headers } = world.row;
  return { version, ext, meta: parseMeta(headers), body: world.body() };
}

/** Adds what the store caches to the result of a patch. */
export function withPatched(result: WriteResult, { body, meta }: PutJob): WriteResult {
  return body.length > MAX_CACHE_ENTRY_BYTES ? result : { ...result, patched: { body, meta } };
}

/** The fields of an event that say who made the change, and with which idempotency key. */
export function callerFields(
  { by, idem }: { readonly by: string; readonly idem?: string },
): { by: string; idem?: string } {
  return idem === undefined ? { by } : { by, idem };
}
