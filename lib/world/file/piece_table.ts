/**
 * Appended bytes of one open world that are not in its row yet. SQLite writes a whole row at each
 * change, so an append to the row costs the length of the content. An append of a piece costs its own
 * length. The pieces are folded into the row before they are long compared with it, so that all folds
 * together cost a constant factor of the appended bytes. A short content is always appended to in
 * its row, which costs less than a piece and its fold.
 */

import type { SQLInputValue } from "node:sqlite";
import { joinPieces, readStagePieces } from "./read_stage.ts";
import * as sql from "./sql.ts";

/** Length in bytes from which a content gets pieces: four pages of a file. */
export const MIN_PIECED_BYTES = 16 * 1024;
/** Length in bytes that the pieces of a world can always have; also half the length of its row. */
export const MIN_FOLDED_BYTES = 64 * 1024;
/** Number of pieces at which they are folded, because each costs a read some time. */
export const MAX_PIECES = 4096;

/** What the table reads and runs in the open file of its world. */
export interface PieceFile {
  all(statement: string, ...values: SQLInputValue[]): Record<string, unknown>[];
  run(statement: string, ...values: SQLInputValue[]): number;
}

interface Size {
  count: number;
  bytes: number;
  /** Version of the row. */
  readonly base: number;
}

/** The pieces of one open world. Its methods change the file in the open transaction. */
export class PieceTable {
  readonly #file: PieceFile;
  #size: Size | undefined;

  constructor(file: PieceFile) {
    this.#file = file;
  }

  /**
   * Reads the pieces of the file, when it is opened or after a rollback.
   *
   * @param row the row of the file, in its columns
   * @returns the row with the columns of the current version
   * @throws {StoreError} `damaged` if the pieces do not belong to the row
   */
  load(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const found = readStagePieces((...query) => this.#file.all(...query), row.version);
    this.#size = undefined;
    if (found === undefined) return row;
    const { count, bytes, current } = found;
    this.#size = { count, bytes, base: Number(row.version) };
    return { ...row, ...current, len: Number(row.len) + bytes };
  }

  /** Whether there are none, so that the row has the current version. */
  get isEmpty(): boolean {
    return this.#size === undefined;
  }

  /**
   * Whether an append becomes a piece; else it must be written to the row, with all pieces.
   *
   * @param length length of the content before the append, in bytes
   * @param added length of the append in bytes
   */
  fits(length: number, added: number): boolean {
    const { count, bytes } = this.#size ?? { count: 0, bytes: 0 };
    const rowLength = length - bytes;
    return rowLength >= MIN_PIECED_BYTES && count < MAX_PIECES &&
      bytes + added <= Math.max(MIN_FOLDED_BYTES, rowLength / 2);
  }

  /**
   * Adds a piece.
   *
   * @param before version before the append
   */
  add(
    bytes: Uint8Array,
    before: number,
    { version, updatedAt, state }: { version: number; updatedAt: string; state: string },
  ): void {
    if (this.#size === undefined) {
      this.#file.run(sql.CREATE_PIECES);
      this.#size = { count: 0, bytes: 0, base: before };
    }
    this.#file.run(sql.INSERT_PIECE, version, this.#size.base, updatedAt, state, bytes);
    this.#size.count += 1;
    this.#size.bytes += bytes.length;
  }

  /** Returns bytes followed by all pieces. */
  join(start: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#size === undefined) return new Uint8Array(start);
    return joinPieces((...query) => this.#file.all(...query), start);
  }

  /** Drops all pieces. The file is then one that earlier versions of this program can read. */
  drop(): void {
    if (this.#size === undefined) return;
    this.#file.run(sql.DROP_PIECES);
    this.#size = undefined;
  }
}
