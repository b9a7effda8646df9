/**
 * Worlds whose content must have a form, because the server acts on it at once. The writer checks the
 * content in the transaction of each change, so that every way to change a world is covered.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import type { WorldFile } from "../file/world_file.ts";
import { REVOKED_WORLD, revokedListFault } from "../revoked_list.ts";
import { StoreError } from "../store.ts";
import type { WriteJob } from "../store/worker_messages.ts";

/** By name: returns why the world must not have a content, as the end of a sentence. */
const RULES: ReadonlyMap<string, (body: Uint8Array) => string | undefined> = new Map([
  [REVOKED_WORLD, revokedListFault],
]);

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
export function contentErrorOf(job: WriteJob, file: WorldFile): StoreError | undefined {
  if (!RULES.has(job.name)) return undefined;
  if (job.kind === "put") return findContentError(job.name, job.body);
  if (job.kind !== "append") return undefined;
  return findContentError(job.name, concatBytes([file.body(), job.body]));
}

/**
 * Throws if a world must not have the content of another one.
 *
 * @param name name of the world that gets the content
 * @param open opens the file of the other one, which is closed afterwards
 * @throws {StoreError} `invalid`
 */
export function assertMovedContent(name: string, open: () => WorldFile): void {
  if (!RULES.has(name)) return;
  const source = open();
  try {
    assertContent(name, source.body());
  } finally {
    source.close();
  }
}

function findContentError(name: string, body: Uint8Array): StoreError | undefined {
  const fault = RULES.get(name)?.(body);
  return fault === undefined
    ? undefined
    : new StoreError("invalid", `${fault}; nothing was changed`, name);
}
