/**
 * Worlds whose content must have a form, because the server acts on it at once. The content is
 * checked in the transaction of each change, so that every way to change a world is covered.
 */

import { decodeText } from "../../base/decode_text.ts";
import { concatBytes } from "../../base/concat_bytes.ts";
import { REVOKED_WORLD, revokedListFault } from "../revoked_list.ts";
import { QUOTA_WORLD, quotaListFault } from "../quota_list.ts";
import { StoreError } from "../store.ts";
import type { EditableWorld } from "./editable_world.ts";
import type { AppendJob, PutJob } from "./write_job.ts";

const CONTINUED =
  "the last line does not end with a line break, so that the first new line would become a part of " +
  "it; begin the content with a line break; nothing was changed";

/** By name: returns why the world must not have a content, as the end of a sentence. */
const RULES: ReadonlyMap<string, (body: Uint8Array) => string | undefined> = new Map([
  [REVOKED_WORLD, revokedListFault],
  [QUOTA_WORLD, quotaListFault],
]);

/** Whether the content of a world must have a form, so that a change of it needs all bytes. */
export function hasContentRule(name: string): boolean {
  return RULES.has(name);
}

/**
 * Throws if a world must not have a content.
 *
 * @throws {StoreError} `invalid`
 */
export function assertContent(name: string, body: Uint8Array): void {
  const error = findContentError(name, body);
  if (error !== undefined) throw error;
}

/** Returns why a world must not have the content that a job would give it. */
export function contentErrorOf(
  job: PutJob | AppendJob,
  world: Pick<EditableWorld, "body">,
): StoreError | undefined {
  if (!RULES.has(job.name)) return undefined;
  if (job.kind === "put") return findContentError(job.name, job.body);
  const before = world.body();
  const after = concatBytes([before, job.body]);
  return findContentError(job.name, after) ??
    (isLastLineContinued(before, after)
      ? new StoreError("invalid", CONTINUED, job.name)
      : undefined);
}

/** Whether an append changes the last line of a text, so that the line means something else. */
function isLastLineContinued(before: Uint8Array, after: Uint8Array): boolean {
  const text = decodeText(before) ?? "";
  const added = (decodeText(after) ?? "").slice(text.length);
  return text !== "" && !/[\r\n]$/.test(text) && added !== "" && !/^[\r\n]/.test(added);
}

function findContentError(name: string, body: Uint8Array): StoreError | undefined {
  const fault = RULES.get(name)?.(body);
  return fault === undefined
    ? undefined
    : new StoreError("invalid", `${fault}; nothing was changed`, name);
}
