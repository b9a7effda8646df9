/**
 * The steps in which a page of the change index is read: each reads the next changes of some sorted
 * lists, and keeps those that a query asks for.
 */

import type { SQLInputValue } from "node:sqlite";
import { CHANGE_SCAN_STEP } from "../../limits.ts";
import type { ChangeQuery, Within } from "../changes.ts";
import * as sql from "./change_sql.ts";
import { pathKey } from "../change_values.ts";
import type { IndexDatabase, IndexRow } from "./index_database.ts";

/** A sorted list of changes in the index: of a collection, or of a name. */
export interface List {
  readonly key: SQLInputValue;
  /** Statements that read at most a number of entries before or after a position. */
  readonly newest: string;
  readonly oldest: string;
}

/** A page that is being collected. */
export interface Scan {
  readonly rows: IndexRow[];
  /** Position of the last row that was looked at. */
  at: number;
  isComplete: boolean;
}

/**
 * Returns the lists of changes that a part of the tree covers.
 *
 * @param findPathId returns the id of the list of a collection; undefined if there is none
 */
export function listsOf(
  { name, part, restricted }: Within,
  findPathId: (key: string) => number | undefined,
): List[] {
  const lists: List[] = [];
  if (part !== "below") {
    lists.push({ key: name, newest: sql.NAME_BEFORE, oldest: sql.NAME_AFTER });
    lists.push({ key: name, newest: sql.ALSO_BEFORE, oldest: sql.ALSO_AFTER });
  }
  if (part === "exact") return lists;
  for (const isRestricted of restricted ? [false, true] : [false]) {
    const id = findPathId(pathKey(name, isRestricted));
    if (id !== undefined) {
      lists.push({ key: id, newest: sql.BELOW_BEFORE, oldest: sql.BELOW_AFTER });
    }
  }
  return lists;
}

/**
 * Reads one step of a page.
 *
 * @param lists what the query covers
 * @param scan the page so far, which is continued
 * @param lowest number of the first change that the page can have
 * @param matches whether the query asks for a change
 */
export function scanStep(
  db: Pick<IndexDatabase, "get" | "all">,
  { order, limit }: ChangeQuery,
  lists: readonly List[],
  scan: Scan,
  lowest: number,
  matches: (row: IndexRow) => boolean,
): void {
  const isNewest = order === "newest";
  const step = Math.min(CHANGE_SCAN_STEP, Math.max(limit - scan.rows.length, 64));
  const found = new Set<number>();
  let isShort = true;
  let bound = isNewest ? -Infinity : Infinity;
  for (const list of lists) {
    const rows = db.all(isNewest ? list.newest : list.oldest, list.key, scan.at, step);
    for (const { seq } of rows) found.add(Number(seq));
    if (rows.length < step) continue;
    isShort = false;
    // Beyond the end of a list that was cut, other lists must not be used in this step.
    const end = Number(rows.at(-1)?.seq);
    bound = isNewest ? Math.max(bound, end) : Math.min(bound, end);
  }
  const seqs = [...found].sort((a, b) => isNewest ? b - a : a - b);
  for (const seq of seqs) {
    if (isNewest ? seq < bound : seq > bound) break;
    if (isNewest && seq < lowest) {
      scan.isComplete = true;
      return;
    }
    scan.at = seq;
    if (seq < lowest) continue;
    const row = db.get(sql.SELECT_CHANGE, seq);
    if (row !== undefined && matches(row)) scan.rows.push(row);
    if (scan.rows.length === limit) {
      // Whether more follow is known only if a later one was found.
      scan.isComplete = isShort && seq === seqs.at(-1);
      return;
    }
  }
  scan.isComplete = isShort;
}

/** The number of the first change from which on a change of this time or later can be found. */
export function firstSince(
  db: Pick<IndexDatabase, "get">,
  since: string,
  last: number,
): number {
  let low = 1;
  let high = last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = db.get(sql.LATEST_AT_OR_AFTER, middle);
    if (found === undefined || String(found.latest) >= since) high = middle;
    else low = Number(found.seq) + 1;
  }
  return low;
}
