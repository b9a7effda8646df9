/**
 * One open world file (`universe.db`): reads and changes its tables. Changes are applied in a
 * transaction that the writer begins and commits, so that several changes share one commit. Each
 * change also appends its event to the chain. Caching, notification of watchers and the time of a
 * commit are not decided here.
 */

import type { Hash } from "node:crypto";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { concatBytes } from "../../base/concat_bytes.ts";
import { sha256Hex } from "../../base/hash.ts";
import { nodeCrypto } from "../../base/node_crypto.ts";
import * as changes from "../change/change_events.ts";
import type {
  EditableWorld,
  EventFields,
  MovedNames,
  RestoreFields,
  StageRow,
} from "../change/editable_world.ts";
import type { HistoryLimits } from "../change/history_rules.ts";
import { isSame } from "./folder_identity.ts";
import { isSignedWithOtherKey } from "./chain_key.ts";
import { latestTime } from "../change_time.ts";
import type { CommittedEvent } from "../changes.ts";
import { type ChainSigner, GENESIS } from "../event_chain.ts";
import { HistoryTable } from "./history_table.ts";
import { PieceTable } from "./piece_table.ts";
import { toBytes } from "./read_stage.ts";
import { assertRegularFiles } from "./regular_files.ts";
import * as sql from "./sql.ts";
import { StoreError } from "../store.ts";

const NO_BYTES = new Uint8Array();

/** Options of {@link WorldFile}. */
export interface OpenOptions {
  readonly sign: ChainSigner;
  readonly sync: "full" | "normal";
  readonly history: HistoryLimits;
}

/** One open world. All methods are synchronous and throw what SQLite throws. */
export class WorldFile implements EditableWorld {
  readonly #db: DatabaseSync;
  readonly #sign: ChainSigner;
  readonly #syncsCommits: boolean;
  readonly #history: HistoryTable;
  readonly #pieces = new PieceTable(this);
  readonly #statements = new Map<string, StatementSync>();
  #row: StageRow;
  #sha256: string | undefined;
  /** Hash state after the current bytes, so that an append does not hash them again. */
  #hashState: Hash | undefined;
  #headId = 0;
  #headHmac = GENESIS;
  /** Time of the newest event; no later change has an earlier one. */
  #headTime = "";
  #hasOtherKey: boolean | undefined;
  #newEvents: CommittedEvent[] = [];
  readonly #path: string;
  readonly #identity: Deno.FileInfo;
  /** Lowest version before the next one, if the name has used higher ones than this world. */
  versionFloor = 0;
  /** Estimated growth of the write-ahead log since the last checkpoint, in bytes. */
  walBytes = 0;

  constructor(readonly name: string, path: string, options: OpenOptions) {
    // No waiting for locks inside SQLite: the Worker tries again later (lock_retry.ts).
    assertRegularFiles(path);
    this.#db = new DatabaseSync(path, { timeout: 0 });
    this.#path = path;
    this.#sign = options.sign;
    this.#syncsCommits = options.sync === "full";
    this.#history = new HistoryTable(this, options.history);
    try {
      // Before the first change: a database of another program must stay as it is.
      this.get(sql.SELECT_IS_WORLD);
      // A prepared statement, because errors of `exec` have no SQLite code (node:sqlite, Deno
      // 2.9.6). If the disk is full, this statement is the first to fail, and the code is needed.
      this.get("PRAGMA journal_mode = WAL");
      this.#db.exec(
        `PRAGMA synchronous = ${options.sync === "full" ? "FULL" : "NORMAL"};
         PRAGMA wal_autocheckpoint = 0;`,
      );
      this.#row = this.#readRow();
      this.#identity = Deno.statSync(path);
      this.#readHead();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /**
   * Whether the path is still this file. Commits to a file that was moved or deleted would be lost.
   */
  isInPlace(): boolean {
    try {
      return isSame(Deno.statSync(this.#path), this.#identity);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Throws if the file was moved or replaced while its changes were committed. */
  assertInPlace(): void {
    if (this.isInPlace()) return;
    throw new StoreError(
      "in-use",
      "Cannot use the world: its file was moved or replaced",
      this.name,
    );
  }

  /** The current row, including changes of the open transaction. */
  get row(): StageRow {
    return this.#row;
  }

  /** SHA-256 of the bytes that are in the row now, computed from the bytes. */
  get sha256(): string {
    return this.#sha256 ??= sha256Hex(this.body());
  }

  /** The version that the next change makes. */
  get nextVersion(): number {
    return Math.max(this.#row.version, this.versionFloor) + 1;
  }

  /** Whether another key signed the chain, so that no event may be appended. */
  get hasOtherKey(): boolean {
    return this.#hasOtherKey ??= isSignedWithOtherKey(
      (statement, ...values) => this.all(statement, ...values),
      this.#sign,
    );
  }

  /** Returns the events that were appended since the last call or rollback. */
  takeEvents(): readonly CommittedEvent[] {
    const events = this.#newEvents;
    this.#newEvents = [];
    return events;
  }

  /** The time of a change now: never before the last change of the world or its newest event. */
  timeOf(now: string): string {
    return latestTime(now, this.#row.updatedAt, this.#headTime);
  }

  /** Reads the current bytes. */
  body(): Uint8Array<ArrayBuffer> {
    const found = toBytes(this.get(sql.SELECT_BODY)?.stage_html);
    return this.#pieces.isEmpty ? found : this.#pieces.join(found);
  }

  /** Whether appended bytes are not in the row yet. */
  get hasPieces(): boolean {
    return !this.#pieces.isEmpty;
  }

  /** Runs one prepared statement that returns at most one row. */
  get(statement: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepared(statement).get(...values);
  }

  /** Runs one prepared statement that returns rows. */
  all(statement: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#prepared(statement).all(...values);
  }

  /** Runs one prepared statement; returns the number of changed rows. */
  run(statement: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(statement).run(...values).changes);
  }

  /** Runs statements without preparing them. */
  exec(statements: string): void {
    this.#db.exec(statements);
  }

  /** Begins a transaction and takes the write lock of the file. */
  begin(): void {
    this.run("BEGIN IMMEDIATE");
  }

  /** Throws what SQLite throws if another process holds the write lock of the file. */
  assertUnlocked(): void {
    this.begin();
    this.run("ROLLBACK");
  }

  /** Commits the transaction. */
  commit(): void {
    this.run("COMMIT");
  }

  /**
   * Makes the next commits synced to disk even if the store does not sync each commit; called
   * outside a transaction.
   *
   * @param required false restores the setting of the store
   */
  requireSync(required: boolean): void {
    if (!this.#syncsCommits) this.#setSync(required);
  }

  #setSync(isFull: boolean): void {
    this.#db.exec(`PRAGMA synchronous = ${isFull ? "FULL" : "NORMAL"}`);
  }

  /**
   * Replaces the row and appends a `stage_written` event.
   *
   * @param now RFC 3339 time of the change
   * @param eventFields more fields for the payload of the event
   */
  replace(
    body: Uint8Array,
    fields: { ext: string; headers: string; state: string },
    now: string,
    eventFields: EventFields,
  ): void {
    const version = this.nextVersion;
    const from = this.#row.state;
    this.#history.keep("full");
    this.run(
      sql.REPLACE_STAGE,
      body,
      version,
      now,
      fields.ext,
      fields.headers,
      fields.state,
    );
    this.#pieces.drop();
    this.#row = { version, updatedAt: now, len: body.length, ...fields };
    this.#sha256 = sha256Hex(body);
    this.#hashState = undefined;
    this.#appendEvents(changes.writtenEvents(from, this.#row, this.#sha256, eventFields), now);
    this.walBytes += body.length + 4096;
  }

  /** Appends bytes, to the row or as a piece, and appends a `stage_appended` event. */
  append(
    body: Uint8Array,
    state: string,
    now: string,
    eventFields: EventFields,
  ): void {
    const version = this.nextVersion;
    const from = this.#row.state;
    this.#history.keep("prefix");
    this.#hashState ??= nodeCrypto().createHash("sha256").update(this.body());
    this.#hashState.update(body);
    const { len } = this.#row;
    const next = { ...this.#row, version, updatedAt: now, state, len: len + body.length };
    const isPiece = this.#pieces.fits(len, body.length);
    if (isPiece) this.#pieces.add(body, this.#row.version, next);
    else this.#writeAppended(body, next);
    this.#row = next;
    this.#sha256 = this.#hashState.copy().digest("hex");
    this.#appendEvents(changes.appendedEvents(from, next, body, this.#sha256, eventFields), now);
    // A piece also changes the page of its table.
    this.walBytes += (isPiece ? body.length + 4096 : this.#row.len) + 4096;
  }

  /**
   * Writes all pieces into the row, in a transaction of its own and without an event, because the
   * world does not change. The commit is not synced: after a crash the pieces are still there, or the
   * next synced commit has made the fold durable too.
   *
   * @throws {StoreError} `in-use` if the file was moved or replaced; also what SQLite throws. The
   * pieces then stay in their table, and the file can be closed
   */
  fold(): void {
    if (this.#pieces.isEmpty) return;
    if (!this.isInPlace()) {
      throw new StoreError("in-use", "Cannot fold the world: its file was moved", this.name);
    }
    this.#setSync(false);
    try {
      this.begin();
      try {
        // From the file, so that a fault of the state in memory cannot reach the row.
        this.#row = this.#readRow();
        this.#foldPieces();
        this.commit();
      } catch (error) {
        this.#undoFold();
        throw error;
      }
    } finally {
      if (this.isOpen) this.#setSync(this.#syncsCommits);
    }
  }

  /** Undoes a fold that failed; a file whose state is then not known is closed. */
  #undoFold(): void {
    try {
      this.rollback();
    } catch {
      // The caller throws the first error.
      this.close();
    }
  }

  /** Writes all pieces into the row in the open transaction. */
  #foldPieces(): void {
    if (this.#pieces.isEmpty) return;
    this.#writeAppended(new Uint8Array(), this.#row);
    this.walBytes += this.#row.len + 4096;
  }

  /** Writes all pieces and then `body` to the end of the row, and the columns of the version. */
  #writeAppended(body: Uint8Array, { version, updatedAt, state }: StageRow): void {
    const added = this.#pieces.isEmpty ? body : concatBytes([this.#pieces.join(NO_BYTES), body]);
    this.run(sql.APPEND_STAGE, added, version, updatedAt, state);
    this.#pieces.drop();
  }

  /** Changes only the state and appends a `state_transition` event. */
  transition(to: string, now: string, eventFields: EventFields): void {
    const from = this.#row.state;
    this.#foldPieces();
    this.run(sql.SET_STATE, to, now);
    this.#row = { ...this.#row, state: to, updatedAt: now };
    this.#appendEvents([changes.transitionEvent(from, this.#row, eventFields)], now);
  }

  /** Makes a new version with the same bytes after a rename and appends a `world_moved` event. */
  recordMove(ext: string, now: string, eventFields: EventFields): void {
    const version = this.nextVersion;
    const { sha256 } = this;
    this.#history.keep("prefix");
    this.#foldPieces();
    this.run(sql.MOVE_STAGE, version, now, ext);
    this.#row = { ...this.#row, version, updatedAt: now, ext };
    this.#appendEvents([changes.movedEvent(this.#row, sha256, eventFields)], now);
  }

  /**
   * Makes a new version with the same bytes when a deleted world is restored, and appends a
   * `world_restored` event; under another name a `world_moved` event before it.
   *
   * @param names old and new path, if they differ
   */
  recordRestore(
    { ext, state }: { ext: string; state: string },
    now: string,
    eventFields: RestoreFields,
    names: MovedNames | undefined,
  ): void {
    const version = this.nextVersion;
    const { sha256 } = this;
    const before = this.#row.state;
    this.#history.keep("prefix");
    this.#foldPieces();
    this.run(sql.RESTORE_STAGE, version, now, ext, state);
    this.#row = { ...this.#row, version, updatedAt: now, ext, state };
    const events = changes.restoredEvents(before, this.#row, sha256, eventFields, names);
    this.#appendEvents(events, now);
  }

  /** Size of the file in bytes, with what is in its log. */
  get fileBytes(): number {
    return Number(this.get(sql.FILE_SIZE)?.bytes ?? 0);
  }

  /**
   * Appends a `world_deleted` event and marks the file as deleted. A chain that another key signed
   * gets the mark only: no event may be appended to it, but an operator must be able to delete it.
   */
  markDeleted(now: string, eventFields: EventFields): void {
    if (!this.hasOtherKey) {
      this.#appendEvents([changes.deletedEvent(this.#row, this.sha256, eventFields)], now);
    }
    this.exec(sql.MARK_DELETED);
  }

  /** Appends an event without changing the row. */
  note(type: string, payload: EventFields, now: string): void {
    this.#appendEvent(type, JSON.stringify(payload), now);
  }

  /** Rolls back the open transaction, if any, and reads the state in memory from the file again. */
  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    this.#row = this.#readRow();
    this.#sha256 = undefined;
    this.#hashState = undefined;
    this.#newEvents = [];
    this.#readHead();
    this.#history.resetTotals();
  }

  /** Moves the content of the write-ahead log to the main file, so that the log does not grow. */
  checkpoint(): void {
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    this.walBytes = 0;
  }

  /** Whether the file has not been closed. */
  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  /** Closes the file; SQLite then writes the log into it. */
  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #appendEvents(events: readonly changes.EventContent[], now: string): void {
    for (const [type, payload] of events) this.#appendEvent(type, JSON.stringify(payload), now);
  }

  #appendEvent(type: string, payload: string, now: string): void {
    const id = this.#headId + 1;
    const hmac = this.#sign(this.#headHmac, now, type, payload);
    this.run(sql.INSERT_EVENT, id, now, type, payload, hmac, this.#headHmac);
    this.#headId = id;
    this.#headHmac = hmac;
    this.#headTime = now;
    this.#newEvents.push({ id, timestamp: now, type, payload, hmac });
    this.walBytes += 4096 + payload.length;
  }

  #readHead(): void {
    const head = this.get(sql.LAST_EVENT);
    this.#headId = head === undefined ? 0 : Number(head.id);
    this.#headHmac = head === undefined ? GENESIS : String(head.hmac);
    this.#headTime = head === undefined ? "" : String(head.timestamp);
  }

  #readRow(): StageRow {
    const stage = this.get(sql.SELECT_ROW);
    if (stage === undefined) {
      throw new StoreError("damaged", "Cannot read the world: its file has no row", this.name);
    }
    const row = this.#pieces.load(stage);
    return {
      version: Number(row.version),
      updatedAt: String(row.updated_at),
      ext: String(row.ext),
      headers: String(row.headers),
      state: String(row.state),
      len: Number(row.len),
    };
  }

  #prepared(statement: string): StatementSync {
    let found = this.#statements.get(statement);
    if (found === undefined) {
      found = this.#db.prepare(statement);
      this.#statements.set(statement, found);
    }
    return found;
  }
}
