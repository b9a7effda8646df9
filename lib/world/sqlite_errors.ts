/**
 * Turns what SQLite and the file system throw into the store's own errors, so that nobody above
 * has to know their codes. It decides nothing but the name of a failure.
 */

import { StoreError } from "./store.ts";

const SQLITE_FULL = 13;
/** The shared memory beside a file could not grow (`SQLITE_IOERR_SHMSIZE`): only space does that. */
const SQLITE_NO_SHARED_MEMORY = 10 | (19 << 8);
const NO_SPACE = /ENOSPC|EDQUOT|no space left|quota exceeded|disk is full/i;

/** The store's error for anything thrown while working on a world. */
export function toStoreError(error: unknown, world: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const full = sqliteErrorCode(error) === SQLITE_FULL ||
    extendedCode(error) === SQLITE_NO_SHARED_MEMORY || NO_SPACE.test(message);
  if (full) {
    return new StoreError("full", "Cannot write the world: no space is left on the disk", world);
  }
  return new StoreError("damaged", `Cannot use the world's file: ${message}`, world);
}

/** The primary result code of an SQLite error, or undefined. */
export function sqliteErrorCode(error: unknown): number | undefined {
  const code = extendedCode(error);
  return code === undefined ? undefined : code & 0xff;
}

function extendedCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
