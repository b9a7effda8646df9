/**
 * The catalog on disk: one row per world with what listings need, so that a start does not open
 * worlds that have not changed. The file is derived data. A row that does not match the size and
 * time of its world's file is discarded and read from the world again, so that a lost, incomplete
 * or old catalog costs time but never causes a wrong result.
 */

import { DatabaseSync } from "node:sqlite";
import { CATALOG_FILE, pathExists, tryRemove, WORLD_FILE } from "../file/durable_fs.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import { fromFolderName } from "../name.ts";
import type { FileStamp } from "../change/write_job.ts";
import type { CatalogRow, ScanResult } from "../store/worker_messages.ts";
import * as sql from "../file/sql.ts";

/** Names of ignored entries that are reported. */
const IGNORED_SAMPLES = 3;

/** The catalog file of a data folder; opened at first use. */
export class CatalogFile {
  #db: DatabaseSync | undefined;

  constructor(readonly data: string) {}

  /** Compares the rows with the folders on disk, by name, file size and modification time. */
  scan(): ScanResult {
    const savedRows = new Map(this.#load().map((row) => [row.name, row]));
    const rows: CatalogRow[] = [];
    const unindexed: string[] = [];
    const ignored: { count: number; samples: string[] } = { count: 0, samples: [] };
    for (const { name: folder, isDirectory } of Deno.readDirSync(this.data)) {
      if (folder.startsWith(".")) continue;
      const name = isDirectory ? fromFolderName(folder) : undefined;
      const found = name === undefined
        ? undefined
        : statWorldFile(`${this.data}/${folder}/${WORLD_FILE}`);
      if (name === undefined || found === undefined) {
        ignored.count += 1;
        if (ignored.samples.length < IGNORED_SAMPLES) ignored.samples.push(folder);
        continue;
      }
      const row = savedRows.get(name);
      const isValid = row !== undefined && row.mtime > 0 && found.mtime === row.mtime &&
        found.size === row.size && !found.hasLog && row.version > 0 && row.len >= 0;
      savedRows.delete(name);
      if (isValid) rows.push(row);
      else unindexed.push(name);
    }
    if (savedRows.size > 0) this.#dropRows([...savedRows.keys()]);
    return { rows, unindexed, ignored };
  }

  /** Drops rows of worlds that no longer exist, so that their number does not grow. */
  #dropRows(names: readonly string[]): void {
    try {
      this.save([], names);
    } catch {
      // Safe to ignore: `scan` ignores these rows, and the next start tries to drop them again.
    }
  }

  /**
   * Saves rows and drops others, in one transaction.
   *
   * @param rows rows to insert or replace
   * @param removed names of worlds whose rows are deleted
   */
  save(rows: readonly CatalogRow[], removed: readonly string[]): void {
    const db = this.#getDb();
    const put = db.prepare(sql.SAVE_ENTRY);
    const drop = db.prepare(sql.DROP_ENTRY);
    db.exec("BEGIN");
    try {
      for (const name of removed) drop.run(name);
      for (const r of rows) {
        const head = [r.by, r.head, r.headAt] as const;
        put.run(r.name, r.version, r.ext, r.len, r.state, r.updatedAt, r.mtime, r.size, ...head);
      }
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Closes the file if it is open. */
  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #load(): CatalogRow[] {
    try {
      return this.#getDb().prepare(sql.LOAD_CATALOG).all().map((row) => ({
        name: String(row.name),
        version: Number(row.version),
        ext: String(row.ext),
        len: Number(row.len),
        state: String(row.state),
        updatedAt: String(row.updated_at),
        mtime: Number(row.mtime),
        size: Number(row.size),
        by: String(row.by),
        head: Number(row.head),
        headAt: String(row.head_at),
      }));
    } catch {
      // The catalog is damaged: delete it, because all of it can be read from the worlds.
      this.close();
      for (const end of ["", "-wal", "-shm"]) tryRemove(`${this.data}/${CATALOG_FILE}${end}`);
      return [];
    }
  }

  #getDb(): DatabaseSync {
    if (this.#db !== undefined) return this.#db;
    assertRegularFiles(`${this.data}/${CATALOG_FILE}`);
    const db = new DatabaseSync(`${this.data}/${CATALOG_FILE}`);
    try {
      db.exec(sql.CREATE_CATALOG);
    } catch (error) {
      db.close();
      throw error;
    }
    return this.#db = db;
  }
}

/**
 * Returns the stamp of a world's file and whether it has a log; `undefined` if it does not exist.
 */
export function statWorldFile(path: string): FileStamp & { hasLog: boolean } | undefined {
  try {
    const { mtime, size } = Deno.statSync(path);
    return { mtime: mtime?.getTime() ?? 0, size, hasLog: pathExists(`${path}-wal`) };
  } catch (error) {
    // A symbolic link without a target is listed as a world that cannot be read.
    if (error instanceof Deno.errors.NotFound && !pathExists(path)) return undefined;
    return { mtime: 0, size: 0, hasLog: true };
  }
}
