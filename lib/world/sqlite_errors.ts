/**
 * Converts errors of SQLite and of the file system to `StoreError`, so that callers of the store do
 * not depend on their codes. It chooses the code of the error and handles nothing.
 */

import { StoreError } from "./store.ts";

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_PROTOCOL = 15;
/** The shared-memory file could not grow (`SQLITE_IOERR_SHMSIZE`), because the disk is full. */
const SQLITE_NO_SHARED_MEMORY = 10 | (19 << 8);
const NO_HANDLES = /EMFILE|ENFILE|too many open files/i;
const READ_ONLY = /EROFS|read-only file system|readonly database/i;
const NO_SPACE = /ENOSPC|EDQUOT|no space left|quota exceeded|disk is full/i;

/**
 * Converts anything that was thrown during an operation on a world.
 *
 * @param world name of the world
 * @returns `error` itself if it is a `StoreError`; else an error with code `full` if the disk is
 * full, `in-use` if another process has locked the file, `read-only` if it cannot be written, `busy`
 * if the process has no free file handles, and `damaged` in all other cases
 */
export function toStoreError(error: unknown, world: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const full = sqliteErrorCode(error) === SQLITE_FULL ||
    extendedCode(error) === SQLITE_NO_SHARED_MEMORY || NO_SPACE.test(message);
  if (full) {
    return new StoreError("full", "Cannot write the world: the disk is full", world);
  }
  if (isLockError(error)) {
    return new StoreError(
      "in-use",
      "Cannot use the world: another process has locked its file",
      world,
    );
  }
  if (sqliteErrorCode(error) === SQLITE_READONLY || READ_ONLY.test(message)) {
    return new StoreError("read-only", `Cannot write the world: ${message}`, world);
  }
  if (NO_HANDLES.test(message)) {
    return new StoreError(
      "busy",
      "Cannot use the world: the server has no free file handles",
      world,
    );
  }
  return new StoreError("damaged", `Cannot use the file of the world: ${message}`, world);
}

/**
 * Whether an operation failed because another process has locked the file: a transaction, the
 * recovery of the write-ahead log, or a connection in exclusive mode.
 */
export function isLockError(error: unknown): boolean {
  const code = sqliteErrorCode(error);
  if (code === SQLITE_BUSY || code === SQLITE_LOCKED || code === SQLITE_PROTOCOL) return true;
  // Errors of `exec` have no SQLite code (node:sqlite, Deno 2.9.6).
  return code === undefined && error instanceof Error &&
    /^(?:database(?: table)? is locked|locking protocol)/.test(error.message);
}

/** Whether SQLite could not open a file, or could not read or write one that it had opened. */
export function isOpenError(error: unknown): boolean {
  const code = sqliteErrorCode(error);
  if (code !== undefined) return code === SQLITE_IOERR || code === SQLITE_CANTOPEN;
  // Errors of `exec` and of the constructor have no SQLite code (node:sqlite, Deno 2.9.6).
  return error instanceof Error &&
    /^(?:unable to open database file|disk I\/O error)/.test(error.message);
}

/** Codes of SQLite for a damaged file: `SQLITE_CORRUPT`, `SQLITE_NOTADB`. */
const DAMAGE: ReadonlySet<number> = new Set([11, 26]);
/** Extended codes for a file that was cut (`SQLITE_IOERR_SHORT_READ`) or moved (`…_DBMOVED`). */
const CUT_OR_MOVED: ReadonlySet<number> = new Set([10 | (2 << 8), 8 | (4 << 8)]);

/** Whether a file is damaged, was cut while it was open, or is not in its place any more. */
export function isDamageError(error: unknown): boolean {
  const code = sqliteErrorCode(error);
  if (code !== undefined) {
    return DAMAGE.has(code) || CUT_OR_MOVED.has(extendedCode(error) ?? 0);
  }
  // Errors of `exec` have no SQLite code (node:sqlite, Deno 2.9.6).
  return error instanceof Error &&
    /^(?:database disk image is malformed|file is not a database)/.test(error.message);
}

/** Returns the primary result code of an SQLite error; `undefined` for any other value. */
export function sqliteErrorCode(error: unknown): number | undefined {
  const code = extendedCode(error);
  return code === undefined ? undefined : code & 0xff;
}

function extendedCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
