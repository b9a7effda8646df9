/**
 * Judges what followers received during a run: streams of worlds, streams of collections, and
 * `/proc/changes`. Pure.
 *
 * | rule         | statement                                                                              |
 * | ------------ | -------------------------------------------------------------------------------------- |
 * | `stream`     | versions rise, also on another node; none that comes after `Last-Event-ID` is missing; contents are right; the last event is the last state |
 * | `collection` | states of a world never go back; at the end the reader has the stored version of every world |
 * | `changes`    | every event comes exactly once, each world's in its order, and in one order for all followers |
 */

import { BEFORE_ALL, type State } from "./attribution.ts";
import type {
  ChangeRow,
  ChangesRecord,
  CollectionRecord,
  Entry,
  FinalState,
  History,
  Report,
  Rule,
  StreamEvent,
  StreamRecord,
  Violation,
} from "./history.ts";

/**
 * Judges the records of all followers.
 *
 * @param states the states of each name, by {@link attribute}
 */
export function checkFollowers(
  { streams, collections, changes }: Pick<History, "streams" | "collections" | "changes">,
  { timelines }: Pick<FinalState, "timelines">,
  states: ReadonlyMap<string, readonly State[]>,
): Violation[] {
  const found: Violation[] = [];
  const report: Report = (rule, world, text) => found.push({ rule, world, text });
  for (const record of streams) checkStream(record, states.get(record.world) ?? [], report);
  for (const record of collections) checkCollection(record, states, report);
  const [first] = changes;
  for (const record of changes) {
    checkChanges(record, timelines, report);
    if (first !== undefined && record !== first) compareOrders(first, record, report);
  }
  return found;
}

function showEvent({ kind, version }: StreamEvent): string {
  return kind === "update" ? `version ${version}` : `the deletion of version ${version}`;
}

function checkStream(
  { reader, world, events }: StreamRecord,
  states: readonly State[],
  report: Report,
): void {
  const places = new PlaceIndex(states);
  const say = (text: string) => report("stream", world, `${reader} ${text}`);
  let last: StreamEvent | undefined;
  let place = 0;
  for (const event of events) {
    const next = places.of(event);
    const state = states[next];
    if (state === undefined) {
      say(`got ${showEvent(event)}, which is not on the chain`);
      continue;
    }
    if (event.kind === "update" && event.text !== state.text) {
      say(`got another content of ${showEvent(event)}`);
    }
    if (last !== undefined && next <= place) {
      // A connection without Last-Event-ID begins with the current state, whatever came before.
      if (next < place || !event.isFirst) say(`got ${showEvent(event)} after ${showEvent(last)}`);
    } else if (last !== undefined && !event.isFirst) {
      const missed = findMissed(states, place, next);
      if (missed !== undefined) say(`missed version ${missed} before ${showEvent(event)}`);
    }
    [last, place] = [event, next];
  }
  const end = states.at(-1) ?? BEFORE_ALL;
  if (place < end.place) {
    say(`ended with ${last ? showEvent(last) : "nothing"} and missed the rest`);
  }
}

/**
 * A version that a reader had to get between two places. Versions of a world that was deleted since are
 * not sent again.
 */
function findMissed(states: readonly State[], from: number, to: number): number | undefined {
  const [before, state] = [states[to - 1], states[to]];
  if (to - 1 <= from || !before?.isPresent || !state?.isPresent) return undefined;
  return before.version;
}

/** Finds places in constant time. */
class PlaceIndex {
  readonly #places = new Map<string, number>();

  constructor(states: readonly State[]) {
    for (const { place, version, isPresent } of states) {
      this.#places.set(`${isPresent ? "update" : "delete"} ${version}`, place);
    }
  }

  of({ kind, version }: StreamEvent): number {
    return this.#places.get(`${kind} ${version}`) ?? -1;
  }
}

function checkCollection(
  { reader, prefix, events, worlds }: CollectionRecord,
  states: ReadonlyMap<string, readonly State[]>,
  report: Report,
): void {
  const last = new Map<string, { readonly place: number; readonly event: StreamEvent }>();
  const indexes = new Map([...states].map(([world, own]) => [world, new PlaceIndex(own)]));
  for (const event of events) {
    const { world } = event;
    const say = (text: string) => report("collection", world, `${reader} ${text}`);
    const place = indexes.get(world)?.of(event) ?? -1;
    const before = last.get(world);
    // The version of a deletion that a reader missed can be one that the world had before.
    if (place < 0 && event.kind === "delete") continue;
    if (place < 0) say(`got ${showEvent(event)}, which is not on the chain`);
    else if (before !== undefined && place < before.place) {
      say(`got ${showEvent(event)} after ${showEvent(before.event)}`);
    } else last.set(world, { place, event });
  }
  for (const [world, own] of states) {
    if (!world.startsWith(prefix)) continue;
    const end = own.at(-1) ?? BEFORE_ALL;
    const version = worlds.get(world);
    if (version === (end.isPresent ? end.version : undefined)) continue;
    const has = version === undefined ? "no world" : `version ${version}`;
    const stored = end.isPresent ? `version ${end.version}` : "no world";
    report("collection", world, `${reader} has ${has} at the end, and ${stored} is stored`);
  }
  for (const world of worlds.keys()) {
    if (!states.has(world)) report("collection", world, `${reader} has a world that is not stored`);
  }
}

/** What an event of `/proc/changes` is on a timeline; undefined if it is on none. */
function keyOf({ name, type, payload }: ChangeRow): string | undefined {
  const { version_after, version, trash } = payload;
  if (type === "world_deleted") return `${name} deletion ${trash} of ${version}`;
  return version_after === undefined ? undefined : `${name} version ${version_after}`;
}

function keyOfEntry(world: string, { kind, version, trash }: Entry): string {
  return kind === "delete"
    ? `${world} deletion ${trash} of ${version}`
    : `${world} version ${version}`;
}

/** The chain of each event that is on a timeline. */
function chainsOf(timelines: FinalState["timelines"]): Map<string, number | string> {
  return new Map(
    [...timelines].flatMap(([world, entries]) =>
      entries.map((entry) => [keyOfEntry(world, entry), entry.chain ?? world] as const)
    ),
  );
}

function checkChanges(
  { follower, prefix, rows }: ChangesRecord,
  timelines: FinalState["timelines"],
  report: Report,
): void {
  const rule: Rule = "changes";
  const cursors = new Set<string>();
  const seen = new Set<string>();
  const chains = chainsOf(timelines);
  /** Id of the last event of each chain; a name that was used again has several chains. */
  const last = new Map<string | number, number>();
  for (const row of rows) {
    const { cursor, name } = row;
    if (cursors.has(cursor)) report(rule, name, `${follower} got the cursor ${cursor} twice`);
    cursors.add(cursor);
    const key = keyOf(row);
    if (key === undefined) continue;
    if (seen.has(key)) report(rule, name, `${follower} got ${key} twice`);
    seen.add(key);
    const chain = chains.get(key) ?? name;
    const before = last.get(chain) ?? 0;
    if (row.id <= before) {
      report(rule, name, `${follower} got ${key} as event ${row.id} after event ${before}`);
    }
    last.set(chain, row.id);
  }
  for (const [world, entries] of timelines) {
    if (!world.startsWith(prefix)) continue;
    for (const entry of entries) {
      // A move to a free name has one event, at its new name.
      if (entry.kind === "delete" && entry.trash === undefined) continue;
      const key = keyOfEntry(world, entry);
      if (!seen.delete(key)) report(rule, world, `${follower} missed ${key}`);
    }
  }
  for (const key of seen) report(rule, prefix, `${follower} got ${key}, which is on no chain`);
}

function compareOrders(one: ChangesRecord, other: ChangesRecord, report: Report): void {
  const [a, b] = [one, other].map(({ rows }) =>
    rows.map((row) => `${row.name} ${row.id} ${row.cursor}`)
  );
  const at = a?.findIndex((row, i) => row !== b?.[i]) ?? -1;
  if (at < 0) return;
  const name = one.rows[at]?.name ?? "";
  report(
    "changes",
    name,
    `${one.follower} got ${a?.[at]} as event ${at + 1}, and ${other.follower} got ${
      b?.[at] ?? "nothing"
    }`,
  );
}
