/**
 * Turns an edit into the replacement that it makes, from the world that is current in the transaction.
 * Pure.
 */

import { applyEdit } from "../edit/apply_edit.ts";
import { EditFault } from "../edit/edit_fault.ts";
import { isSameBytes } from "../../base/concat_bytes.ts";
import { MAX_META_TOTAL_BYTES } from "../../limits.ts";
import { mergeMeta } from "../metadata.ts";
import type { PatchJob, PutJob } from "./write_job.ts";
import type { Meta } from "../store.ts";
import { notEdited } from "./write_errors.ts";

/** What an edit applies to. */
export interface PatchBase {
  readonly version: number;
  readonly ext: string;
  readonly meta: Meta;
  readonly body: Uint8Array<ArrayBuffer>;
}

/**
 * Applies the edit of a job.
 *
 * @param base the current world
 * @param maxBytes longest result
 * @returns the job that writes the result; undefined if nothing changes and no idempotency key is to be
 * recorded
 * @throws {StoreError} `malformed`, `conflict`, `too-large`
 */
export function resolvePatch(
  { edit, meta: sent, kind: _kind, ...job }: PatchJob,
  base: PatchBase,
  maxBytes: number,
): PutJob | undefined {
  try {
    const body = applyEdit(base.body, edit, maxBytes);
    const meta = mergeMeta(base.meta, sent);
    if (meta === undefined) {
      throw new EditFault(
        "conflict",
        `the names and values of all X-Meta headers would be longer than ${MAX_META_TOTAL_BYTES} bytes`,
      );
    }
    const isSame = isSameBytes(body, base.body) &&
      JSON.stringify(meta) === JSON.stringify(base.meta);
    // The event of a request with an idempotency key is what its repetition finds.
    if (isSame && job.idem === undefined) return undefined;
    return { ...job, kind: "put", body, ext: base.ext, meta, eventFields: { op: "patch" } };
  } catch (error) {
    if (error instanceof EditFault) throw notEdited(job.name, error, base.version);
    throw error;
  }
}
