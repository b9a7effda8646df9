/**
 * Opens the file of a world without side effects, for a data folder that no server holds. A file
 * without a log is loaded into memory. A file with a log is copied first, because SQLite writes the
 * log into the file when it opens it. Opening the original, even for reading, would create files
 * next to it.
 */

import { DatabaseSync } from "node:sqlite";
import { setJournalFormat } from "../sqlite_header.ts";
import { WORLD_FILE } from "./durable_fs.ts";
import { assertRegularFiles } from "./regular_files.ts";

/** Suffixes of files that can contain changes of a database: write-ahead log, rollback journal. */
const LOGS = ["-wal", "-journal"] as const;
/** Last bytes of the record with the name of a super-journal (SQLite format §3), as hexadecimal. */
const SUPER_MAGIC = "d9d505f920a163d7";
/** Length of the end of such a record in bytes: length, checksum and magic. */
const SUPER_END = 16;

/**
 * Calls `use` with a database that has the content of the file and its log.
 *
 * @param path path of the world's file; the file must not change during the call
 * @param scratchFolder returns an empty folder, called if a copy is needed; it is empty again
 * afterwards
 * @param use receives the database, which is closed after the call
 * @returns what `use` returns
 * @throws what SQLite, the file system or `use` throws; an `Error` if the journal names another
 * file
 */
export function withOfflineFile<T>(
  path: string,
  scratchFolder: () => string,
  use: (db: DatabaseSync) => T,
): T {
  assertRegularFiles(path);
  const logs = LOGS.filter((end) => hasBytes(`${path}${end}`));
  if (logs.length === 0) return useAndClose(loadInMemory(Deno.readFileSync(path)), use);
  const scratch = scratchFolder();
  const copy = `${scratch}/${WORLD_FILE}`;
  try {
    for (const end of ["", ...logs]) Deno.copyFileSync(`${path}${end}`, `${copy}${end}`);
    if (logs.includes("-journal")) assertNoSuperJournal(`${copy}-journal`);
    return useAndClose(new DatabaseSync(copy), use);
  } finally {
    for (const { name } of Deno.readDirSync(scratch)) Deno.removeSync(`${scratch}/${name}`);
  }
}

/**
 * Loads a file into a database in memory, which has no WAL mode; the header must not require it.
 */
function loadInMemory(bytes: Uint8Array): DatabaseSync {
  setJournalFormat(bytes, "rollback");
  const db = new DatabaseSync(":memory:");
  try {
    if (bytes.length > 0) db.deserialize(bytes);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function useAndClose<T>(db: DatabaseSync, use: (db: DatabaseSync) => T): T {
  try {
    return use(db);
  } finally {
    db.close();
  }
}

/**
 * Throws if a journal names a super-journal, because SQLite would delete the named file, at any
 * path. The server never writes such a journal: it needs a transaction over several attached
 * databases.
 */
function assertNoSuperJournal(journal: string): void {
  const bytes = Deno.readFileSync(journal);
  if (bytes.length < SUPER_END || bytes.subarray(-8).toHex() !== SUPER_MAGIC) return;
  throw new Error("its journal names another file, which SQLite would delete");
}

function hasBytes(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
