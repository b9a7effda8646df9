/**
 * The ledger of names: what the server must remember of names that have no world. It is a SQLite
 * file in the trash with two tables:
 *
 * - `names`: the last version and the last time of each name whose world was deleted or moved away.
 *   A new world of the name continues from there, so that a name never uses a version twice.
 * - `moves`: moves that have begun. A move changes two folders, and a crash can stop it between the
 *   two. `finishMoves` reads this table at the start of the server.
 *
 * An entry is synced to disk before the change that it belongs to. The ledger is not read into
 * memory: it is looked up once when a world is created or opened for a change.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { LEDGER_BUSY_MS } from "../../limits.ts";
import { fromFolderName } from "../name.ts";
import { pathExists, syncFolder, TRASH_FOLDER, tryRemove, WORLD_FILE } from "./durable_fs.ts";
import * as sql from "./sql.ts";

/** File name of the ledger in the trash. */
export const LEDGER_FILE = ".names.db";

/** The last use of a name that has no world now, or had none in between. */
export interface LastUse {
  readonly version: number;
  /** RFC 3339 time of the last change of the world. */
  readonly updatedAt: string;
  /** Id of the trash entry of its world; `""` if the world was moved to another name. */
  readonly trash: string;
}

/** A move that has begun. */
export interface MoveIntent {
  readonly from: string;
  readonly to: string;
  /** Whether the folder is renamed; otherwise the bytes are copied and the source is deleted. */
  readonly carry: boolean;
  /** Version of the source before the move. */
  readonly sourceVersion: number;
  /** Version of the target after the move; the target has a lower one before it, or none. */
  readonly version: number;
  readonly by: string;
  /** Id of the trash entry of the source; `""` if the folder is renamed. */
  readonly trash: string;
}

/** The ledger of one data folder; the file is opened at first use. */
export class NameLedger {
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  #db: DatabaseSync | undefined;

  /** @param data path of the data folder */
  constructor(readonly data: string) {
    this.#path = `${data}/${TRASH_FOLDER}/${LEDGER_FILE}`;
  }

  /** Returns the last use of a name, or `undefined` if no world of this name ended. */
  lastUse(name: string): LastUse | undefined {
    if (this.#db === undefined && !pathExists(this.#path)) return undefined;
    const row = this.#get(sql.SELECT_LAST_USE, name);
    if (row === undefined) return undefined;
    return {
      version: Number(row.version),
      updatedAt: String(row.updated_at),
      trash: String(row.trash),
    };
  }

  /** Records the end of a world before its folder is moved. Versions and times never decrease. */
  recordEnd(name: string, { version, updatedAt, trash }: LastUse): void {
    this.#run(sql.SAVE_LAST_USE, name, version, updatedAt, trash);
  }

  /** Records a move before the first folder is changed, and the end of the source's name. */
  beginMove(move: MoveIntent, updatedAt: string): void {
    const { from, to, carry, sourceVersion, version, by, trash } = move;
    this.#run("BEGIN IMMEDIATE");
    try {
      this.recordEnd(from, { version: sourceVersion, updatedAt, trash });
      this.#run(sql.SAVE_MOVE, from, to, carry ? 1 : 0, sourceVersion, version, by, trash);
      this.#run("COMMIT");
    } catch (error) {
      if (this.#db?.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Removes a move that is complete or undone. Not synced: a move that reappears after a power loss
   * is recognized as complete.
   */
  endMove(from: string): void {
    try {
      const db = this.#open();
      db.exec("PRAGMA synchronous = NORMAL");
      try {
        this.#run(sql.DROP_MOVE, from);
      } finally {
        db.exec("PRAGMA synchronous = FULL");
      }
    } catch {
      // Safe to ignore: the next start recognizes that the move is complete and removes it.
    }
  }

  /** Returns the moves that have begun. */
  moves(): readonly MoveIntent[] {
    if (!pathExists(this.#path)) return [];
    return this.#prepared(sql.SELECT_MOVES).all().map((row) => ({
      from: String(row.source),
      to: String(row.target),
      carry: Number(row.carry) === 1,
      sourceVersion: Number(row.source_version),
      version: Number(row.version),
      by: String(row.by),
      trash: String(row.trash),
    }));
  }

  /**
   * Creates the ledger from the worlds in the trash if the file is missing, as after an update from
   * a version that had none. Names that were moved away are then unknown.
   */
  rebuildIfMissing(): void {
    if (pathExists(this.#path)) return;
    const trash = `${this.data}/${TRASH_FOLDER}`;
    const bins = [...Deno.readDirSync(trash)].filter(({ isDirectory }) => isDirectory);
    if (bins.length === 0) return;
    // Created by rename, because an incomplete ledger would not be rebuilt.
    const fresh = `${this.#path}.new`;
    for (const end of ["", "-journal"]) tryRemove(`${fresh}${end}`);
    const db = new DatabaseSync(fresh);
    try {
      db.exec(sql.CREATE_LEDGER);
      db.exec("BEGIN");
      const save = db.prepare(sql.SAVE_LAST_USE);
      for (const { name: id } of bins) {
        for (const { name: folder } of Deno.readDirSync(`${trash}/${id}`)) {
          const name = fromFolderName(folder);
          const found = name === undefined ? undefined : readTrashed(`${trash}/${id}/${folder}`);
          if (name === undefined || found === undefined) continue;
          save.run(name, found.version, found.updatedAt, id);
        }
      }
      db.exec("COMMIT");
    } finally {
      db.close();
    }
    Deno.renameSync(fresh, this.#path);
    syncFolder(trash);
  }

  /** Closes the file if it is open. */
  close(): void {
    this.#statements.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #open(): DatabaseSync {
    if (this.#db !== undefined) return this.#db;
    const trash = `${this.data}/${TRASH_FOLDER}`;
    // Not recursive: a data folder that is missing while the server runs was moved away.
    if (!pathExists(trash)) Deno.mkdirSync(trash, { mode: 0o700 });
    const db = new DatabaseSync(this.#path);
    try {
      // The two writers of a store can open the file at the same time.
      db.exec(`PRAGMA busy_timeout = ${LEDGER_BUSY_MS}`);
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      db.exec(sql.CREATE_LEDGER);
    } catch (error) {
      db.close();
      throw error;
    }
    return this.#db = db;
  }

  #get(statement: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepared(statement).get(...values);
  }

  #run(statement: string, ...values: SQLInputValue[]): void {
    this.#prepared(statement).run(...values);
  }

  #prepared(statement: string): StatementSync {
    const db = this.#open();
    let found = this.#statements.get(statement);
    if (found === undefined) {
      found = db.prepare(statement);
      this.#statements.set(statement, found);
    }
    return found;
  }
}

/** Reads version and time of a world in the trash; `undefined` if its file cannot be read. */
function readTrashed(folder: string): Omit<LastUse, "trash"> | undefined {
  const path = `${folder}/${WORLD_FILE}`;
  if (!pathExists(path)) return undefined;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    const row = db.prepare(sql.SELECT_ROW).get();
    if (row === undefined) return undefined;
    return { version: Number(row.version), updatedAt: String(row.updated_at) };
  } catch {
    return undefined; // a damaged world in the trash; its version is unknown
  } finally {
    db?.close();
  }
}
