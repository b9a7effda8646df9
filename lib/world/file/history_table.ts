/**
 * A world's earlier versions, beside its chain and within a bound. It keeps the version that is
 * about to be replaced, inside the same transaction, and lets the oldest go. It never touches the
 * current row.
 */

import type { SQLInputValue } from "node:sqlite";
import * as sql from "./sql.ts";

/** How much of the past a world keeps; `versions: 0` keeps none. */
export interface HistoryLimits {
  readonly versions: number;
  readonly bytes: number;
}

interface Size {
  versions: number;
  bytes: number;
  oldest: number;
}

/** What the history reads and runs in the open file of its world. */
export interface HistoryFile {
  /** Length in bytes and version of the current row. */
  readonly row: { readonly len: number; readonly version: number };
  /** SHA-256 of the current bytes, in hexadecimal. */
  readonly sha256: string;
  /** Bytes written to the WAL since the last checkpoint, estimated; the history adds its own. */
  walBytes: number;
  get(statement: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined;
  all(statement: string, ...values: SQLInputValue[]): Record<string, unknown>[];
  run(statement: string, ...values: SQLInputValue[]): number;
  exec(statements: string): void;
}

/** The history tables of one open world. */
export class HistoryTable {
  #size: Size | undefined;

  constructor(readonly file: HistoryFile, readonly limits: HistoryLimits) {}

  /**
   * Keeps the current version before it changes.
   *
   * @param kind `prefix` when the next version begins with all of its bytes
   */
  keep(kind: "full" | "prefix"): void {
    if (this.limits.versions === 0) return this.#keepNone();
    const size = this.#size ??= this.#measure();
    const { len, version } = this.file.row;
    if (kind === "full" && len > this.limits.bytes) {
      // Prefixes before it would lean on bytes that are not kept, so they go as well.
      this.file.run(sql.DROP_HISTORY);
      this.file.run(sql.DROP_ALL_CONTENT);
      this.#size = { versions: 0, bytes: 0, oldest: version + 1 };
      return;
    }
    const sha256 = kind === "full" ? this.file.sha256 : null;
    this.file.run(sql.KEEP_VERSION, kind, sha256);
    if (sha256 !== null) {
      if (this.file.run(sql.KEEP_CONTENT, sha256) > 0) size.bytes += len;
      this.file.walBytes += len;
    }
    if (size.versions === 0) size.oldest = version;
    size.versions += 1;
    if (size.versions > this.limits.versions + slackOf(this.limits)) {
      this.#dropThrough(version - this.limits.versions, size);
    }
    while (size.bytes > this.limits.bytes && this.#dropOldest(size));
  }

  /** Forgets the running totals; the next use counts again. */
  resetTotals(): void {
    this.#size = undefined;
  }

  /** Lets go what an earlier setting kept: a gap would make prefixes lean on the wrong bytes. */
  #keepNone(): void {
    if (this.#size !== undefined) return;
    this.#size = { versions: 0, bytes: 0, oldest: 0 };
    if (this.file.get(sql.HAS_HISTORY) === undefined) return;
    this.file.run(sql.DROP_HISTORY);
    this.file.run(sql.DROP_ALL_CONTENT);
  }

  /** Drops every version up to one, in two statements. */
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
    if (dropped === undefined) return true;
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

/**
 * Versions that may lie beyond the bound before they are dropped together, which costs a write a
 * fraction of dropping one each time. Readers already take them for gone.
 */
function slackOf({ versions }: HistoryLimits): number {
  return versions >> 3;
}
