/**
 * Opens a world's file without leaving a trace, for looking at a data folder that no server holds. A
 * file at rest is looked at in memory; one with a log as a copy, because SQLite folds logs in. Opening
 * it where it lies would leave files beside it, even for reading.
 */

import { DatabaseSync } from "node:sqlite";
import { WORLD_FILE } from "./durable_fs.ts";

/** What may hold changes beside a database: a write-ahead log, or the journal of other modes. */
const LOGS = ["-wal", "-journal"] as const;
/** Offsets of the header's write and read format versions, and the one without a log (SQLite §1.3). */
const FORMAT_OFFSETS = [18, 19] as const;
const FORMAT_PLAIN = 1;
/** Ends the record of a journal that names another file (SQLite's file format, §3, super-journals). */
const SUPER_MAGIC = "d9d505f920a163d7";
/** Bytes of the end of such a record: length, checksum and the magic. */
const SUPER_END = 16;

/**
 * Calls `look` with a database that holds what the file and its log hold.
 *
 * @param path the world's file; it must not change meanwhile
 * @param scratchFolder names an empty folder for a copy, when one is needed; it is left empty
 * @throws what SQLite, the file system or `look` throws, and for a journal that names another file
 */
export function withOfflineFile<T>(
  path: string,
  scratchFolder: () => string,
  look: (db: DatabaseSync) => T,
): T {
  const logs = LOGS.filter((end) => holdsBytes(`${path}${end}`));
  if (logs.length === 0) return within(inMemory(Deno.readFileSync(path)), look);
  const scratch = scratchFolder();
  const copy = `${scratch}/${WORLD_FILE}`;
  try {
    for (const end of ["", ...logs]) Deno.copyFileSync(`${path}${end}`, `${copy}${end}`);
    if (logs.includes("-journal")) mustStandAlone(`${copy}-journal`);
    return within(new DatabaseSync(copy), look);
  } finally {
    for (const { name } of Deno.readDirSync(scratch)) Deno.removeSync(`${scratch}/${name}`);
  }
}

/** A database of a file's bytes; memory knows no log, so the header must not speak of one. */
function inMemory(bytes: Uint8Array): DatabaseSync {
  for (const offset of FORMAT_OFFSETS) {
    if (offset < bytes.length) bytes[offset] = FORMAT_PLAIN;
  }
  const db = new DatabaseSync(":memory:");
  try {
    if (bytes.length > 0) db.deserialize(bytes);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function within<T>(db: DatabaseSync, look: (db: DatabaseSync) => T): T {
  try {
    return look(db);
  } finally {
    db.close();
  }
}

/**
 * SQLite deletes the file that a journal names once it is through with it, wherever that file lies. No
 * machine writes such a journal: it takes a transaction over several attached databases.
 */
function mustStandAlone(journal: string): void {
  const bytes = Deno.readFileSync(journal);
  if (bytes.length < SUPER_END || bytes.subarray(-8).toHex() !== SUPER_MAGIC) return;
  throw new Error("its journal names another file, which SQLite would delete");
}

function holdsBytes(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
