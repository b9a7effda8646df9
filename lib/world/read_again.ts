/**
 * Reads what decides about requests again after a temporary failure, such as a database
 * that cannot be reached: otherwise a node would use what it has, or nothing, until the next change. It never
 * keeps a process running.
 */

import { StoreError, type StoreErrorCode } from "./store.ts";

/** Pause before another attempt, in milliseconds. */
export const READ_AGAIN_MS = 500;
/** Failures of a read that a later attempt need not have. */
const TEMPORARY: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "busy",
  "in-use",
  "unknown",
  "unreachable",
]);

/**
 * Reads again in a moment, if the failure is temporary.
 *
 * @param error why the last attempt failed
 * @param read the next attempt; it handles its own failure
 */
export function readAgain(error: unknown, read: () => void): void {
  if (!(error instanceof StoreError) || !TEMPORARY.has(error.code)) return;
  Deno.unrefTimer(setTimeout(read, READ_AGAIN_MS));
}
