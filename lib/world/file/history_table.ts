/**
 * The earlier versions of a world, in two tables of its file. Before each change it saves the
 * current version, in the transaction of the change, and then drops the oldest versions beyond the
 * limits. It must never change the current row.
 */

import type { SQLInputValue } from "node:sqlite";
import {
  type HistoryKind,
  type HistoryLimits,
  historySlack,
  isTooLongToKeep,
} from "../change/history_rules.ts";
import * as sql from "./sql.ts";

interface Size {
  versions: number;
  bytes: number;
  oldest: number;
}

/** What the history reads and runs in the open file of its world. */
export interface HistoryFile {
  /** The current version, with the length of its bytes. */
  readonly row: {
    readonly version: number;
    readonly ext: string;
    readonly headers: string;
    readonly state: string;
    readonly updatedAt: string;
    readonly len: number;
  };
  /** Whether appended bytes are not in the row yet. */
  readonly hasPieces: boolean;
  /** SHA-256 of the current bytes, in hexadecimal. */
  readonly sha256: string;
  /** Bytes written to the WAL since the last checkpoint, estimated; the history adds its own. */
  walBytes: number;
  /** Reads the current bytes. */
  body(): Uint8Array<ArrayBuffer>;
  get(statement: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined;
  all(statement: string, ...values: SQLInputValue[]): Record<string, unknown>[];
  run(statement: string, ...values: SQLInputValue[]): number;
  exec(statements: string): void;
}

/** The earlier versions of one open world. */
export class HistoryTable {
  #size: Size | undefined;

  constructor(readonly file: HistoryFile, readonly limits: HistoryLimits) {}

  /**
   * Saves the current version before it changes, and drops versions beyond the limits.
   *
   * @param kind `prefix` if the next version starts with all bytes of the current one
   */
  keep(kind: HistoryKind): void {
    if (this.limits.versions === 0) return this.#keepNone();
    const size = this.#size ??= this.#measure();
    const { len, version, ext, headers, state, updatedAt } = this.file.row;
    if (isTooLongToKeep(kind, len, this.limits)) {
      // Earlier `prefix` rows depend on these bytes, which are too long to keep: drop all rows.
      this.file.run(sql.DROP_HISTORY);
      this.file.run(sql.DROP_ALL_CONTENT);
      this.#size = { versions: 0, bytes: 0, oldest: version + 1 };
      return;
    }
    const sha256 = kind === "full" ? this.file.sha256 : null;
    // Not read from the row, which can be older, and behind whose bytes SQLite finds these columns.
    this.file.run(sql.KEEP_VERSION, version, kind, ext, headers, state, updatedAt, len, sha256);
    if (sha256 !== null) {
      const kept = this.file.hasPieces
        ? this.file.run(sql.INSERT_CONTENT, sha256, this.file.body())
        : this.file.run(sql.KEEP_CONTENT, sha256);
      if (kept > 0) size.bytes += len;
      this.file.walBytes += len;
    }
    if (size.versions === 0) size.oldest = version;
    size.versions += 1;
    if (size.versions > this.limits.versions + historySlack(this.limits)) {
      // By count, because the versions of a name that had several worlds have gaps.
      const beyond = this.file.get(sql.VERSION_BEYOND, this.limits.versions);
      if (beyond !== undefined) this.#dropThrough(Number(beyond.version), size);
    }
    while (size.bytes > this.limits.bytes && this.#dropOldest(size));
  }

  /** Discards the totals after a rollback; the next call counts again. */
  resetTotals(): void {
    this.#size = undefined;
  }

  /**
   * Drops versions that an earlier setting kept. Otherwise the versions would have a gap, and
   * `prefix` rows before it would refer to the wrong bytes.
   */
  #keepNone(): void {
    if (this.#size !== undefined) return;
    this.#size = { versions: 0, bytes: 0, oldest: 0 };
    if (this.file.get(sql.HAS_HISTORY) === undefined) return;
    this.file.run(sql.DROP_HISTORY);
    this.file.run(sql.DROP_ALL_CONTENT);
  }

  /** Drops all versions up to and including `last`. */
  #dropThrough(last: number, size: Size): void {
    size.versions -= this.file.run(sql.DROP_VERSIONS, last);
    for (const { len } of this.file.all(sql.DROP_UNREFERENCED_CONTENT)) size.bytes -= Number(len);
    size.oldest = Math.max(size.oldest, last + 1);
  }

  #dropOldest(size: Size): boolean {
    const oldest = size.oldest;
    if (oldest > this.file.row.version) return false;
    size.oldest += 1;
    const dropped = this.file.get(sql.DROP_VERSION, oldest);
    if (dropped === undefined) {
      // The versions have a gap here: continue after it.
      const next = this.file.get(sql.HISTORY_SIZE)?.oldest;
      size.oldest = Number(next ?? this.file.row.version + 1);
      return true;
    }
    size.versions -= 1;
    if (typeof dropped.sha256 === "string") {
      const freed = this.file.get(sql.DROP_CONTENT, dropped.sha256);
      if (freed !== undefined) size.bytes -= Number(freed.len);
    }
    return true;
  }

  #measure(): Size {
    this.file.exec(sql.CREATE_HISTORY);
    const found = this.file.get(sql.HISTORY_SIZE);
    return {
      versions: Number(found?.versions ?? 0),
      bytes: Number(found?.bytes ?? 0),
      oldest: Number(found?.oldest ?? this.file.row.version),
    };
  }
}
