/**
 * The table of the trash in the ledger of names: one row for each deleted world, so that a listing opens
 * no file. The folders below `.trash` decide what is in the trash; a row without its folder is not
 * shown. Worlds that only T3 can read have rows of their own, so that they cost other callers no time.
 */

import type { SQLInputValue } from "node:sqlite";
import type { Within } from "../changes.ts";
import type { TrashPosition, TrashRecord } from "../trash.ts";
import * as sql from "./trash_sql.ts";

type Row = Record<string, unknown>;

/** Runs prepared statements in the ledger. */
export interface LedgerStatements {
  all(statement: string, ...values: SQLInputValue[]): Row[];
  run(statement: string, ...values: SQLInputValue[]): void;
}

/** The rows of the trash. */
export class TrashTable {
  constructor(readonly ledger: LedgerStatements) {}

  /** Saves a row, or replaces it. */
  save(record: TrashRecord): void {
    const { restricted, name, id, version, deletedAt, by, ext, bytes } = record;
    const flag = restricted ? 1 : 0;
    this.ledger.run(sql.SAVE_TRASH, flag, name, id, version, deletedAt, by, ext, bytes);
  }

  /** Drops the row of one world. */
  drop(id: string, name: string): void {
    this.ledger.run(sql.DROP_TRASH, id, name);
  }

  /** Drops all rows of an id. */
  dropId(id: string): void {
    this.ledger.run(sql.DROP_TRASH_ID, id);
  }

  /** Returns the rows of an id. */
  ofId(id: string): TrashRecord[] {
    return this.ledger.all(sql.TRASH_OF_ID, id).map(toRecord);
  }

  /**
   * Returns rows newest first.
   *
   * @param after the place to continue after; undefined begins with the newest
   */
  newest(
    within: readonly Within[],
    after: TrashPosition | undefined,
    limit: number,
  ): TrashRecord[] {
    const found = new Map<string, TrashRecord>();
    const { deletedAt = "\uffff", id = "", name = "" } = after ?? {};
    for (const { name: root, part, restricted } of within) {
      for (const flag of restricted ? [0, 1] : [0]) {
        const ranges = part === "exact" ? [[root, `${root}\0`]] : root === ""
          ? [["", "\uffff"]]
          // "0" follows "/" in the order of SQLite.
          : [[`${root}/`, `${root}0`], ...(part === "tree" ? [[root, `${root}\0`]] : [])];
        for (const [from = "", to = ""] of ranges) {
          const rows = from === "" && part !== "exact"
            ? this.ledger.all(sql.NEWEST_TRASH, flag, deletedAt, id, name, limit)
            : this.ledger.all(sql.NEWEST_TRASH_IN, flag, from, to, deletedAt, id, name, limit);
          for (const row of rows) {
            const record = toRecord(row);
            found.set(`${record.id}/${record.name}`, record);
          }
        }
      }
    }
    return [...found.values()].sort(byNewest).slice(0, limit);
  }

  /** Returns the ids whose worlds were all deleted before a time, oldest first. */
  expired(before: string, limit: number): string[] {
    return this.ledger.all(sql.EXPIRED_TRASH, before, limit).map(({ id }) => String(id));
  }

  /** Returns all ids, each with the time of its newest row. */
  ids(): Map<string, string> {
    return new Map(
      this.ledger.all(sql.TRASH_IDS).map(({ id, at }) => [String(id), String(at)]),
    );
  }

  /** Counts the rows and their bytes. */
  size(): { entries: number; bytes: number } {
    const [row] = this.ledger.all(sql.TRASH_SIZE);
    return { entries: Number(row?.entries ?? 0), bytes: Number(row?.bytes ?? 0) };
  }
}

function toRecord(row: Row): TrashRecord {
  return {
    restricted: Number(row.restricted) === 1,
    name: String(row.name),
    id: String(row.id),
    version: Number(row.version),
    deletedAt: String(row.deleted_at),
    by: String(row.by),
    ext: String(row.ext),
    bytes: Number(row.bytes),
  };
}

function byNewest(a: TrashRecord, b: TrashRecord): number {
  return compare(b.deletedAt, a.deletedAt) || compare(b.id, a.id) || compare(b.name, a.name);
}

/** Compares texts in the order of SQLite, which is that of their UTF-8 bytes. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [[...a], [...b]];
  for (let at = 0; at < Math.min(x.length, y.length); at++) {
    const difference = (x[at]?.codePointAt(0) ?? 0) - (y[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}
