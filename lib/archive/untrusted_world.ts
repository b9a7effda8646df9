/**
 * Opens a `universe.db` that somebody else made. Such a file may hold what acts when it is looked at, or
 * pretends to be a table; it is read only where it holds plain tables, and only into a fresh database
 * of our own, never put into a data folder as it is.
 */

import type { DatabaseSync } from "node:sqlite";
import { withStillFile } from "../world/file/offline_file.ts";

/** What a world's file may hold beside what SQLite keeps for itself. */
const TABLES: readonly string[] = ["stage_meta", "events", "history", "content"];
const SCHEMA = "SELECT type, name, coalesce(sql, '') AS sql FROM sqlite_schema";
/** SQLite's own tables and the indices it makes for keys. */
const INTERNAL = /^sqlite_(?:sequence|stat\d|autoindex_)/;

/** Why a file is no world. */
export class ForeignWorldRefused extends Error {
  override readonly name = "ForeignWorldRefused";
}

/**
 * Looks into one.
 *
 * @param path the file; it must not change meanwhile
 * @param scratchFolder names an empty folder for a copy, when one is needed
 * @throws {ForeignWorldRefused} when it is no database or not only plain tables, and what `look` throws
 */
export function withForeignWorld<T>(
  path: string,
  scratchFolder: () => string,
  look: (db: DatabaseSync) => T,
): T {
  return withStillFile(path, scratchFolder, (db) => {
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON");
    const fault = schemaFault(db);
    if (fault !== undefined) throw new ForeignWorldRefused(fault);
    return look(db);
  });
}

/** Says what in a database is no plain table of a world, or `undefined`. */
export function schemaFault(db: DatabaseSync): string | undefined {
  let rows: Record<string, unknown>[];
  try {
    rows = db.prepare(SCHEMA).all();
  } catch (error) {
    return `it is no database (${error instanceof Error ? error.message : String(error)})`;
  }
  for (const row of rows) {
    const [type, name, made] = [String(row.type), String(row.name), String(row.sql)];
    if (INTERNAL.test(name)) continue;
    if (type !== "table") return `it holds a ${type}`;
    if (!TABLES.includes(name)) return "it holds a table that no world has";
    if (!/^create\s+table\b/i.test(made)) return "it holds a table that is made up";
    if (/\bgenerated\s+always\b|\bas\s*\(/i.test(made)) return "it holds a column that is made up";
  }
  const names = new Set(rows.map((row) => String(row.name)));
  return names.has("stage_meta") && names.has("events")
    ? undefined
    : "it lacks the tables of a world";
}
