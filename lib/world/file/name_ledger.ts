/**
 * The ledger of names: what the server must remember of names that have no world. It is a SQLite
 * file in the data folder with three tables:
 *
 * - `names`: the last version and the last time of each name whose world was deleted or moved away.
 *   A new world of the name continues from there, so that a name never uses a version twice.
 * - `moves`: moves that have begun. A move changes two folders, and a crash can stop it between the
 *   two. `finishMoves` reads this table at the start of the server.
 * - `trash`: the worlds in the trash, see `trash_table.ts`; this one is derived data.
 *
 * It is not derived data: what it has of names without a world is nowhere else, except for worlds in
 * the trash. Up to version 6.0 it was in the trash; `recover` moves it.
 *
 * An entry is synced to disk before the change that it belongs to. The ledger is not read into
 * memory: it is looked up once when a world is created or opened for a change.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { LEDGER_BUSY_MS } from "../../limits.ts";
import type { LastUse } from "../change/create_world.ts";
import { fromFolderName } from "../name.ts";
import { LEDGER_FILE, pathExists, TRASH_FOLDER, tryRemove, WORLD_FILE } from "./durable_fs.ts";
import { isSame } from "./folder_identity.ts";
import { openFailure } from "./open_failure.ts";
import { readStageRow, rowsOf } from "./read_stage.ts";
import { assertRegularFiles } from "./regular_files.ts";
import { isLockError } from "../sqlite_errors.ts";
import * as sql from "./sql.ts";
import { CREATE_TRASH, HAS_TRASH } from "./trash_sql.ts";
import { TrashTable } from "./trash_table.ts";
import type { TrashRecord } from "../trash.ts";

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
  /** Whether a deleted world is restored; `from` is then {@link restoreKey}. */
  readonly restore?: true;
}

/** What a ledger records as the source of a restored world: not the name of a world. */
export function restoreKey(trash: string, name: string): string {
  return `trash/${trash}/${name}`;
}

/** The number in the column `carry` of a move that restores a deleted world. */
const RESTORE = 2;

/** The ledger of one data folder; the file is opened at first use. */
export class NameLedger {
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  #db: DatabaseSync | undefined;
  #identity: Deno.FileInfo | undefined;
  /** Whether another process had locked the ledger at the last use. */
  #isLocked = false;
  /** The worlds in the trash. */
  readonly trash = new TrashTable({
    all: (statement, ...values) => this.#use(() => this.#prepared(statement).all(...values)),
    run: (statement, ...values) => this.#run(statement, ...values),
  });

  /** @param data path of the data folder */
  constructor(readonly data: string) {
    this.#path = `${data}/${LEDGER_FILE}`;
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

  /**
   * Records the end of a world before its folder is moved. Versions and times never decrease.
   *
   * @param trashed the row of the trash, if the world moves there
   */
  recordEnd(name: string, last: LastUse, trashed?: TrashRecord): void {
    const { version, updatedAt, trash } = last;
    if (trashed === undefined) {
      return this.#run(sql.SAVE_LAST_USE, name, version, updatedAt, trash);
    }
    this.#transact(() => {
      this.#run(sql.SAVE_LAST_USE, name, version, updatedAt, trash);
      this.trash.save(trashed);
    });
  }

  /**
   * Records a move before the first folder is changed, and the end of the source's name.
   *
   * @param trashed the row of the trash, if the source moves there
   */
  beginMove(move: MoveIntent, updatedAt: string, trashed?: TrashRecord): void {
    const { from, sourceVersion, trash, restore = false } = move;
    this.#transact(() => {
      if (!restore) {
        this.#run(sql.SAVE_LAST_USE, from, sourceVersion, updatedAt, trash);
      }
      if (trashed !== undefined) this.trash.save(trashed);
      this.#saveMove(move);
    });
  }

  #saveMove(move: MoveIntent): void {
    const { from, to, carry, sourceVersion, version, by, trash, restore = false } = move;
    const kind = restore ? RESTORE : carry ? 1 : 0;
    this.#run(sql.SAVE_MOVE, from, to, kind, sourceVersion, version, by, trash);
  }

  #transact(change: () => void): void {
    this.#run("BEGIN IMMEDIATE");
    try {
      change();
      this.#run("COMMIT");
    } catch (error) {
      if (this.#db?.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Runs changes that are not synced to disk, because the next start recognizes them. */
  withoutSync(change: () => void): void {
    const db = this.#open();
    db.exec("PRAGMA synchronous = NORMAL");
    try {
      this.#transact(change);
    } finally {
      db.exec("PRAGMA synchronous = FULL");
    }
  }

  /**
   * Removes a move that is complete or undone. Not synced: a move that reappears after a power loss
   * is recognized as complete.
   */
  endMove(from: string): void {
    try {
      this.withoutSync(() => this.#run(sql.DROP_MOVE, from));
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
      ...(Number(row.carry) === RESTORE ? { restore: true as const } : {}),
      sourceVersion: Number(row.source_version),
      version: Number(row.version),
      by: String(row.by),
      trash: String(row.trash),
    }));
  }

  /**
   * Creates the ledger if it is missing or damaged, from the worlds in the trash and the moves in the
   * chains of all worlds. The worlds are read once. First moves a ledger of an earlier version here.
   *
   * @returns what was found, if the ledger was damaged, or missing in a folder with worlds; a
   * damaged file is kept with the suffix `.damaged`
   */
  recover(): string | undefined {
    this.#takeOldLedger();
    const isNew = !pathExists(this.#path);
    try {
      this.#get(sql.SELECT_MOVES);
      this.#get(sql.SELECT_LAST_USE, "");
      if (!isNew || listWorlds(this.data).next().done) return undefined;
      return "it was missing; the versions of deleted worlds that are not in the trash are unknown";
    } catch (error) {
      if (isNew || !isDamage(error)) throw error;
      this.close();
      setAside(this.#path);
      this.#open();
      return String(error);
    }
  }

  /** Takes over the ledger of an earlier version, which is in the trash. */
  #takeOldLedger(): void {
    const old = `${this.data}/${TRASH_FOLDER}/${LEDGER_FILE}`;
    if (!pathExists(old) || !Deno.lstatSync(old).isFile) return;
    let db: DatabaseSync | undefined;
    try {
      assertRegularFiles(old);
      db = new DatabaseSync(old);
      db.exec(`PRAGMA busy_timeout = ${LEDGER_BUSY_MS}`);
      // Without rows if another writer has just created it: nothing is lost then.
      if (db.prepare(sql.SELECT_LEDGER).get() !== undefined) this.#merge(db);
      db.close();
      for (const end of ["", "-wal", "-shm"]) tryRemove(`${old}${end}`);
    } catch (error) {
      if (db?.isOpen) db.close();
      if (!isDamage(error)) throw error;
      setAside(old);
    }
  }

  /** Adds what another ledger has, in one transaction. */
  #merge(other: DatabaseSync): void {
    const db = this.#open();
    db.exec("BEGIN IMMEDIATE");
    try {
      for (const { name, version, updated_at, trash } of other.prepare(sql.SELECT_USES).iterate()) {
        const known = this.lastUse(String(name));
        if (known !== undefined && known.version >= Number(version)) continue;
        const [at, id] = [String(updated_at), String(trash)];
        this.recordEnd(String(name), { version: Number(version), updatedAt: at, trash: id });
      }
      const begun = new Set(this.moves().map(({ from }) => from));
      for (const row of other.prepare(sql.SELECT_MOVES).all()) {
        const { source, target, carry, source_version, version, by, trash } = row;
        if (begun.has(String(source))) continue;
        const [numbers, texts] = [[carry, source_version, version].map(Number), [by, trash]];
        this.#run(
          sql.SAVE_MOVE,
          String(source),
          String(target),
          ...numbers,
          ...texts.map(String),
        );
      }
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Closes the file if it is open. */
  close(): void {
    this.#statements.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #open(): DatabaseSync {
    if (this.#db !== undefined && isInPlace(this.#path, this.#identity)) return this.#db;
    this.close(); // its file was deleted or replaced while the server runs
    let db: DatabaseSync | undefined;
    try {
      createPrivate(this.#path);
      db = new DatabaseSync(this.#path);
      // The two writers of a store can open the file at the same time.
      db.exec(`PRAGMA busy_timeout = ${this.#isLocked ? 0 : LEDGER_BUSY_MS}`);
      // A prepared statement, because errors of `exec` have no SQLite code (node:sqlite, Deno 2.9.6).
      db.prepare("PRAGMA journal_mode = WAL").get();
      db.exec("PRAGMA synchronous = FULL");
      if (db.prepare(sql.SELECT_LEDGER).get() === undefined) fill(db, this.data);
      if (db.prepare(HAS_TRASH).get() === undefined) db.exec(CREATE_TRASH);
      this.#identity = Deno.statSync(this.#path);
    } catch (error) {
      db?.close();
      this.#isLocked = isLockError(error);
      throw openFailure(pathExists(this.#path) ? this.#path : this.data, error);
    }
    return this.#db = db;
  }

  #get(statement: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#use(() => this.#prepared(statement).get(...values));
  }

  #run(statement: string, ...values: SQLInputValue[]): void {
    this.#use(() => this.#prepared(statement).run(...values));
  }

  /**
   * Runs a statement. While another process has locked the ledger, only the first one waits: the
   * writer must serve its other worlds.
   */
  #use<T>(action: () => T): T {
    try {
      const result = action();
      if (this.#isLocked) this.#setLocked(false);
      return result;
    } catch (error) {
      if (!this.#isLocked && isLockError(error)) this.#setLocked(true);
      throw error;
    }
  }

  #setLocked(isLocked: boolean): void {
    this.#isLocked = isLocked;
    this.#db?.exec(`PRAGMA busy_timeout = ${isLocked ? 0 : LEDGER_BUSY_MS}`);
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

/** Creates the tables and fills them, in one transaction, unless another writer has done it. */
function fill(db: DatabaseSync, data: string): void {
  db.prepare("BEGIN IMMEDIATE").run();
  if (db.prepare(sql.SELECT_LEDGER).get() === undefined) {
    db.exec(sql.CREATE_LEDGER);
    const save = db.prepare(sql.SAVE_LAST_USE);
    for (const { folder, name, trash } of listWorlds(data)) {
      for (const [used, version, updatedAt] of readUses(folder, name, trash)) {
        save.run(used, version, updatedAt, used === name ? trash : "");
      }
    }
  }
  db.prepare("COMMIT").run();
}

/** The folders of all worlds; `trash` is the id of the entry in the trash, or `""`. */
function* listWorlds(data: string): Generator<{ folder: string; name: string; trash: string }> {
  const bin = `${data}/${TRASH_FOLDER}`;
  const ids = pathExists(bin)
    ? [...Deno.readDirSync(bin)].filter((entry) => entry.isDirectory).map((entry) => entry.name)
    : [];
  for (const trash of ["", ...ids]) {
    const parent = trash === "" ? data : `${bin}/${trash}`;
    for (const entry of Deno.readDirSync(parent)) {
      const name = entry.isDirectory ? fromFolderName(entry.name) : undefined;
      if (name !== undefined) yield { folder: `${parent}/${entry.name}`, name, trash };
    }
  }
}

/**
 * Reads the names that a world had before and does not have now, with the versions that they used.
 * Empty if its file cannot be read: its versions are unknown.
 */
function readUses(folder: string, name: string, trash: string): [string, number, string][] {
  const path = `${folder}/${WORLD_FILE}`;
  let db: DatabaseSync | undefined;
  try {
    if (!Deno.lstatSync(path).isFile) return [];
    assertRegularFiles(path);
    db = new DatabaseSync(path);
    const uses = db.prepare(sql.SELECT_MOVED_FROM).all().map((row): [string, number, string] => [
      String(row.name).slice(1),
      Number(row.version),
      String(row.timestamp),
    ]);
    const row = trash === "" ? undefined : readStageRow(rowsOf(db));
    if (row !== undefined) uses.push([name, Number(row.version), String(row.updated_at)]);
    return uses;
  } catch {
    return []; // missing or damaged
  } finally {
    db?.close();
  }
}

/** Creates an empty file that only this user can read, if there is none: it has names of worlds. */
function createPrivate(path: string): void {
  if (pathExists(path)) return;
  Deno.openSync(path, { create: true, write: true, mode: 0o600 }).close();
}

/** Renames a damaged ledger, so that a new one can be created. */
function setAside(path: string): void {
  for (const end of ["-wal", "-shm", ".damaged"]) tryRemove(`${path}${end}`);
  Deno.renameSync(path, `${path}.damaged`);
}

/** Whether an error means that the file is not a ledger. */
function isDamage(error: unknown): boolean {
  const message = error instanceof Error ? error.message : "";
  return /not a database|malformed|no such (?:table|column)|has no column|unable to open/i.test(
    message,
  );
}

/** Whether a path is still a file. */
function isInPlace(path: string, identity: Deno.FileInfo | undefined): boolean {
  try {
    return identity !== undefined && isSame(Deno.statSync(path), identity);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
