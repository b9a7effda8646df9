/**
 * The reader: reads worlds that are not in memory, in a Worker of its own, so that writers do not
 * wait for reads. For each job it opens a file, reads one consistent state and closes the file. It
 * must not keep a file open between jobs, because the world can be moved, and it must never change
 * a world.
 */

import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { setImmediate } from "node:timers";
import { sha256Hex } from "../../base/hash.ts";
import { isSignedWithOtherKey } from "../file/chain_key.ts";
import { statWorldFile } from "./catalog_file.ts";
import { MAX_IN_MEMORY_SNAPSHOT_BYTES } from "../../limits.ts";
import { pathExists, WORLD_FILE } from "../file/durable_fs.ts";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  createChainSigner,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import { isOpenError, sqliteErrorCode, toStoreError } from "../sqlite_errors.ts";
import { toFolderName } from "../name.ts";
import { namedWorlds } from "../named_worlds.ts";
import type { FileStamp } from "../change/write_job.ts";
import type {
  CatalogRow,
  LimitedResult,
  ReadResult,
  SnapshotResult,
  WorkerSetup,
} from "../store/worker_messages.ts";
import type { ChainEvents } from "../changes.ts";
import { readChain } from "../file/read_chain.ts";
import { copyToFile, copyToMemory } from "../file/copy_target.ts";
import { copyWorldInSteps } from "../file/copy_world.ts";
import { isOnReadOnlyDisk, openFailure } from "../file/open_failure.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import * as sql from "../file/sql.ts";
import { toVersionColumns } from "../file/version_columns.ts";
import { type AuditResult, type ChainEvent, StoreError } from "../store.ts";
import { type AuditedRow, auditResult } from "../audit_result.ts";
import { readStage, readStageBody, readStageRow, rowsOf, toBytes } from "../file/read_stage.ts";

const SQLITE_READONLY = 8;
/** Events that an audit checks before other jobs can run. */
const EVENTS_PER_AUDIT_STEP = 500;

type Row = Record<string, unknown>;

/** Reads worlds from a data folder. */
export class Reader {
  readonly #sign: ChainSigner;

  constructor(readonly setup: Pick<WorkerSetup, "data" | "key" | "retiredKeys" | "history">) {
    this.#sign = createChainSigner(setup.key, setup.retiredKeys);
  }

  /**
   * Reads the current version.
   *
   * @param maxBytes longest body to read
   * @returns `undefined` if the world does not exist, `long` if its body is longer
   */
  read(name: string): ReadResult | undefined;
  read(name: string, maxBytes: number | undefined): LimitedResult | undefined;
  read(name: string, maxBytes = Infinity): LimitedResult | undefined {
    return this.#use(name, (db) => {
      db.exec("BEGIN");
      return readCurrent(db, name, maxBytes);
    });
  }

  /**
   * Reads a version by number.
   *
   * @param maxBytes longest file to search for the version
   * @returns the version; `long` if the file is longer
   * @throws {StoreError} `absent` if the world does not exist or never had the version, `gone` if
   * the version is no longer kept
   */
  readAt(name: string, version: number): ReadResult;
  readAt(name: string, version: number, maxBytes: number | undefined): LimitedResult;
  readAt(name: string, version: number, maxBytes = Infinity): LimitedResult {
    const found = this.#use<LimitedResult>(name, (db) => {
      if (maxBytes < Infinity && Number(getRow(db, sql.FILE_SIZE)?.bytes) > maxBytes) return "long";
      return readVersion(db, name, version, this.setup.history.versions);
    });
    if (found === undefined) {
      throw new StoreError(
        "absent",
        `Cannot read version ${version}: the world does not exist`,
        name,
      );
    }
    return found;
  }

  /** Reads the catalog row of a world from its file; `undefined` if the world does not exist. */
  stat(name: string): CatalogRow | undefined {
    const path = this.#path(name);
    const before = statWorldFile(path);
    let head = toHeadFields(undefined);
    let hasPieces = false;
    const row = this.#use(name, (db) => {
      db.exec("BEGIN");
      head = toHeadFields(getRow(db, sql.LAST_EVENT));
      hasPieces = getRow(db, sql.HAS_PIECES) !== undefined;
      return readStageRow(rowsOf(db));
    });
    if (row === undefined) return undefined;
    const after = statWorldFile(path);
    return {
      name,
      version: Number(row.version),
      ext: String(row.ext),
      len: Number(row.len),
      state: String(row.state),
      updatedAt: String(row.updated_at),
      ...head,
      // Without a stamp the next start reads it again, so that its pieces are folded sometime.
      ...(hasPieces ? { mtime: 0, size: 0, hasPieces } : reliableStamp(before, after)),
    };
  }

  /** Whether another key signed the chain of a world; false if its file cannot be read. */
  hasOtherKey(name: string): boolean {
    try {
      return this.#use(name, (db) =>
        isSignedWithOtherKey(
          (statement, ...values) => db.prepare(statement).all(...values),
          this.#sign,
        )) ?? false;
    } catch {
      return false; // a damaged world, which every access reports
    }
  }

  /** Reads at most `limit` events with an id below `before`, newest first. */
  log(name: string, before: number, limit: number): ChainEvent[] | undefined {
    return this.#use(
      name,
      (db) => db.prepare(sql.EVENTS_BEFORE).all(before, limit).map(toChainEvent),
    );
  }

  /**
   * Reads at most `limit` events after an id, oldest first, for the change index; also of a deleted
   * world that is still in its place, because the server stopped before it was moved to the trash.
   */
  chain(name: string, after: number, limit: number): ChainEvents | undefined {
    const opened = this.#openFile(name);
    if (opened === undefined) return undefined;
    const { db, isDeleted } = opened;
    try {
      const found = readChain(db, name, after, limit);
      return isDeleted ? { ...found, ended: true } : found;
    } finally {
      db.close();
    }
  }

  /**
   * Audits a world; other jobs can run between two steps of a long chain.
   *
   * @param signal stops the audit between two steps
   * @returns undefined if the world does not exist
   * @throws {StoreError} `busy` if the signal is aborted
   */
  async audit(name: string, signal?: AbortSignal): Promise<AuditResult | undefined> {
    const db = this.#open(name);
    if (db === undefined) return undefined;
    try {
      db.exec("BEGIN");
      const current = readAuditedRow(db, name);
      let state: ChainState = CHAIN_START;
      for (let after: SQLInputValue = sql.BEFORE_ALL_EVENTS;; after = state.lastId) {
        const rows = db.prepare(sql.EVENTS_AFTER).all(after, EVENTS_PER_AUDIT_STEP);
        for (const row of rows) state = stepChain(state, toEventRow(row), this.#sign);
        if (rows.length < EVENTS_PER_AUDIT_STEP) break;
        await nextStep(signal);
      }
      return auditResult(name, current, state);
    } finally {
      db.close();
    }
  }

  /**
   * Copies a world: one consistent state in one file, without a log.
   *
   * @param path path of the file for a copy that is longer than `MAX_IN_MEMORY_SNAPSHOT_BYTES`
   * @param key signs the valid events of the copy; if absent, their HMACs are kept
   * @param signal stops the copy between two steps
   * @returns the copy, or `undefined` if the world does not exist
   * @throws {StoreError} `busy` if the signal is aborted
   */
  async snapshot(
    name: string,
    path: string,
    key?: string,
    signal?: AbortSignal,
  ): Promise<SnapshotResult | undefined> {
    const from = this.#open(name);
    if (from === undefined) return undefined;
    const signers = key === undefined
      ? undefined
      : { from: this.#sign, to: createChainSigner(key) };
    const { versions } = this.setup.history;
    try {
      const named = new Set<string>();
      const onPayload = (payload: string) =>
        namedWorlds(payload).forEach((path) => named.add(path));
      const options = { versions, onPayload, ...(signers === undefined ? {} : { signers }) };
      const copy = async (to: DatabaseSync) => {
        const version = await runSteps(copyWorldInSteps(from, to, options), signal);
        return { version, named: [...named] };
      };
      const bytes = Number(getRow(from, sql.FILE_SIZE)?.bytes);
      if (bytes <= MAX_IN_MEMORY_SNAPSHOT_BYTES) return await copyToMemory(copy);
      return await copyToFile(path, copy);
    } finally {
      from.close();
    }
  }

  #path(name: string): string {
    return `${this.setup.data}/${toFolderName(name)}/${WORLD_FILE}`;
  }

  #use<T>(name: string, use: (db: DatabaseSync) => T | undefined): T | undefined {
    const db = this.#open(name);
    if (db === undefined) return undefined;
    try {
      return use(db);
    } finally {
      db.close();
    }
  }

  #open(name: string): DatabaseSync | undefined {
    const { db, isDeleted = false } = this.#openFile(name) ?? {};
    if (!isDeleted) return db;
    db?.close();
    return undefined;
  }

  #openFile(name: string): OpenedFile | undefined {
    const path = this.#path(name);
    if (!pathExists(path)) return undefined;
    try {
      return openFile(path, "");
    } catch (error) {
      if (!pathExists(path)) return undefined;
      if (!isOpenError(error) && sqliteErrorCode(error) !== SQLITE_READONLY) throw error;
      if (isOnReadOnlyDisk(path)) return openImmutable(path);
      return openExclusively(path, error);
    }
  }
}

/** Runs a generator to its end; other jobs can run between two steps. */
async function runSteps<T>(steps: Generator<void, T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await nextStep(signal);
  }
}

/** Lets other jobs run. @throws {StoreError} `busy` if the job was stopped in the meantime */
async function nextStep(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resume) => setImmediate(resume));
  if (signal?.aborted) throw new StoreError("busy", "Cannot complete the job: it was stopped");
}

type WorldFileStat = ReturnType<typeof statWorldFile>;

/**
 * Returns the file's stamp if no log existed before or after the read and the file is unchanged.
 */
function reliableStamp(before: WorldFileStat, after: WorldFileStat): FileStamp {
  const reliable = before !== undefined && after !== undefined && !before.hasLog &&
    !after.hasLog && before.mtime === after.mtime && before.size === after.size;
  return reliable ? { mtime: after.mtime, size: after.size } : { mtime: 0, size: 0 };
}

/** An open file of a world, and whether the world is marked as deleted. */
interface OpenedFile {
  readonly db: DatabaseSync;
  readonly isDeleted: boolean;
}

/** Opens a world's file. */
function openFile(
  path: string,
  pragmas: string,
  options: { readOnly?: boolean } = {},
): OpenedFile {
  // Opened for writing, so that the last connection removes the log when it closes; `query_only`
  // prevents changes. No waiting for locks: the store tries again later (lock_waits.ts).
  assertRegularFiles(path);
  const db = new DatabaseSync(path, { timeout: 0, ...options });
  try {
    db.exec(`${pragmas}PRAGMA query_only = 1`);
    return { db, isDeleted: Number(getRow(db, sql.SELECT_DELETED_MARK)?.user_version) === 1 };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Opens a file in exclusive locking mode, which needs no shared-memory file. SQLite cannot create
 * that file on a full disk, where reads must still work. No other connection is excluded: with an
 * open connection the shared-memory file would exist and the first attempt would have succeeded.
 *
 * @param first error of the first attempt; thrown if this attempt fails too, because it is more
 * precise
 */
function openExclusively(path: string, first: unknown): OpenedFile {
  try {
    return openFile(path, "PRAGMA locking_mode = EXCLUSIVE; ");
  } catch (error) {
    // Another process opens or closes the file at this moment.
    if (toStoreError(error, "").code === "in-use") throw error;
    throw openFailure(path, first);
  }
}

/** Reads the row without its bytes, so that an audit of a long chain does not hold them. */
function readAuditedRow(db: DatabaseSync, name: string): AuditedRow {
  const { version, ext, headers, state, sha256 } = readCurrent(db, name);
  return { version, ext, headers, state, sha256 };
}

/**
 * Opens a file on a read-only disk. SQLite opens a file in WAL mode only if it can write, or if the
 * file is declared immutable, which is true for a disk that no process can write. A file with
 * changes in its log cannot be read until the disk is writable.
 */
function openImmutable(path: string): OpenedFile {
  if (statWorldFile(`${path}-wal`)?.size) {
    throw new StoreError(
      "read-only",
      "Cannot read the world: its newest changes are in a log on a read-only disk",
    );
  }
  const uri = `file:${path.split("/").map(encodeURIComponent).join("/")}?immutable=1`;
  return openFile(uri, "", { readOnly: true });
}

function readCurrent(db: DatabaseSync, name: string): ReadResult;
function readCurrent(db: DatabaseSync, name: string, maxBytes: number): LimitedResult;
function readCurrent(db: DatabaseSync, name: string, maxBytes = Infinity): LimitedResult {
  const row = readStage(rowsOf(db), maxBytes);
  if (row === "long") return "long";
  if (row === undefined) {
    throw new StoreError("damaged", "Cannot read the world: its file has no row", name);
  }
  return toReadResult(row, toBytes(row.stage_html));
}

function readVersion(
  db: DatabaseSync,
  name: string,
  version: number,
  keep: number,
): ReadResult {
  db.exec("BEGIN");
  const current = readStageRow(rowsOf(db));
  const newest = Number(current?.version ?? 0);
  if (version > newest || version < 1) {
    throw new StoreError(
      "absent",
      `there is no version ${version}; the current version is ${newest}`,
      name,
    );
  }
  if (version === newest) return readCurrent(db, name);
  // Versions beyond the limit are dropped some writes later, but reads treat them as gone at once.
  const kept = getRow(db, sql.HAS_HISTORY) === undefined ||
      Number(getRow(db, sql.COUNT_VERSIONS_AFTER, version)?.versions) >= keep
    ? undefined
    : getRow(db, sql.SELECT_VERSION, version);
  if (kept === undefined) {
    throw new StoreError(
      "gone",
      `version ${version} is no longer kept; the current version is ${newest}`,
      name,
    );
  }
  const full = getRow(db, sql.SELECT_FULL_CONTENT, version);
  const bytes = full === undefined ? readStageBody(rowsOf(db)) : toBytes(full.bytes);
  return toReadResult(kept, bytes.slice(0, Number(kept.len)));
}

function toReadResult(row: Row, body: Uint8Array<ArrayBuffer>): ReadResult {
  return { ...toVersionColumns(row), body, sha256: sha256Hex(body) };
}

function getRow(db: DatabaseSync, statement: string, ...values: SQLInputValue[]): Row | undefined {
  return db.prepare(statement).get(...values);
}

/** What the catalog has of the newest event. */
function toHeadFields(last: Row | undefined): Pick<CatalogRow, "by" | "head" | "headAt"> {
  const payload = last === undefined ? undefined : readPayload(String(last.payload));
  const { by }: { by?: unknown } = typeof payload === "object" && payload !== null ? payload : {};
  return {
    by: typeof by === "string" ? by : "",
    head: Number(last?.id ?? 0),
    headAt: String(last?.timestamp ?? ""),
  };
}

function toChainEvent(row: Row): ChainEvent {
  const { id, timestamp, event_type, payload, hmac, prev_hmac } = toEventRow(row);
  return { id, timestamp, type: event_type, payload: readPayload(payload), hmac, prev_hmac };
}

function readPayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // an altered payload is shown as stored; the audit reports it
  }
}
