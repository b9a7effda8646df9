/**
 * Errors of changes that are refused. They say what was found and what would be sufficient.
 */

import type { EditFault } from "../edit/edit_fault.ts";
import { StoreError } from "../store.ts";

/** The error of a change of a world whose event chain another key signed. */
export function otherKey(name: string, verb: string): StoreError {
  return new StoreError(
    "other-key",
    `Cannot ${verb} the world: another key signed its event chain; start the server with that key ` +
      "(ELASTIK_KEY, or .key of the data folder if ELASTIK_KEY is not set), or add it with elastik key add",
    name,
  );
}

/** The error of a change after which a world would have too many bytes. */
export function tooLarge(name: string, bytes: number, max: number): StoreError {
  return new StoreError(
    "too-large",
    `the world would have ${bytes} bytes; at most ${max} are allowed`,
    name,
  );
}

/** The error of a change that would leave more than its `maxBytes`. */
export function overLimit(name: string, bytes: number): StoreError {
  return new StoreError("over-limit", `the world would have ${bytes} bytes`, name, bytes);
}

/**
 * Throws if a change would leave more than it may.
 *
 * @throws {StoreError} `over-limit`
 */
export function assertWithin(job: { name: string; maxBytes?: number }, bytes: number): void {
  if (job.maxBytes !== undefined && bytes > job.maxBytes) throw overLimit(job.name, bytes);
}

/** The error of an edit that is not applied. */
export function notEdited(name: string, { kind, message }: EditFault, version: number): StoreError {
  const state = kind === "conflict" ? `; version ${version} is current` : "";
  return new StoreError(kind, `${message}${state}, nothing was changed`, name);
}

/** The error of a change of a world whose folder was removed while the server runs. */
export function removedOutside(name: string): StoreError {
  return new StoreError(
    "absent",
    "Cannot change the world: its folder was removed while the server runs",
    name,
  );
}

/** The error of a restore of a world that is not in the trash. */
export function notInTrash(name: string): StoreError {
  return new StoreError("absent", "Cannot restore the world: it is not in the trash", name);
}
