/**
 * Published batches of the PostgreSQL store for tests of the lists of changes: of one and of many events,
 * with empty places, without events, with moves and with worlds that only T3 can read.
 */

import type { QuerySession } from "../../lib/world/postgres/query_sessions.ts";

/** An event, and the keys of all lists that it belongs to. */
export interface ListedEvent {
  readonly seq: number;
  readonly name: string;
  readonly at: string;
  readonly lists: ReadonlySet<string>;
}

/** The names of an event that is not inserted yet. */
export interface EventNames {
  readonly name: string;
  /** The other name of a move, or null. */
  readonly also: string | null;
}

/** A batch that is not inserted yet. */
export interface NewBatch {
  /** Id of the world of the first event; each event is the first one of a world of its own. */
  readonly world: number;
  readonly at: string;
  /** Its events; a batch without any is a change of the WebDAV locks. */
  readonly drafts: readonly EventNames[];
  /** Places for events; by default as many as there are events. */
  readonly size?: number;
}

/** Events of the batches, in their order: 700 are more than one row of a list has. */
const SIZES = [1, 1, 2, 0, 7, 1, 40, 700, 0, 3, 1, 1, 25, 1, 0, 90, 2, 1, 1, 12];
/** Worlds with the last name `2` are those that only T3 can read, in collections with others. */
const COLLECTIONS = ["home", "home/a", "home/a/b", "home/x", "etc", "etc/a"];
const INSERT =
  `INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac, prev_hmac,
    batch, n, kind, name, also, by, version, ext, state, len, restricted, also_restricted)
  SELECT $1 + n - 1, 1, $2, 'stage_written', '{}', 'h', 'p', $3, n, 'update', name, also, 'T2', 1, 'txt', '', 3,
    name LIKE '%/2', coalesce(also LIKE '%/2', false)
  FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS x (name, also, n)`;

/** Inserts a batch as `apply_1` does. It is not published yet. */
export async function insertBatch(
  session: QuerySession,
  { world, at, drafts, size = drafts.length }: NewBatch,
): Promise<void> {
  const [batch] = await session.query(
    "INSERT INTO elastik.batches (size, latest, kind) VALUES ($1, $2, $3) RETURNING id",
    [size, at, drafts.length === 0 ? "locks" : null],
  );
  const names = [drafts.map(({ name }) => name), drafts.map(({ also }) => also)];
  await session.query(INSERT, [world, at, Number(batch?.id), ...names]);
}

/**
 * Inserts batches and publishes them. All events of a batch have one time; the times rise.
 *
 * @param index called after some of the batches, to add them to the lists
 * @returns the events, in the order of all changes
 */
export async function fillBatches(
  session: QuerySession,
  random: () => number,
  index: () => Promise<unknown>,
): Promise<ListedEvent[]> {
  const events: ListedEvent[] = [];
  let first = 1;
  for (const [at, count] of SIZES.entries()) {
    const drafts = Array.from({ length: count }, () => createDraft(random));
    const size = Math.max(count, 1) + (random() < 0.3 ? 2 : 0);
    const time = `2026-01-01T00:00:${String(at).padStart(2, "0")}.000Z`;
    await insertBatch(session, { world: first, at: time, drafts, size });
    for (const [place, draft] of drafts.entries()) {
      events.push({ seq: first + place, name: draft.name, at: time, lists: listsOf(draft) });
    }
    first += size;
    if (random() < 0.6) await session.query("SELECT elastik.publish_1(false)", []);
    if (random() < 0.5) await index();
  }
  await session.query("SELECT elastik.publish_1(false)", []);
  return events;
}

function createDraft(random: () => number): EventNames {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const name = () => `${pick(COLLECTIONS)}/${pick(["1", "2", "é"])}`;
  return { name: name(), also: random() < 0.2 ? name() : null };
}

function listsOf({ name, also }: EventNames): Set<string> {
  const lists = new Set<string>();
  for (const one of also === null ? [name] : [name, also]) {
    lists.add(`e${one}`);
    const kind = one.endsWith("/2") ? "r" : "a";
    const parts = one.split("/");
    for (let count = 0; count < parts.length; count++) {
      lists.add(kind + parts.slice(0, count).join("/"));
    }
  }
  return lists;
}
