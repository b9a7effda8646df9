/**
 * A world copied row by row into a database of its own, as somebody else may have it: what the tables
 * hold and no page more, because the pages of a used file keep bytes that were let go. On the way the
 * chain can be signed anew with another key. It writes to the copy alone, never to the world.
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
import * as sql from "./sql.ts";
import { StoreError } from "../store.ts";

/** What goes into a copy. */
export interface CopyOptions {
  /** Earlier versions that readers may still have; what lies beyond was let go and stays behind. */
  readonly versions: number;
  /** Signs the chain anew; absent, its events are copied as they are. */
  readonly resign?: CopySigners;
}

/** How a chain is signed anew. */
export interface CopySigners {
  /** Signed the world's own chain. */
  readonly from: ChainSigner;
  /** Signs the copy's. */
  readonly to: ChainSigner;
}

/** Rows copied between two steps. */
const STEP = 500;

type Row = Record<string, SQLInputValue>;

/**
 * Copies one world, in steps between which others may have the thread.
 *
 * A chain that is signed anew is signed only as far as it holds under its own key. The first event that
 * does not hold, and all after it, keep their HMACs, so that the copy is broken at the same event.
 *
 * @param from the world, open; a transaction begins here, so that all is read of one moment, and ends
 * when the caller closes it
 * @param to an empty database
 * @returns the version that was copied
 * @throws {StoreError} `damaged` when the world's row is missing, and what SQLite throws
 */
export function* copyWorldInSteps(
  from: DatabaseSync,
  to: DatabaseSync,
  { versions, resign }: CopyOptions,
): Generator<void, number> {
  from.exec("BEGIN");
  to.exec(sql.CREATE_WORLD);
  to.exec("BEGIN");
  const stage = exact(from, sql.SELECT_STAGE).get();
  if (stage === undefined) {
    throw new StoreError("damaged", "Cannot copy the world: its row is missing");
  }
  const { stage_html, version, updated_at, ext, headers, state } = valuesOf(stage);
  insert(to.prepare(sql.INSERT_STAGE), [stage_html, version, updated_at, ext, headers, state]);
  yield* copyEvents(from, to, resign);
  const newest = Number(version);
  if (from.prepare(sql.HAS_HISTORY).get() !== undefined) {
    yield* copyHistory(from, to, newest - versions);
  }
  to.exec("COMMIT");
  return newest;
}

/** Copies one world at once; see {@link copyWorldInSteps}. */
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
  resign?: CopySigners,
): Generator<void, void> {
  const page = exact(from, sql.EVENTS_AFTER);
  const add = to.prepare(sql.INSERT_EVENT);
  const signer = resign === undefined ? undefined : new Signer(resign);
  for (let last: SQLInputValue = sql.BEFORE_ALL_EVENTS;;) {
    const rows = page.all(last, STEP);
    for (const found of rows) {
      const row = valuesOf(found);
      last = row.id ?? null;
      const { hmac, prev_hmac } = signer?.sign(row) ?? row;
      insert(add, [row.id, row.timestamp, row.event_type, row.payload, hmac, prev_hmac]);
    }
    if (rows.length < STEP) return;
    yield;
  }
}

/** Walks a chain and signs what holds of it. */
class Signer {
  readonly #resign: CopySigners;
  #chain: ChainState = CHAIN_START;
  #head = GENESIS;

  constructor(resign: CopySigners) {
    this.#resign = resign;
  }

  /** The HMACs of the next event, or `undefined` when it keeps its own. */
  sign(row: Row): { readonly hmac: string; readonly prev_hmac: string } | undefined {
    const event = toEventRow(row);
    this.#chain = stepChain(this.#chain, event, this.#resign.from);
    if (this.#chain.brokenAt !== undefined) return undefined;
    const prev_hmac = this.#head;
    const { timestamp, event_type, payload } = event;
    this.#head = this.#resign.to(prev_hmac, timestamp, event_type, payload);
    return { hmac: this.#head, prev_hmac };
  }
}

function* copyHistory(
  from: DatabaseSync,
  to: DatabaseSync,
  oldest: number,
): Generator<void, void> {
  to.exec(sql.CREATE_HISTORY);
  const content = exact(from, sql.CONTENT_OF);
  const addVersion = to.prepare(sql.INSERT_VERSION);
  const addContent = to.prepare(sql.INSERT_CONTENT);
  for (const found of exact(from, sql.VERSIONS_FROM).all(oldest)) {
    const { version, kind, ext, headers, state, updated_at, len, sha256 } = valuesOf(found);
    insert(addVersion, [version, kind, ext, headers, state, updated_at, len, sha256]);
    if (sha256 === null || sha256 === undefined) continue;
    const kept = content.get(sha256);
    if (kept !== undefined) insert(addContent, [sha256, valuesOf(kept).bytes]);
    yield;
  }
}

/** A statement that reads whole numbers as they are, however large a hand has made them. */
function exact(db: DatabaseSync, statement: string): StatementSync {
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
