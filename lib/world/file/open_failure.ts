/**
 * Finds why SQLite could not open a file: its error has no cause of the operating system. The file
 * itself is never opened here: closing it would release the locks that SQLite holds on it in this
 * process (POSIX record locks).
 */

import { sqliteErrorCode, toStoreError } from "../sqlite_errors.ts";

const SQLITE_IOERR = 10;
const SQLITE_CANTOPEN = 14;

/**
 * Returns the error of the operating system if the process has no free file handles or the disk is
 * read-only, else the error of SQLite.
 *
 * @param path path of the file that could not be opened
 * @param error what SQLite threw
 */
export function openFailure(path: string, error: unknown): unknown {
  const code = sqliteErrorCode(error);
  if (code !== SQLITE_IOERR && code !== SQLITE_CANTOPEN) return error;
  return handleFailure(path) ?? readOnlyFailure(path) ?? error;
}

/** Whether a file is on a disk that no process can write. */
export function isOnReadOnlyDisk(path: string): boolean {
  return readOnlyFailure(path) !== undefined;
}

function handleFailure(path: string): unknown {
  try {
    Deno.openSync(path.slice(0, path.lastIndexOf("/")), { read: true }).close();
  } catch (cause) {
    if (toStoreError(cause, "").code === "busy") return cause;
  }
  return undefined;
}

function readOnlyFailure(path: string): unknown {
  try {
    const { mode } = Deno.statSync(path);
    // Changes nothing; the system checks first whether the disk can be written.
    if (mode !== null && Deno.build.os !== "windows") Deno.chmodSync(path, mode & 0o7777);
  } catch (cause) {
    if (toStoreError(cause, "").code === "read-only") return cause;
  }
  return undefined;
}
