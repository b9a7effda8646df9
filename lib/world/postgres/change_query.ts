/**
 * Pages of the one order of all changes, from the lists that the database has of collections and of
 * names. The order, the cursors and the filters are those of the change index of the other engine. A
 * query first publishes and lists what was acknowledged before it.
 *
 * Worlds that only T3 can read have lists of their own, so that they cost other callers no time.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import { CHANGE_SCAN_STEP } from "../../limits.ts";
import { type CursorCodec, NO_RUN } from "../change_cursor.ts";
import { createFilter, parseJson } from "../change_values.ts";
import type { ChangePage, ChangeQuery, IndexedEvent, KeyedEvent, Within } from "../changes.ts";
import { type JobCaller, StoreError } from "../store.ts";
import { readPage } from "../store/change_scan.ts";
import type { LongJobs } from "../store/long_jobs.ts";
import type { QueryRow, QuerySession, QuerySessions } from "./query_sessions.ts";

/** Batches that one call adds to the lists. */
const BATCHES_PER_CALL = 200;

const NEWEST = `SELECT seq, (SELECT run FROM elastik.runs WHERE first <= feed.seq
  ORDER BY first DESC LIMIT 1) AS run FROM elastik.feed`;
const RUN_OF = `SELECT run FROM elastik.runs WHERE first <= $1 ORDER BY first DESC LIMIT 1`;
const INDEX = `SELECT elastik.index_1($1) AS more`;
/** The numbers of the next changes in some lists, each once. */
const NEXT_OLDEST = `SELECT DISTINCT b.seq
  FROM elastik.paths p CROSS JOIN LATERAL elastik.listed_1(p.id, $2, false, $3) AS b (seq)
  WHERE p.key = ANY ($1) ORDER BY b.seq LIMIT $3`;
const NEXT_NEWEST = `SELECT DISTINCT b.seq
  FROM elastik.paths p CROSS JOIN LATERAL elastik.listed_1(p.id, $2, true, $3) AS b (seq)
  WHERE p.key = ANY ($1) ORDER BY b.seq DESC LIMIT $3`;
const EVENTS_AT = `SELECT seq, run, name, also, event, at, type, payload, by
  FROM elastik.events_at_1($1) WHERE type <> ''`;
const KEYED = `SELECT name, id AS event, timestamp AS at, event_type AS type, payload
  FROM elastik.events WHERE key = $1 ORDER BY batch, n`;
/**
 * The number of the first change of the first batch up to whose end there is a change of a time or later;
 * NULL if there is none. The latest time up to a batch never decreases, so its place is halved.
 */
const FIRST_SINCE = `WITH RECURSIVE search (low, high) AS (
    SELECT 1::bigint, (SELECT seq FROM elastik.feed) + 1
    UNION ALL
    SELECT CASE WHEN b.latest < $1 THEN b.first + b.size ELSE s.low END,
      CASE WHEN b.latest < $1 THEN s.high ELSE least(m.middle, s.high - 1) END
    FROM search s CROSS JOIN LATERAL (SELECT (s.low + s.high) / 2 AS middle) m
    LEFT JOIN LATERAL (SELECT first, size, latest FROM elastik.batches
      WHERE first >= m.middle ORDER BY first LIMIT 1) b ON true
    WHERE s.low < s.high)
  SELECT min(low) AS low FROM search WHERE low >= high`;

/** What {@link ChangeQueries} needs. */
export interface ChangeQueriesOptions {
  readonly read: QuerySessions;
  /** Sessions that can change the database. */
  readonly write: QuerySessions;
  /** Publishes everything that was acknowledged before the call. */
  readonly publish: () => Promise<unknown>;
  readonly codec: CursorCodec;
  readonly jobs: Pick<LongJobs, "run">;
}

/** See the module. */
export class ChangeQueries {
  readonly #options: ChangeQueriesOptions;
  /** The work before queries that runs, and the one that begins after it. */
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(options: ChangeQueriesOptions) {
    this.#options = options;
  }

  /**
   * Reads a page. One with `by` is a long job, because it can need a scan of all changes.
   *
   * @throws {StoreError} `gone` if the position cannot be located, `busy` if too many long jobs wait
   */
  changes(query: ChangeQuery, caller: JobCaller = {}): Promise<ChangePage> {
    return readPage({ read: (part) => this.#read(part) }, this.#options.jobs, query, caller);
  }

  /** Returns the events of changes with an idempotency key, in their order. */
  async keyed(key: string): Promise<KeyedEvent[]> {
    const rows = await this.#options.read.use((session) => session.query(KEYED, [key]));
    return rows.map(toKeyedEvent);
  }

  async #read(query: ChangeQuery): Promise<ChangePage> {
    await this.#completeOnce();
    return await this.#options.read.use((session) => this.#readPage(session, query));
  }

  /** Queries that wait share one call, which begins after they came. */
  #completeOnce(): Promise<void> {
    return this.#next ??= this.#running.catch(() => {
      // Safe to ignore: the queries of that call get the error.
    }).then(() => {
      this.#next = undefined;
      return this.#running = this.#complete();
    });
  }

  /** Publishes and lists what was acknowledged. */
  async #complete(): Promise<void> {
    await this.#options.publish();
    await this.#options.write.use(async (session) => {
      for (let more = true; more;) {
        const [row] = await session.query(INDEX, [BATCHES_PER_CALL], LONG_QUERY_MS);
        more = row?.more === true;
      }
    });
  }

  async #readPage(session: QuerySession, query: ChangeQuery): Promise<ChangePage> {
    const { order, limit, within, from, since } = query;
    const start = await this.#startOf(session, query);
    const keys = within.flatMap(listsOf);
    const lowest = since === undefined ? 0 : await firstSince(session, since);
    const matches = createFilter(query);
    const found: QueryRow[] = [];
    let at = start;
    let isComplete = keys.length === 0;
    let left = query.maxSteps ?? Infinity;
    while (left-- > 0 && !isComplete && found.length < limit) {
      const step = Math.min(CHANGE_SCAN_STEP, Math.max(limit - found.length, 64));
      const isNewest = order === "newest";
      const after = isNewest ? at : Math.max(at, lowest - 1);
      const next = await session.query(isNewest ? NEXT_NEWEST : NEXT_OLDEST, [
        keys,
        after,
        // One more shows whether there are more.
        step + 1,
      ], LONG_QUERY_MS);
      const seqs = next.slice(0, step).map(({ seq }) => Number(seq))
        .filter((seq) => seq >= lowest);
      isComplete = next.length <= step || seqs.length < step;
      const rows = new Map(
        (await session.query(EVENTS_AT, [seqs], LONG_QUERY_MS)).map((
          row,
        ) => [Number(row.seq), row]),
      );
      for (const seq of seqs) {
        at = seq;
        // The events of a world that was deleted for good are gone.
        const row = rows.get(seq);
        if (row !== undefined && matches(row)) found.push(row);
        if (found.length < limit) continue;
        isComplete &&= seq === seqs.at(-1);
        break;
      }
    }
    // Only a position that the query covers, so that it tells nothing about other changes.
    const position = at === start && from === undefined ? 0 : at;
    const cursor = await this.#cursorOf(session, position);
    return { events: found.map((row) => this.#toEvent(row)), cursor, more: !isComplete };
  }

  async #startOf(
    session: QuerySession,
    { order, from, isInclusive }: ChangeQuery,
  ): Promise<number> {
    const [newest] = await session.query(NEWEST, []);
    const last = Number(newest?.seq ?? 0);
    if (from === undefined) return order === "newest" ? last + 1 : 0;
    const position = this.#options.codec.parse(from);
    if (position !== undefined && position.seq <= last) {
      if (position.seq === 0) return 0;
      if (await readRun(session, position.seq) === position.run) {
        return isInclusive === true ? position.seq - 1 : position.seq;
      }
    }
    throw new StoreError(
      "gone",
      "Cannot continue: the server does not know the position; it lost its newest changes",
    );
  }

  async #cursorOf(session: QuerySession, seq: number): Promise<string> {
    const run = seq === 0 ? NO_RUN : await readRun(session, seq);
    return this.#options.codec.format({ seq, run });
  }

  #toEvent(row: QueryRow): IndexedEvent {
    const { name, event, at, type, payload, also, seq, run } = row;
    return {
      cursor: this.#options.codec.format({ seq: Number(seq), run: String(run ?? NO_RUN) }),
      name: String(name),
      ...(also === null ? {} : { also: String(also) }),
      id: Number(event),
      timestamp: String(at),
      type: String(type),
      payload: parseJson(String(payload)),
    };
  }
}

/** Returns the keys of the lists that a part of the tree has. */
function listsOf({ name, part, restricted }: Within): string[] {
  return [
    ...(part === "below" ? [] : [`e${name}`]),
    ...(part === "exact" ? [] : [`a${name}`, ...(restricted ? [`r${name}`] : [])]),
  ];
}

async function readRun(session: QuerySession, seq: number): Promise<string> {
  const [row] = await session.query(RUN_OF, [seq]);
  return String(row?.run ?? NO_RUN);
}

async function firstSince(session: QuerySession, since: string): Promise<number> {
  const [row] = await session.query(FIRST_SINCE, [since]);
  return Number(row?.low ?? 0);
}

function toKeyedEvent({ name, event, at, type, payload }: QueryRow): KeyedEvent {
  return {
    name: String(name),
    id: Number(event),
    timestamp: String(at),
    type: String(type),
    payload: parseJson(String(payload)),
  };
}
