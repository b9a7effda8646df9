/**
 * Opens a `universe.db` from an untrusted source. Such a file may contain triggers, views or
 * virtual tables that run code when they are read. It is read only if it contains plain tables
 * only. Its rows are copied into a fresh database; the file itself never enters a data folder.
 */

import type { DatabaseSync } from "node:sqlite";
import { withOfflineFile } from "../world/file/offline_file.ts";

/** Tables that the file of a world may contain, in addition to those of SQLite. */
const TABLES: readonly string[] = ["stage_meta", "events", "history", "content", "pieces"];
const SCHEMA = "SELECT type, name, coalesce(sql, '') AS sql FROM sqlite_schema";
/** SQLite's own tables, and the indexes that it creates for keys. */
const INTERNAL = /^sqlite_(?:sequence|stat\d|autoindex_)/;

/** The file is not a world, or not safe to read. */
export class UntrustedWorldError extends Error {
  override readonly name = "UntrustedWorldError";
}

/**
 * Opens an untrusted file and passes its database to a function.
 *
 * @param path the file; it must not change while it is open
 * @param scratchFolder returns an empty folder for a copy, if one is needed
 * @param use receives the open database; must not keep it
 * @returns the result of `use`
 * @throws {UntrustedWorldError} if it is not a database or contains anything but plain tables
 * @throws any error of `use`
 */
export function withUntrustedWorld<T>(
  path: string,
  scratchFolder: () => string,
  use: (db: DatabaseSync) => T,
): T {
  return withOfflineFile(path, scratchFolder, (db) => {
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON");
    const fault = schemaFault(db);
    if (fault !== undefined) throw new UntrustedWorldError(fault);
    return use(db);
  });
}

/**
 * Explains why the schema of a database is not that of a world.
 *
 * @returns a clause for an error message, or undefined if the schema is valid
 */
export function schemaFault(db: DatabaseSync): string | undefined {
  let rows: Record<string, unknown>[];
  try {
    rows = db.prepare(SCHEMA).all();
  } catch (error) {
    return `it is not a database (${error instanceof Error ? error.message : String(error)})`;
  }
  for (const row of rows) {
    const [type, name, sql] = [String(row.type), String(row.name), String(row.sql)];
    if (INTERNAL.test(name)) continue;
    if (type !== "table") return `it contains a ${type}`;
    if (!TABLES.includes(name)) return "it contains a table that no world has";
    if (!/^create\s+table\b/i.test(sql)) return "it contains a virtual table";
    if (/\bgenerated\s+always\b|\bas\s*\(/i.test(sql)) return "it contains a generated column";
  }
  const names = new Set(rows.map((row) => String(row.name)));
  return names.has("stage_meta") && names.has("events")
    ? undefined
    : "it does not have the tables of a world";
}
