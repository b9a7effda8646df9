/** What the jobs of a writer share: results, the current version for preconditions, and commits. */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { parseMeta } from "../metadata.ts";
import type { PatchBase } from "./resolve_patch.ts";
import type { PutJob, WriteResult } from "../store/worker_messages.ts";
import type { CurrentVersion } from "../precondition.ts";
import { StoreError } from "../store.ts";
import type { WorldFile } from "../file/world_file.ts";

/** Throws if the folder of a world was moved or replaced while its changes were committed. */
export function assertInPlace(file: WorldFile): void {
  if (file.isInPlace()) return;
  throw new StoreError("in-use", "Cannot use the world: its file was moved or replaced", file.name);
}

/** Returns the result of a job from the file after it. */
export function resultOf(file: WorldFile): WriteResult {
  const { version, ext, state, updatedAt, len } = file.row;
  const events = file.takeEvents();
  return { version, ext, state, updatedAt, len, sha256: file.sha256, created: false, events };
}

/** Returns the version that a precondition is compared with. */
export function currentOf(file: WorldFile): CurrentVersion {
  return {
    version: file.row.version,
    updatedAt: file.row.updatedAt,
    get sha256() {
      return file.sha256;
    },
  };
}

/** Returns the world to which an edit applies. */
export function patchBaseOf(file: WorldFile): PatchBase {
  const { version, ext, headers } = file.row;
  return { version, ext, meta: parseMeta(headers), body: file.body() };
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
