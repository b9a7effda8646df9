/**
 * The reader: looks into worlds that are not in memory, without a writer having to wait. It opens
 * a file, reads one consistent state and closes it again, so that it never holds a handle while a
 * world is moved. It changes nothing.
 */

import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { setImmediate } from "node:timers";
import { sha256Hex } from "../../base/hash.ts";
import { statWorldFile } from "./catalog_file.ts";
import { MAX_IN_MEMORY_SNAPSHOT_BYTES } from "../../limits.ts";
import { pathExists, tryRemove, WORLD_FILE, writeSynced } from "../file/durable_fs.ts";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  createChainSigner,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import { sqliteErrorCode } from "../sqlite_errors.ts";
import { toFolderName } from "../name.ts";
import type {
  CatalogRow,
  FileStamp,
  ReadResult,
  SnapshotResult,
  WorkerSetup,
} from "../store/worker_messages.ts";
import { copyWorldInSteps } from "../file/copy_world.ts";
import * as sql from "../file/sql.ts";
import { type AuditResult, type ChainEvent, StoreError } from "../store.ts";
import { auditResult } from "../audit_result.ts";
import { toBytes } from "../file/world_file.ts";

const BUSY_MS = 5000;
const SQLITE_IOERR = 10;
const SQLITE_CANTOPEN = 14;
/** Events checked before the thread looks after other questions. */
const AUDIT_STEP = 500;

type Row = Record<string, unknown>;

/** Reads worlds from a data folder. */
export class Reader {
  readonly #seal: ChainSigner;

  constructor(readonly setup: Pick<WorkerSetup, "data" | "key" | "history">) {
    this.#seal = createChainSigner(setup.key);
  }

  /** The current version, or `undefined` when there is no such world. */
  read(name: string): ReadResult | undefined {
    return this.#within(name, (db) => readCurrent(db, name));
  }

  /** An earlier version, or the current one by its number. */
  readAt(name: string, version: number): ReadResult {
    const found = this.#within(
      name,
      (db) => readVersion(db, name, version, this.setup.history.versions),
    );
    if (found === undefined) {
      throw new StoreError("absent", "Cannot read a version: nothing is here", name);
    }
    return found;
  }

  /** What a listing shows of a world, from its file. */
  stat(name: string): CatalogRow | undefined {
    const path = this.#path(name);
    const before = statWorldFile(path);
    const row = this.#within(name, (db) => one(db, sql.SELECT_ROW));
    if (row === undefined) return undefined;
    const after = statWorldFile(path);
    return {
      name,
      version: Number(row.version),
      ext: String(row.ext),
      len: Number(row.len),
      state: String(row.state),
      updatedAt: String(row.updated_at),
      ...settledBetween(before, after),
    };
  }

  /** Events newest first, those with id below `before`. */
  log(name: string, before: number, limit: number): ChainEvent[] | undefined {
    return this.#within(
      name,
      (db) => db.prepare(sql.EVENTS_BEFORE).all(before, limit).map(chainEvent),
    );
  }

  /** Both checks of a world's receipt; long chains are walked a step at a time. */
  async audit(name: string): Promise<AuditResult | undefined> {
    const db = this.#open(name);
    if (db === undefined) return undefined;
    try {
      db.exec("BEGIN");
      const current = readCurrent(db, name);
      let state: ChainState = CHAIN_START;
      for (let after: SQLInputValue = sql.BEFORE_ALL_EVENTS;; after = state.lastId) {
        const rows = db.prepare(sql.EVENTS_AFTER).all(after, AUDIT_STEP);
        for (const row of rows) state = stepChain(state, toEventRow(row), this.#seal);
        if (rows.length < AUDIT_STEP) break;
        await new Promise((resume) => setImmediate(resume));
      }
      return current === undefined ? undefined : auditResult(name, current, state);
    } finally {
      db.close();
    }
  }

  /**
   * Copies a world into a file of its own: one consistent state that needs no log beside it.
   *
   * @param path where a copy goes that is too long for memory
   * @param key signs the copy's chain anew, as far as it holds
   */
  async snapshot(name: string, path: string, key?: string): Promise<SnapshotResult | undefined> {
    const from = this.#open(name);
    if (from === undefined) return undefined;
    const resign = key === undefined ? undefined : { from: this.#seal, to: createChainSigner(key) };
    const { versions } = this.setup.history;
    try {
      const copy = (to: DatabaseSync) =>
        inSteps(
          copyWorldInSteps(from, to, { versions, ...(resign === undefined ? {} : { resign }) }),
        );
      const bytes = Number(one(from, sql.FILE_SIZE)?.bytes);
      if (bytes <= MAX_IN_MEMORY_SNAPSHOT_BYTES) return await copyToMemory(copy);
      return await copyToFile(path, copy);
    } finally {
      from.close();
    }
  }

  #path(name: string): string {
    return `${this.setup.data}/${toFolderName(name)}/${WORLD_FILE}`;
  }

  #within<T>(name: string, look: (db: DatabaseSync) => T | undefined): T | undefined {
    const db = this.#open(name);
    if (db === undefined) return undefined;
    try {
      return look(db);
    } finally {
      db.close();
    }
  }

  #open(name: string): DatabaseSync | undefined {
    const path = this.#path(name);
    if (!pathExists(path)) return undefined;
    try {
      return openPresent(path, "");
    } catch (error) {
      if (!pathExists(path)) return undefined;
      const code = sqliteErrorCode(error);
      if (code !== SQLITE_IOERR && code !== SQLITE_CANTOPEN) throw error;
      return openAlone(path, error);
    }
  }
}

/** Works through steps and looks after other questions between them. */
async function inSteps<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await new Promise((resume) => setImmediate(resume));
  }
}

type Copy = (to: DatabaseSync) => Promise<number>;

async function copyToMemory(copy: Copy): Promise<SnapshotResult> {
  const to = new DatabaseSync(":memory:");
  try {
    const version = await copy(to);
    return { version, bytes: new Uint8Array(to.serialize()) };
  } finally {
    to.close();
  }
}

async function copyToFile(path: string, copy: Copy): Promise<SnapshotResult> {
  // Made first, so that nobody else can read it at any moment.
  writeSynced(path, new Uint8Array());
  try {
    const to = new DatabaseSync(path);
    try {
      // The file lives no longer than the answer; it is nothing to be kept through a crash.
      to.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
      const version = await copy(to);
      to.close();
      return { version, path, length: Deno.statSync(path).size };
    } finally {
      if (to.isOpen) to.close();
    }
  } catch (error) {
    tryRemove(path);
    throw error;
  }
}

type Look = ReturnType<typeof statWorldFile>;

/** A row may vouch for its file when nobody held that open before or after it was read. */
function settledBetween(before: Look, after: Look): FileStamp {
  const settled = before !== undefined && after !== undefined && !before.hasLog &&
    !after.hasLog && before.mtime === after.mtime && before.size === after.size;
  return settled ? { mtime: after.mtime, size: after.size } : { mtime: 0, size: 0 };
}

/** Opens a world's file, unless the world is on its way to the trash. */
function openPresent(path: string, pragmas: string): DatabaseSync | undefined {
  // Read-write, so that the last one to close tidies the log away; `query_only` keeps its hands off.
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    db.exec(`${pragmas}PRAGMA query_only = 1`);
    if (Number(one(db, sql.SELECT_DELETED_MARK)?.user_version) !== 1) return db;
  } catch (error) {
    db.close();
    throw error;
  }
  db.close();
  return undefined;
}

/**
 * Opens a file without the shared memory that SQLite wants beside it: a full disk has no room for
 * that, and reads must go on there. It shuts others out for the moment; had somebody the file open,
 * its shared memory would be there.
 *
 * @param first why the ordinary way failed, which says more than a second failure would
 */
function openAlone(path: string, first: unknown): DatabaseSync | undefined {
  try {
    return openPresent(path, "PRAGMA locking_mode = EXCLUSIVE; ");
  } catch {
    throw first;
  }
}

function readCurrent(db: DatabaseSync, name: string): ReadResult | undefined {
  const row = one(db, sql.SELECT_STAGE);
  if (row === undefined) {
    throw new StoreError("damaged", "Cannot read the world: its row is missing", name);
  }
  return result(row, toBytes(row.stage_html));
}

function readVersion(
  db: DatabaseSync,
  name: string,
  version: number,
  keep: number,
): ReadResult {
  db.exec("BEGIN");
  const current = one(db, sql.SELECT_ROW);
  const newest = Number(current?.version ?? 0);
  if (version > newest || version < 1) {
    throw new StoreError(
      "absent",
      `there is no version ${version}; the current version is ${newest}`,
      name,
    );
  }
  if (version === newest) {
    const found = readCurrent(db, name);
    if (found !== undefined) return found;
  }
  // What lies beyond the bound is dropped some writes later; for readers it is gone at once.
  const kept = version < newest - keep || one(db, sql.HAS_HISTORY) === undefined
    ? undefined
    : one(db, sql.SELECT_VERSION, version);
  if (kept === undefined) {
    throw new StoreError(
      "gone",
      `version ${version} is no longer kept; the current version is ${newest}`,
      name,
    );
  }
  const full = one(db, sql.SELECT_FULL_CONTENT, version);
  const bytes = full === undefined ? one(db, sql.SELECT_BODY)?.stage_html : full.bytes;
  return result(kept, toBytes(bytes).slice(0, Number(kept.len)));
}

function result(row: Row, body: Uint8Array<ArrayBuffer>): ReadResult {
  return {
    version: Number(row.version),
    ext: String(row.ext),
    headers: String(row.headers),
    state: String(row.state),
    updatedAt: String(row.updated_at),
    body,
    sha256: sha256Hex(body),
  };
}

function one(db: DatabaseSync, statement: string, ...values: SQLInputValue[]): Row | undefined {
  return db.prepare(statement).get(...values);
}

function chainEvent(row: Row): ChainEvent {
  const { id, timestamp, event_type, payload, hmac, prev_hmac } = toEventRow(row);
  return { id, timestamp, type: event_type, payload: readPayload(payload), hmac, prev_hmac };
}

function readPayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // an altered payload is shown as it was found; the audit names it
  }
}
