/**
 * Copies a world row by row into another database, for snapshots and exports. Pages are not copied,
 * because unused pages of a SQLite file can still contain deleted bytes. The chain of the copy can
 * be signed with another key. The world itself must never be changed.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { readStage } from "./read_stage.ts";
import * as sql from "./sql.ts";
import { StoreError } from "../store.ts";
import { WorldCopy, type WorldCopyOptions } from "./world_copy.ts";

/** What a copy contains. */
export interface CopyOptions extends WorldCopyOptions {
  /**
   * Number of earlier versions to copy; older ones are not copied, even if they are still in the
   * file.
   */
  readonly versions: number;
}

/** Rows that one step copies. */
const ROWS_PER_STEP = 500;

type Row = Record<string, SQLInputValue>;

/**
 * Copies one world in steps, so that the caller can do other work between two steps; see `WorldCopy`
 * for the key of the copy.
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
  { versions, ...options }: CopyOptions,
): Generator<void, number> {
  from.exec("BEGIN");
  const copy = new WorldCopy(to, options);
  const stage = readStage((statement, ...values) => prepareExact(from, statement).all(...values));
  if (stage === undefined) {
    throw new StoreError("damaged", "Cannot copy the world: its file has no row");
  }
  const row = valuesOf(stage);
  copy.writeStage(row);
  yield* copyEvents(from, copy);
  if (from.prepare(sql.HAS_HISTORY).get() !== undefined) {
    const beyond = from.prepare(sql.VERSION_BEYOND).get(versions)?.version;
    yield* copyHistory(from, copy, Number(beyond ?? -1) + 1);
  }
  copy.end();
  return Number(row.version);
}

/** Copies one world without interruption; see {@link copyWorldInSteps}. */
export function copyWorld(from: DatabaseSync, to: DatabaseSync, options: CopyOptions): number {
  const steps = copyWorldInSteps(from, to, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

function* copyEvents(from: DatabaseSync, copy: WorldCopy): Generator<void, void> {
  const page = prepareExact(from, sql.EVENTS_AFTER);
  for (let last: SQLInputValue = sql.BEFORE_ALL_EVENTS;;) {
    const rows = page.all(last, ROWS_PER_STEP);
    for (const found of rows) {
      const row = valuesOf(found);
      last = row.id ?? null;
      copy.writeEvent(row);
    }
    if (rows.length < ROWS_PER_STEP) return;
    yield;
  }
}

function* copyHistory(
  from: DatabaseSync,
  copy: WorldCopy,
  oldest: number,
): Generator<void, void> {
  copy.beginHistory();
  const content = prepareExact(from, sql.CONTENT_OF);
  for (const found of prepareExact(from, sql.VERSIONS_FROM).all(oldest)) {
    const row = valuesOf(found);
    copy.writeVersion(row);
    const { sha256 } = row;
    if (sha256 === null || sha256 === undefined) continue;
    const kept = content.get(sha256);
    if (kept !== undefined) copy.writeContent(sha256, valuesOf(kept).bytes);
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
