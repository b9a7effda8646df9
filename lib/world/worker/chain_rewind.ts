/**
 * Finds the events that a chain and the change index have in common, and removes those that the chain
 * does not have any more, because the folder of its world was replaced by an older copy. A change has no id of its chain, so they are found by their names,
 * ids and times.
 */

import type { NamedEvent, NamedHead } from "../changes.ts";
import { readMark } from "../idempotency_mark.ts";
import { collectionsOf, pathKey } from "../change_values.ts";
import * as sql from "./change_sql.ts";
import type { IndexDatabase, IndexRow } from "./index_database.ts";

/** An indexed event. */
export interface EventPlace {
  readonly seq: number;
  readonly event: number;
  readonly at: string;
}

/** Which events of a chain are removed. */
export interface LaterEvents {
  /** Id and time of the newest indexed event of the chain under the name. */
  readonly event: number;
  readonly at: string;
  /** Id of the last event that is kept. */
  readonly keep: number;
  /** Time before which the chain has no event that is removed. */
  readonly since: string;
}

/**
 * Selects the events of a chain after one that is kept. The names can have had other chains, whose events
 * have the same ids; a chain has each id once, its events are in order, and its times never decrease. Pure.
 *
 * @param places the events of the names of the chain, newest first
 * @returns their numbers
 */
export function selectLaterEvents(
  places: readonly EventPlace[],
  { event, at, keep, since }: LaterEvents,
): number[] {
  const byId = new Map<number, EventPlace[]>();
  for (const place of places) {
    const known = byId.get(place.event);
    if (known === undefined) byId.set(place.event, [place]);
    else known.push(place);
  }
  const found: number[] = [];
  let [before, until] = [Infinity, at];
  for (let id = event; id > keep; id--) {
    const place = byId.get(id)?.find((one) =>
      one.seq < before && one.at <= until && one.at >= since
    );
    // One that was never indexed, because the chain could not be read.
    if (place === undefined) continue;
    found.push(place.seq);
    [before, until] = [place.seq, place.at];
  }
  return found;
}

/**
 * Deletes the events of a chain under one of its names, after one that is kept.
 *
 * @param name a name of the chain
 * @param findPathId returns the id of a list; undefined if it does not exist
 */
export function deleteLaterEvents(
  db: Pick<IndexDatabase, "all" | "run">,
  name: string,
  later: LaterEvents,
  findPathId: (key: string) => number | undefined,
): void {
  const rows = new Map<number, IndexRow>();
  for (const row of db.all(sql.EVENTS_OF_NAME, name, later.keep + 1, later.event)) {
    rows.set(Number(row.seq), row);
  }
  const places = [...rows].map(([seq, { event, at }]) => ({
    seq,
    event: Number(event),
    at: String(at),
  }));
  for (const seq of selectLaterEvents(places.sort((a, b) => b.seq - a.seq), later)) {
    const { also, payload } = rows.get(seq) ?? {};
    const paths = new Set(
      [name, also].filter((one) => typeof one === "string").flatMap(pathKeysOf),
    );
    for (const path of paths) {
      const id = findPathId(path);
      if (id !== undefined) db.run(sql.DELETE_BELOW, id, seq);
    }
    const mark = readMark(String(payload));
    if (mark !== undefined) db.run(sql.DELETE_KEY, mark.key, seq);
    db.run(sql.DELETE_CHANGE, seq);
  }
}

/**
 * Whether a chain has left a name. One that is present under it, or in the trash, is a copy and keeps its
 * events.
 */
export function hasLeftName(
  db: Pick<IndexDatabase, "all">,
  { name, event, at, ended }: NamedHead,
): boolean {
  if (!ended) return false;
  const rows = db.all(sql.EVENTS_OF_NAME, name, event, event);
  return rows.find((row) => row.at === at)?.type !== "world_deleted";
}

/**
 * Returns the id before the first of some events that is not indexed.
 *
 * @param events events of one chain, oldest first, at least one
 * @param statement reads the indexed events of a name between two ids
 */
export function findLastCommon(
  db: Pick<IndexDatabase, "all">,
  events: readonly NamedEvent[],
  statement: string,
): number {
  const first = events[0]?.id ?? 1;
  const last = events.at(-1)?.id ?? first;
  const known = new Set<string>();
  for (const name of new Set(events.map((event) => event.name))) {
    for (const row of db.all(statement, name, first, last)) {
      known.add(`${row.event} ${row.at} ${row.type} ${row.name} ${row.payload}`);
    }
  }
  const missing = events.find(({ id, timestamp, type, name, payload }) =>
    !known.has(`${id} ${timestamp} ${type} ${name} ${payload}`)
  );
  return missing === undefined ? last : missing.id - 1;
}

/** The lists that can have an event of a name: whether only T3 can read it is not known any more. */
function pathKeysOf(name: string): string[] {
  return collectionsOf(name).flatMap((path) => [pathKey(path, false), pathKey(path, true)]);
}
