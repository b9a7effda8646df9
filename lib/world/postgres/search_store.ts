/**
 * The search of a node: keeps the tables of the search up to date together with the other nodes, and
 * answers searches. A search first waits for the worlds that it covers; worlds that it does not cover cost
 * it nothing, so that its caller learns nothing about them. A change that is younger than two seconds can
 * be missing.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import { INDEX_RETRY_MS } from "../../limits.ts";
import {
  SEARCH_COLLECT_MS,
  SEARCH_LOOKED_CHANGES,
  SEARCH_START_DELAY_MS,
  SEARCH_TABLES_COLLECT_MS,
  SEARCH_WAIT_MS,
} from "../../search_limits.ts";
import { toRanges } from "../name_ranges.ts";
import type { SearchPage, SearchQuery } from "../search.ts";
import { type JobCaller, StoreError, type World, type WorldEntry } from "../store.ts";
import type { SearchCounts } from "../store_counts.ts";
import type { LongJobLimits } from "../store/long_jobs.ts";
import { Pauses } from "../store/pauses.ts";
import { SearchJobs } from "../store/search_jobs.ts";
import type { QuerySession, QuerySessions } from "./query_sessions.ts";
import { type IndexerStep, SearchIndexer } from "./search_indexer.ts";
import { searchTables } from "./search_query.ts";

/** Pause between two steps of what waits, so that writes have the database. */
const STEP_PAUSE_MS = 5;
/** The figures are read again after this time. */
const COUNT_MS = 60_000;
/** Pause of a search that waits for the worlds that it covers. */
const LOOK_MS = 50;

const STATE = `SELECT s.seq, f.seq AS newest FROM elastik.search_state s, elastik.feed f`;
/**
 * The same, whether a window of changes has begun, and the age in milliseconds of the oldest change that the
 * tables lack.
 */
const LOOK = `SELECT s.seq, f.seq AS newest, s.upto > s.seq AS has_begun, (
    SELECT extract(epoch FROM clock_timestamp() - b.at)::float8 * 1000 FROM elastik.batches b
    WHERE b.first > s.seq ORDER BY b.first LIMIT 1) AS age
  FROM elastik.search_state s, elastik.feed f`;
/** Whether changes after a number, up to another one, concern some names. */
const PENDING = `SELECT EXISTS (
  SELECT 1 FROM elastik.batches b JOIN elastik.events e ON e.batch = b.id
  JOIN unnest($3::text[], $4::text[]) AS r(low, high)
    ON e.name >= r.low AND e.name < r.high OR e.also >= r.low AND e.also < r.high
  WHERE b.first > $1 AND b.first <= $2) AS found`;
const COUNTS = `SELECT (SELECT count(*) FROM elastik.search_open_worlds WHERE chars IS NOT NULL)
    + (SELECT count(*) FROM elastik.search_restricted_worlds WHERE chars IS NOT NULL) AS worlds,
  pg_total_relation_size('elastik.search_open_pieces')
    + pg_total_relation_size('elastik.search_restricted_pieces')
    + pg_total_relation_size('elastik.search_open_worlds')
    + pg_total_relation_size('elastik.search_restricted_worlds') AS bytes`;

/** What a {@link PostgresSearch} needs. */
export interface PostgresSearchOptions {
  readonly read: QuerySessions;
  /** Sessions that can change the database. */
  readonly write: QuerySessions;
  /** Publishes everything that was acknowledged before the call. */
  readonly publish: () => Promise<unknown>;
  /** The visible world of a name, from the catalog. */
  readonly stat: (name: string) => WorldEntry | undefined;
  /** The worlds of the lower layer. */
  readonly lower: ReadonlyMap<string, World>;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** The world as callers below T3 see it; the same object if nothing is hidden from them. */
  readonly redact: (world: World) => World;
  readonly limits: LongJobLimits;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
  /** Version of Unicode of this process. */
  readonly unicode: string;
}

/** See the module. */
export class PostgresSearch {
  readonly #options: PostgresSearchOptions;
  readonly #jobs: SearchJobs;
  readonly #indexer: SearchIndexer;
  #work: Promise<void> = Promise.resolve();
  readonly #pauses = new Pauses();
  #isStopping = false;
  #isWanted = false;
  /** Whether the tables were filled by a node with a newer version of Unicode. */
  #isOlder = false;
  #pending = 0;
  #worlds = 0;
  #bytes = 0;
  #countedAt = -Infinity;
  #lastFault = "";

  constructor(options: PostgresSearchOptions) {
    this.#options = options;
    this.#jobs = new SearchJobs(options.limits);
    this.#indexer = new SearchIndexer(options);
  }

  /** Figures: `pending` are changes that the tables do not have, the rest is that of all nodes. */
  get counts(): SearchCounts {
    return {
      worlds: this.#worlds,
      waitingChars: 0,
      bytes: this.#bytes,
      pending: this.#pending,
      ...this.#jobs.counts,
    };
  }

  /** Begins to follow the changes in a moment, until {@link PostgresSearch.stop}. */
  start(delayMs = SEARCH_START_DELAY_MS): void {
    this.#work = this.#run(delayMs);
  }

  /** Records that a world changed, on any node, after memory has the change. */
  recordChange(): void {
    this.#jobs.recordChange();
  }

  /**
   * Searches. Equal searches share one job as long as nothing changes.
   *
   * @throws {StoreError} `busy` if too many searches wait, or the tables are not complete in time
   */
  search(query: SearchQuery, caller: JobCaller): Promise<SearchPage> {
    return this.#jobs.run(query, caller, (signal) => this.#search(query, signal));
  }

  /** Stops the updates and all searches; resolves when no session is in use. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#jobs.close();
    this.#pauses.close();
    await this.#work;
  }

  async #search(query: SearchQuery, signal: AbortSignal): Promise<SearchPage> {
    await this.#complete(query, signal);
    const page = await this.#options.read.use((session) => searchTables(session, query, signal));
    // A world that was deleted since then is not shown.
    const hits = page.hits.filter(({ name }) => this.#options.stat(name) !== undefined);
    return { ...page, hits };
  }

  /** Waits until the tables have the worlds that a search covers. */
  async #complete({ within }: SearchQuery, signal: AbortSignal): Promise<void> {
    await this.#options.publish();
    const startedAt = performance.now();
    const ranges = toRanges(within);
    let newest: number | undefined;
    for (;;) {
      const upto = await this.#options.read.use((session) => findMissing(session, newest, ranges));
      const needsLower = !this.#indexer.hasLower && !this.#isOlder;
      if (upto === undefined && !needsLower || signal.aborted) return;
      newest = upto ?? newest;
      if (performance.now() - startedAt > SEARCH_WAIT_MS) {
        throw new StoreError(
          "busy",
          "Cannot search: the search index does not have all of the worlds yet; try again later",
        );
      }
      this.#isWanted = true;
      this.#pauses.end();
      await new Promise((resume) => setTimeout(resume, LOOK_MS));
      if (this.#isStopping) throw new StoreError("closed", "Cannot search: the server is stopping");
    }
  }

  async #run(delayMs: number): Promise<void> {
    await this.#pauses.wait(delayMs);
    while (!this.#isStopping) await this.#pauses.wait(await this.#runOnce());
  }

  /** @returns the pause until the next step, in milliseconds */
  async #runOnce(): Promise<number> {
    const wasWanted = this.#isWanted;
    this.#isWanted = false;
    try {
      const { seq, dueMs } = await this.#look();
      const isWanted = wasWanted || this.#isWanted;
      const isDue = dueMs !== undefined && (dueMs <= 0 || isWanted);
      // All nodes look at the same time: only the first one makes a step.
      const done: IndexerStep = isDue
        ? await this.#indexer.step(isWanted ? undefined : seq)
        : "done";
      this.#lastFault = "";
      this.#isOlder = done === "older";
      if (done === "more") return STEP_PAUSE_MS;
      if (this.#isOlder) return INDEX_RETRY_MS;
      if (this.#isWanted) return LOOK_MS;
      await this.#count();
      return isDue || dueMs === undefined ? SEARCH_COLLECT_MS : dueMs;
    } catch (error) {
      this.#report(error);
      return INDEX_RETRY_MS;
    }
  }

  /**
   * Looks for changes that the tables lack. They are collected for a moment, by the clock of the database:
   * then all nodes together index a name no more often. What waits longer is worked off without pauses.
   *
   * @returns the position, and the time until the next step in milliseconds, undefined if nothing is to do
   */
  async #look(): Promise<{ readonly seq: number; readonly dueMs: number | undefined }> {
    // Not prepared: a plan that is kept from the time of an empty database would read all batches.
    const [row] = await this.#options.read.use((session) => session.query(LOOK));
    const seq = Number(row?.seq ?? 0);
    this.#pending = Math.max(0, Number(row?.newest ?? 0) - seq);
    if (!this.#indexer.hasLower) return { seq, dueMs: 0 };
    if (this.#pending === 0) return { seq, dueMs: undefined };
    const age = Number(row?.age ?? Infinity);
    // The clock of another primary can be ahead.
    const isDue = row?.has_begun === true || age < 0;
    return { seq, dueMs: isDue ? 0 : Math.max(0, SEARCH_TABLES_COLLECT_MS - age) };
  }

  async #count(): Promise<void> {
    const now = performance.now();
    if (now - this.#countedAt < COUNT_MS) return;
    this.#countedAt = now;
    const [row] = await this.#options.read.use((session) =>
      session.query(COUNTS, [], LONG_QUERY_MS)
    );
    this.#worlds = Number(row?.worlds ?? 0);
    this.#bytes = Number(row?.bytes ?? 0);
  }

  #report(error: unknown): void {
    if (this.#isStopping) return;
    const fault = error instanceof Error ? error.message : String(error);
    if (fault !== this.#lastFault) {
      this.#options.log(`cannot update the search index, trying again: ${fault}`);
    }
    this.#lastFault = fault;
  }
}

/**
 * Looks for changes that the tables of the search lack.
 *
 * @param newest number of the last change that is needed; undefined is the newest of now
 * @returns undefined if nothing is missing, else the number of the last change that is needed
 */
async function findMissing(
  session: QuerySession,
  newest: number | undefined,
  ranges: readonly { readonly from: string; readonly to: string }[],
): Promise<number | undefined> {
  const [row] = await session.query(STATE, []);
  const seq = Number(row?.seq ?? 0);
  const upto = newest ?? Number(row?.newest ?? 0);
  if (seq >= upto) return undefined;
  if (upto - seq > SEARCH_LOOKED_CHANGES) return upto;
  const [pending] = await session.query(PENDING, [
    ...[seq, upto],
    ranges.map(({ from }) => from),
    ranges.map(({ to }) => to),
  ], LONG_QUERY_MS);
  return pending?.found === true ? upto : undefined;
}
