/**
 * One open `universe.db`: the only code that reads or writes a world's tables. It applies changes
 * inside a transaction its owner opened, so that several changes share one commit, and it never
 * decides when to sync, what to cache or whom to tell.
 */

import { createHash, type Hash } from "node:crypto";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import { type ChainSigner, GENESIS } from "../event_chain.ts";
import { type HistoryLimits, HistoryTable } from "./history_table.ts";
import * as sql from "./sql.ts";
import { StoreError } from "../store.ts";

/** How long a statement waits for another process that reads the file, in milliseconds. */
const BUSY_MS = 5000;

/** A world's row without its bytes. */
export interface StageRow {
  readonly version: number;
  readonly updatedAt: string;
  readonly ext: string;
  /** The `headers` column's JSON text, as found. */
  readonly headers: string;
  readonly state: string;
  readonly len: number;
}

/** How a world's file is opened. */
export interface OpenOptions {
  readonly seal: ChainSigner;
  readonly sync: "full" | "normal";
  readonly history: HistoryLimits;
}

/** One open world. Methods are synchronous and throw what SQLite throws. */
export class WorldFile {
  readonly #db: DatabaseSync;
  readonly #seal: ChainSigner;
  readonly #history: HistoryTable;
  readonly #statements = new Map<string, StatementSync>();
  #row: StageRow;
  #sha256: string | undefined;
  /** Hash of the current bytes, kept open so that an append need not read them again. */
  #running: Hash | undefined;
  #headId: number;
  #headHmac: string;
  /** Rough number of bytes the write-ahead log grew by since the last checkpoint. */
  walBytes = 0;

  constructor(readonly name: string, path: string, options: OpenOptions) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_MS });
    this.#seal = options.seal;
    this.#history = new HistoryTable(this, options.history);
    try {
      // Prepared, because `exec` throws without SQLite's code (node:sqlite of Deno 2.9.6), and this
      // is where a full disk first shows.
      this.get("PRAGMA journal_mode = WAL");
      this.#db.exec(
        `PRAGMA synchronous = ${options.sync === "full" ? "FULL" : "NORMAL"};
         PRAGMA wal_autocheckpoint = 0;`,
      );
      this.#row = this.#readRow();
      const head = this.get(sql.LAST_EVENT);
      this.#headId = head === undefined ? 0 : Number(head.id);
      this.#headHmac = head === undefined ? GENESIS : String(head.hmac);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  get row(): StageRow {
    return this.#row;
  }

  /** SHA-256 of the bytes that are in the row now, whoever put them there. */
  get sha256(): string {
    return this.#sha256 ??= sha256Hex(this.body());
  }

  /** The current bytes. */
  body(): Uint8Array<ArrayBuffer> {
    const found = this.get(sql.SELECT_BODY)?.stage_html;
    return toBytes(found);
  }

  /** Runs one prepared statement that returns at most one row. */
  get(statement: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepared(statement).get(...values);
  }

  /** Runs one prepared statement that returns rows. */
  all(statement: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#prepared(statement).all(...values);
  }

  /** Runs one prepared statement that returns nothing, and says how many rows it changed. */
  run(statement: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(statement).run(...values).changes);
  }

  /** Runs statements that are not worth preparing. */
  exec(statements: string): void {
    this.#db.exec(statements);
  }

  begin(): void {
    this.run("BEGIN IMMEDIATE");
  }

  commit(): void {
    this.run("COMMIT");
  }

  /** Replaces the row and puts `stage_written` on the chain. */
  replace(
    body: Uint8Array,
    fields: { ext: string; headers: string; state: string },
    now: string,
    facts: Readonly<Record<string, unknown>>,
  ): void {
    const version = this.#row.version + 1;
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
    this.#row = { version, updatedAt: now, len: body.length, ...fields };
    this.#sha256 = sha256Hex(body);
    this.#running = undefined;
    this.#event("stage_written", writtenPayload(this.#row, this.#sha256, facts), now);
    this.#sunk(from, now, facts);
    this.walBytes += body.length + 4096;
  }

  /** Adds bytes and puts `stage_appended` on the chain. */
  append(
    body: Uint8Array,
    state: string,
    now: string,
    facts: Readonly<Record<string, unknown>>,
  ): void {
    const version = this.#row.version + 1;
    const from = this.#row.state;
    this.#history.keep("prefix");
    this.#running ??= createHash("sha256").update(this.body());
    this.#running.update(body);
    this.run(sql.APPEND_STAGE, body, version, now, state);
    this.#row = {
      ...this.#row,
      version,
      updatedAt: now,
      state,
      len: this.#row.len + body.length,
    };
    this.#sha256 = this.#running.copy().digest("hex");
    this.#event("stage_appended", appendedPayload(version, body, this.#sha256, facts), now);
    this.#sunk(from, now, facts);
    this.walBytes += this.#row.len + 4096;
  }

  /** Changes the state alone and puts `state_transition` on the chain. */
  transition(to: string, now: string, facts: Readonly<Record<string, unknown>>): void {
    const from = this.#row.state;
    this.run(sql.SET_STATE, to, now);
    this.#row = { ...this.#row, state: to, updatedAt: now };
    this.#event("state_transition", { from, to, version: this.#row.version, ...facts }, now);
  }

  /** Notes that the world came from another name, as a version of its own with the same bytes. */
  recordMove(ext: string, now: string, facts: Readonly<Record<string, unknown>>): void {
    const version = this.#row.version + 1;
    const { sha256 } = this;
    this.#history.keep("prefix");
    this.run(sql.MOVE_STAGE, version, now, ext);
    this.#row = { ...this.#row, version, updatedAt: now, ext };
    const payload = { ...writtenPayload(this.#row, sha256, facts), op: "move" };
    this.#event("world_moved", payload, now);
  }

  /** A state that falls with a change of the bytes is an event of its own. */
  #sunk(from: string, now: string, facts: Readonly<Record<string, unknown>>): void {
    const { state: to, version } = this.#row;
    if (from === to) return;
    const payload = { from, to, version, reason: "source changed", by: facts.by };
    this.#event("state_transition", payload, now);
  }

  /** Puts an event on the chain and leaves the row alone. */
  note(type: string, payload: Readonly<Record<string, unknown>>, now: string): void {
    this.#event(type, payload, now);
  }

  /** Forgets what a rolled-back transaction had put in memory. */
  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    this.#row = this.#readRow();
    this.#sha256 = undefined;
    this.#running = undefined;
    const head = this.get(sql.LAST_EVENT);
    this.#headId = head === undefined ? 0 : Number(head.id);
    this.#headHmac = head === undefined ? GENESIS : String(head.hmac);
    this.#history.resetTotals();
  }

  /** Moves what the log holds into the main file, so that neither grows without end. */
  checkpoint(): void {
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    this.walBytes = 0;
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #event(type: string, facts: Readonly<Record<string, unknown>>, now: string): void {
    const payload = JSON.stringify(facts);
    const id = this.#headId + 1;
    const hmac = this.#seal(this.#headHmac, now, type, payload);
    this.run(sql.INSERT_EVENT, id, now, type, payload, hmac, this.#headHmac);
    this.#headId = id;
    this.#headHmac = hmac;
    this.walBytes += 4096 + payload.length;
  }

  #readRow(): StageRow {
    const row = this.get(sql.SELECT_ROW);
    if (row === undefined) {
      throw new StoreError("damaged", "Cannot read the world: its row is missing", this.name);
    }
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

/** A BLOB column as bytes; text is what a hand with `sqlite3` may have left there. */
export function toBytes(value: unknown): Uint8Array<ArrayBuffer> {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  return new TextEncoder().encode(typeof value === "string" ? value : "");
}

/** The payload of `stage_written`. */
export function writtenPayload(
  row: StageRow,
  sha256: string,
  facts: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return {
    op: "put",
    len: row.len,
    ext: row.ext,
    version_after: row.version,
    meta_headers: JSON.parse(row.headers),
    body_sha256_after: sha256,
    ...facts,
  };
}

/** The payload of `stage_appended`. */
export function appendedPayload(
  version: number,
  added: Uint8Array,
  sha256: string,
  facts: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return {
    op: "append",
    append_len: added.length,
    append_sha256: sha256Hex(added),
    version_after: version,
    body_sha256_after: sha256,
    meta_headers: [],
    ...facts,
  };
}
