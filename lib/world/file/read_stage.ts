/**
 * The current version of a world as its file has it: the row in `stage_meta`, followed by appended
 * bytes in `pieces` that are not in the row yet. All code that reads a world's current version uses
 * these functions, because the row can be some seconds old. They run several statements: the caller
 * must use one transaction if another process can write.
 */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { concatBytes } from "../../base/concat_bytes.ts";
import * as sql from "./sql.ts";
import { StoreError } from "../store.ts";

/** Runs a statement and returns its rows. */
export type RowReader = (
  statement: string,
  ...values: SQLInputValue[]
) => Record<string, unknown>[];

type Row = Record<string, unknown>;

/** What a world has in `pieces`. */
export interface StagePieces {
  /** Number of appends. */
  readonly count: number;
  /** Their length in bytes. */
  readonly bytes: number;
  /** Columns of the current version that replace those of the row. */
  readonly current: Row;
}

/** Returns the function that runs statements in an open database. */
export function rowsOf(db: DatabaseSync): RowReader {
  return (statement, ...values) => db.prepare(statement).all(...values);
}

/**
 * Reads the current version with its bytes, in the columns of the row.
 *
 * @param maxBytes longest content to read
 * @returns undefined if the row is missing, `long` if the content is longer
 * @throws {StoreError} `damaged` if the appended bytes do not belong to the row
 */
export function readStage(read: RowReader): Row | undefined;
export function readStage(read: RowReader, maxBytes: number): Row | "long" | undefined;
export function readStage(read: RowReader, maxBytes = Infinity): Row | "long" | undefined {
  const first = read(maxBytes < Infinity ? sql.SELECT_ROW : sql.SELECT_STAGE)[0];
  if (first === undefined) return undefined;
  const pieces = readStagePieces(read, first.version);
  if (maxBytes < Infinity && Number(first.len) + (pieces?.bytes ?? 0) > maxBytes) return "long";
  const stage = maxBytes < Infinity ? read(sql.SELECT_STAGE)[0] : first;
  if (pieces === undefined || stage === undefined) return stage;
  const bytes = joinPieces(read, toBytes(stage.stage_html));
  return { ...stage, ...pieces.current, stage_html: bytes };
}

/**
 * Reads the current version without its bytes, in the columns of the row, and their length as `len`.
 *
 * @returns undefined if the row is missing
 * @throws {StoreError} `damaged` if the appended bytes do not belong to the row
 */
export function readStageRow(read: RowReader): Row | undefined {
  const row = read(sql.SELECT_ROW)[0];
  if (row === undefined) return undefined;
  const pieces = readStagePieces(read, row.version);
  if (pieces === undefined) return row;
  return { ...row, ...pieces.current, len: Number(row.len) + pieces.bytes };
}

/**
 * Reads the bytes of the current version.
 *
 * @returns no bytes if the row is missing
 * @throws {StoreError} `damaged` if the appended bytes do not belong to the row
 */
export function readStageBody(read: RowReader): Uint8Array<ArrayBuffer> {
  if (read(sql.HAS_PIECES).length === 0) return toBytes(read(sql.SELECT_BODY)[0]?.stage_html);
  return toBytes(readStage(read)?.stage_html);
}

/**
 * Reads what a world has in `pieces`.
 *
 * @param rowVersion version of the row
 * @returns undefined if there are no pieces
 * @throws {StoreError} `damaged` if they do not belong to the row: an older program or a person has
 * changed the row. Joined, they would be a content that no client has written
 */
export function readStagePieces(read: RowReader, rowVersion: unknown): StagePieces | undefined {
  if (read(sql.HAS_PIECES).length === 0) return undefined;
  const found = read(sql.PIECES_SIZE)[0];
  const current = read(sql.LAST_PIECE)[0];
  if (found === undefined || current === undefined) return undefined;
  const [base, lowest, highest, first] = [
    Number(rowVersion),
    Number(found.lowest_base),
    Number(found.highest_base),
    Number(found.first),
  ];
  if (lowest !== base || highest !== base || first <= base) {
    throw new StoreError(
      "damaged",
      `Cannot use the world: its pieces continue version ${
        lowest === base ? highest : lowest
      } and its row has version ${base}`,
    );
  }
  return { count: Number(found.count), bytes: Number(found.bytes), current };
}

/** Returns bytes followed by all pieces. */
export function joinPieces(read: RowReader, start: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes([start, ...read(sql.SELECT_PIECES).map(({ bytes }) => toBytes(bytes))]);
}

/** Converts a column to bytes; it can be text if it was edited with `sqlite3`. */
export function toBytes(value: unknown): Uint8Array<ArrayBuffer> {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  return new TextEncoder().encode(typeof value === "string" ? value : "");
}
