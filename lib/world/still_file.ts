/**
 * Opens a world's file without leaving a trace, for looking at a data folder that no server holds. A
 * file with a log is looked at as a copy, because SQLite folds logs in; every other one as it lies.
 */

import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { WORLD_FILE } from "./disk.ts";

/** What may hold changes beside a database: a write-ahead log, or the journal of other modes. */
const LOGS = ["-wal", "-journal"] as const;

/**
 * Calls `look` with a read-only database.
 *
 * @param path the world's file; it must not change meanwhile
 * @param scratch an empty folder for copies, which is empty again afterwards
 * @throws what SQLite, the file system or `look` throws
 */
export function withStillFile<T>(
  path: string,
  scratch: string,
  look: (db: DatabaseSync) => T,
): T {
  const logs = LOGS.filter((end) => holdsBytes(`${path}${end}`));
  if (logs.length === 0) return within(openStill(path), look);
  const copy = `${scratch}/${WORLD_FILE}`;
  try {
    for (const end of ["", ...logs]) Deno.copyFileSync(`${path}${end}`, `${copy}${end}`);
    return within(new DatabaseSync(copy), look);
  } finally {
    for (const { name } of Deno.readDirSync(scratch)) Deno.removeSync(`${scratch}/${name}`);
  }
}

function openStill(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true });
}

function within<T>(db: DatabaseSync, look: (db: DatabaseSync) => T): T {
  try {
    return look(db);
  } finally {
    db.close();
  }
}

function holdsBytes(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
