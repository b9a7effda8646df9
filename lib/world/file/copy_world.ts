/**
 * Copies a world row by row into another database, for snapshots and exports. Pages are not copied,
 * because unused pages of a SQLite file can still contain deleted bytes. The chain of the copy can
 * be signed with another key. The world itself must never be changed.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  GENESIS,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import { readStage } from "./read_stage.ts";
import * as sql from "./sql.ts";
import { StoreError } from "../store.ts";

/** What a copy contains. */
export interface CopyOptions {
  /**
   * Number of earlier versions to copy; older ones are not copied, even if they are still in the
   * file.
   */
  readonly versions: number;
  /** Signs the events of the copy with another key; if absent, the HMACs are copied. */
  readonly signers?: CopySigners;
  /** Called with the payload of each event. */
  readonly onPayload?: (payload: string) => void;
}

/** The two keys of a copy whose chain is signed with another key. */
export interface CopySigners {
  /** Signer of the world's chain. */
  readonly from: ChainSigner;
  /** Signer of the copy's chain. */
  readonly to: ChainSigner;
}

/** Rows that one step copies. */
const ROWS_PER_STEP = 500;

type Row = Record<string, SQLInputValue>;

/**
 * Copies one world in steps, so that the caller can do other work between two steps.
 *
 * With `signers`, events are signed with the new key up to the first event that is not valid under
 * the world's key. That event and all later ones keep their HMACs, so that the copy is broken at
 * the same event.
 *
 * @param from the open world. The function starts a transaction, so that it reads one consistent
 * state; the transaction ends when the caller closes the database
 * @param to an empty database
 * @returns the version that was copied
 * @throws {StoreError} `damaged` if the world has no row; also what SQLite throws
 */
export function* copyWorldInSteps(
  from: DatabaseSync,
  to: DatabaseSync,
  { versions, signers, onPayload }: CopyOptions,
): Generator<void, number> {
  from.exec("BEGIN");
  to.exec(sql.CREATE_WORLD);
  to.exec("BEGIN");
  const stage = readStage((statement, ...values) => prepareExact(from, statement).all(...values));
  if (stage === undefined) {
    throw new StoreError("damaged", "Cannot copy the world: its file has no row");
  }
  const { stage_html, version, updated_at, ext, headers, state } = valuesOf(stage);
  insert(to.prepare(sql.INSERT_STAGE), [stage_html, version, updated_at, ext, headers, state]);
  yield* copyEvents(from, to, signers, onPayload);
  const newest = Number(version);
  if (from.prepare(sql.HAS_HISTORY).get() !== undefined) {
    const beyond = from.prepare(sql.VERSION_BEYOND).get(versions)?.version;
    yield* copyHistory(from, to, Number(beyond ?? -1) + 1);
  }
  to.exec("COMMIT");
  return newest;
}

/** Copies one world without interruption; see {@link copyWorldInSteps}. */
export function copyWorld(from: DatabaseSync, to: DatabaseSync, options: CopyOptions): number {
  const steps = copyWorldInSteps(from, to, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

function* copyEvents(
  from: DatabaseSync,
  to: DatabaseSync,
  signers?: CopySigners,
  onPayload?: (payload: string) => void,
): Generator<void, void> {
  const page = prepareExact(from, sql.EVENTS_AFTER);
  const add = to.prepare(sql.INSERT_EVENT);
  const signer = signers === undefined ? undefined : new ChainReSigner(signers);
  for (let last: SQLInputValue = sql.BEFORE_ALL_EVENTS;;) {
    const rows = page.all(last, ROWS_PER_STEP);
    for (const found of rows) {
      const row = valuesOf(found);
      last = row.id ?? null;
      if (typeof row.payload === "string") onPayload?.(row.payload);
      const { hmac, prev_hmac } = signer?.sign(row) ?? row;
      insert(add, [row.id, row.timestamp, row.event_type, row.payload, hmac, prev_hmac]);
    }
    if (rows.length < ROWS_PER_STEP) return;
    yield;
  }
}

/** Checks the events of a chain in order and signs the valid ones with the new key. */
class ChainReSigner {
  readonly #signers: CopySigners;
  #chain: ChainState = CHAIN_START;
  #head = GENESIS;

  constructor(signers: CopySigners) {
    this.#signers = signers;
  }

  /** Returns the new HMACs of the next event, or `undefined` if it keeps its own. */
  sign(row: Row): { readonly hmac: string; readonly prev_hmac: string } | undefined {
    const event = toEventRow(row);
    this.#chain = stepChain(this.#chain, event, this.#signers.from);
    if (this.#chain.brokenAt !== undefined) return undefined;
    const prev_hmac = this.#head;
    const { timestamp, event_type, payload } = event;
    this.#head = this.#signers.to(prev_hmac, timestamp, event_type, payload);
    return { hmac: this.#head, prev_hmac };
  }
}

function* copyHistory(
  from: DatabaseSync,
  to: DatabaseSync,
  oldest: number,
): Generator<void, void> {
  to.exec(sql.CREATE_HISTORY);
  const content = prepareExact(from, sql.CONTENT_OF);
  const addVersion = to.prepare(sql.INSERT_VERSION);
  const addContent = to.prepare(sql.INSERT_CONTENT);
  for (const found of prepareExact(from, sql.VERSIONS_FROM).all(oldest)) {
    const { version, kind, ext, headers, state, updated_at, len, sha256 } = valuesOf(found);
    insert(addVersion, [version, kind, ext, headers, state, updated_at, len, sha256]);
    if (sha256 === null || sha256 === undefined) continue;
    const kept = content.get(sha256);
    if (kept !== undefined) insert(addContent, [sha256, valuesOf(kept).bytes]);
    yield;
  }
}

/** Prepares a statement that returns integers of any size without loss of precision. */
function prepareExact(db: DatabaseSync, statement: string): StatementSync {
  const prepared = db.prepare(statement);
  prepared.setReadBigInts(true);
  return prepared;
}

function valuesOf(row: Readonly<Record<string, unknown>>): Row {
  const values: Row = {};
  for (const [column, value] of Object.entries(row)) {
    if (
      value === null || typeof value === "string" || typeof value === "bigint" ||
      typeof value === "number" || value instanceof Uint8Array
    ) values[column] = value;
  }
  return values;
}

function insert(statement: StatementSync, values: readonly (SQLInputValue | undefined)[]): void {
  statement.run(...values.map((value) => value ?? null));
}
