/**
 * Finds why SQLite could not open a file: its error has no cause of the operating system. The file
 * itself is never opened here: closing it would release the locks that SQLite holds on it in this
 * process (POSIX record locks).
 */

import { DESCRIPTORS_PER_WORLD } from "../../limits.ts";
import { isOpenError, toStoreError } from "../sqlite_errors.ts";

/**
 * Returns the error of the operating system if the process has no free file handles or the disk is
 * read-only, else the error of SQLite.
 *
 * @param path path of the file that could not be opened
 * @param error what SQLite threw
 */
export function openFailure(path: string, error: unknown): unknown {
  if (!isOpenError(error)) return error;
  return handleFailure(folderOf(path)) ?? readOnlyFailure(path) ?? error;
}

/**
 * Returns the error of the operating system if an operation failed because the process has no free
 * file handles, else the error itself.
 *
 * @param folder an existing folder
 * @param error what was thrown
 */
export function handlesFailure(folder: string, error: unknown): unknown {
  return isOpenError(error) ? handleFailure(folder) ?? error : error;
}

/** Whether a file is on a disk that no process can write. */
export function isOnReadOnlyDisk(path: string): boolean {
  return readOnlyFailure(path) !== undefined;
}

/** SQLite needs several handles at the same time, and has released those that it could open. */
function handleFailure(folder: string): unknown {
  const open: Deno.FsFile[] = [];
  try {
    // One more for the folder, which is synced after a change.
    while (open.length <= DESCRIPTORS_PER_WORLD) open.push(Deno.openSync(folder, { read: true }));
  } catch (cause) {
    if (toStoreError(cause, "").code === "busy") return cause;
  } finally {
    for (const handle of open) handle.close();
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

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
