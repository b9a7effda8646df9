/**
 * The trash in the database: pages, restores and final deletions of one id one after the other in this
 * process, and the expiry, which one node at a time does. Deleted worlds are rows of the table of worlds,
 * so nothing has to be found or repaired.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import { TRASH_PAUSE_MS, TRASH_SWEEP_MS, TRASH_WORLDS_PER_STEP } from "../../limits.ts";
import { AFTER_NAMES, toRanges } from "../name_ranges.ts";
import { StoreError } from "../store.ts";
import { ExpiryClock } from "../store/expiry_clock.ts";
import { Pauses } from "../store/pauses.ts";
import { readTrashPages, TrashCounter, type TrashListeners } from "../store/trash_counter.ts";
import {
  isTrashId,
  type TrashEntry,
  type TrashPage,
  type TrashQuery,
  type TrashRecord,
} from "../trash.ts";
import type { WorldStep } from "./feed_row.ts";
import type { JudgedCalls } from "./judged_calls.ts";
import { toUnknown } from "./link.ts";
import type { QueryRow, QuerySessions } from "./query_sessions.ts";
import { EVENT_BYTES, WORLD_BYTES } from "./reads.ts";
import { toTrashRecord, TRASH_COLUMNS } from "./trash_rows.ts";

/** Longest time that the database gets as an interval, in seconds. */
const HUNDRED_YEARS_SECONDS = 3_155_760_000;

const BEFORE = "(w.trashed_at, w.trash, w.trashed_name) < ($1, $2, $3)";
const NEWEST_FIRST = "trashed_at DESC, trash DESC, trashed_name DESC";
/** Pages of the whole tree use the index of times. */
const NEWEST = `SELECT ${TRASH_COLUMNS} FROM unnest($5::bool[]) AS r(flag) CROSS JOIN LATERAL (
    SELECT * FROM elastik.worlds w WHERE w.trash IS NOT NULL AND w.restricted = r.flag AND ${BEFORE}
    ORDER BY ${NEWEST_FIRST} LIMIT $4) w
  ORDER BY ${NEWEST_FIRST} LIMIT $4`;
/**
 * Others read the worlds of their names: the empty text keeps the server from the index of times, which
 * has the worlds that the caller may not read.
 */
const NEWEST_IN = `SELECT ${TRASH_COLUMNS}
  FROM unnest($5::text[], $6::text[], $7::bool[]) AS r(low, high, flag) CROSS JOIN LATERAL (
    SELECT * FROM elastik.worlds w WHERE w.trash IS NOT NULL AND w.restricted = r.flag
      AND w.trashed_name >= r.low AND w.trashed_name < r.high
      AND (w.trashed_at || '', w.trash, w.trashed_name) < ($1, $2, $3)
    ORDER BY w.trashed_at || '' DESC, w.trash DESC, w.trashed_name DESC LIMIT $4) w
  ORDER BY ${NEWEST_FIRST} LIMIT $4`;
const OF_ID = `SELECT ${TRASH_COLUMNS} FROM elastik.worlds WHERE trash = $1 ORDER BY trashed_name`;
const WAS_MADE = `SELECT EXISTS (SELECT 1 FROM elastik.batches WHERE batch = $1) AS found`;
const EXPUNGE = `SELECT restricted, trash, trashed_name, version, trashed_at, trashed_by, ext, bytes
  FROM elastik.expunge_1($1, $2, $3)`;
const EXPIRE = `SELECT restricted, trash, trashed_name, version, trashed_at, trashed_by, ext, bytes
  FROM elastik.expire_1($1, $2, $3)`;
const EXPUNGE_REST = `SELECT elastik.expunge_rest_1() AS done`;
const SIZE = `SELECT count(*) AS entries, coalesce(sum(${WORLD_BYTES}), 0) AS bytes
  FROM elastik.worlds WHERE trash IS NOT NULL`;

/** What {@link TrashQueries} needs. */
export interface TrashQueriesOptions extends TrashListeners {
  readonly read: QuerySessions;
  /** Sessions that can change the database. */
  readonly write: QuerySessions;
  /** Sends what a request changes. */
  readonly calls: Pick<JudgedCalls, "ask">;
  /** How long deleted worlds are kept, in milliseconds; undefined keeps them. */
  readonly keepMs?: number;
  /** Current time in Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds of a clock that only moves forward. */
  readonly monotonic: () => number;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** See the module. */
export class TrashQueries {
  /**
   * The trash of all nodes, as the database had it some minutes ago, with what this node has done since
   * then; `expired` counts what this node has deleted.
   */
  readonly counter: TrashCounter;
  readonly #options: TrashQueriesOptions;
  readonly #clock: ExpiryClock;
  #isStopping = false;
  /** The background work must not keep a process running. */
  readonly #pauses = new Pauses({ keepsProcess: false });
  #work: Promise<void> = Promise.resolve();

  constructor(options: TrashQueriesOptions) {
    this.#options = options;
    this.counter = new TrashCounter(options);
    this.#clock = new ExpiryClock(options.now(), options.monotonic());
  }

  /** Begins the background work; it continues until {@link TrashQueries.stop}. */
  start(): void {
    this.#work = this.#run();
  }

  /** Counts a world that was deleted. Without an id it is not in the trash any more. */
  recordTrashed({ name, by, len, event, trash: id, trashBytes }: WorldStep): void {
    const bytes = trashBytes ?? len + event * EVENT_BYTES;
    if (id !== undefined) this.counter.recordAdded({ id, name, by, bytes });
  }

  /** Reads a page, newest first. */
  async page({ within, after, limit }: TrashQuery): Promise<TrashPage> {
    const { deletedAt = "\uffff", id = "", name = "" } = after ?? {};
    const ranges = [false, true].flatMap((flag) =>
      toRanges(flag ? within.filter(({ restricted }) => restricted) : within)
        .map((range) => ({ ...range, flag }))
    );
    if (ranges.length === 0) return { entries: [], more: false };
    const flags = ranges.map(({ flag }) => flag);
    const isWhole = ranges.every(({ from, to }) => from === "" && to === AFTER_NAMES);
    // One more than the page shows whether there are more.
    const place = [deletedAt, id, name, limit + 1];
    const rows = await this.#options.read.use((session) =>
      isWhole ? session.query(NEWEST, [...place, flags]) : session.query(NEWEST_IN, [
        ...place,
        ranges.map(({ from }) => from),
        ranges.map(({ to }) => to),
        flags,
      ])
    );
    return { entries: rows.slice(0, limit).map(toEntry), more: rows.length > limit };
  }

  /** Returns the worlds of an id; empty if it is not in the trash. */
  async ofId(id: string): Promise<readonly TrashEntry[]> {
    if (!isTrashId(id)) return [];
    const rows = await this.#options.read.use((session) => session.query(OF_ID, [id]));
    return rows.map(toEntry);
  }

  /**
   * Deletes the worlds of an id for good. It can be repeated after an unknown outcome.
   *
   * @returns what this call has deleted; empty if the id is not in the trash, or another node was faster
   */
  async expunge(id: string): Promise<readonly TrashEntry[]> {
    if (!isTrashId(id)) return [];
    return await this.counter.use(id, async () => {
      const { read, calls } = this.#options;
      const before = await this.ofId(id);
      if (before.length === 0) return [];
      const batch = crypto.randomUUID();
      const rows = await calls.ask((session, { authority }) =>
        session.query(EXPUNGE, [id, authority, batch], LONG_QUERY_MS)
      );
      if (rows.length > 0) return this.#take(rows.map(toEntry));
      // An attempt whose answer was lost can have deleted them.
      const [own] = await read.use((session) => session.query(WAS_MADE, [batch]))
        .catch((error) => Promise.reject(toUnknown(error)));
      return own?.found === true ? this.#take(before) : [];
    });
  }

  /** Reads all of the trash; it ends when the store is closed. */
  readAll(): AsyncGenerator<readonly TrashEntry[]> {
    return readTrashPages((query) => this.page(query), () => this.#isStopping);
  }

  /** Ends the background work; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#pauses.close();
    await this.#work;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#measure();
        await this.#expire();
      } catch (error) {
        this.#report(error);
      }
      await this.#pauses.wait(TRASH_SWEEP_MS);
    }
  }

  async #measure(): Promise<void> {
    await this.counter.measure(async () => {
      const [row] = await this.#options.read.use((session) =>
        session.query(SIZE, [], LONG_QUERY_MS)
      );
      return { entries: Number(row?.entries ?? 0), bytes: Number(row?.bytes ?? 0) };
    }, "replace"); // changes of other nodes are not counted
  }

  /** Deletes worlds whose time is over, in small steps. */
  async #expire(): Promise<void> {
    const { keepMs, write } = this.#options;
    await write.use((session) => session.query(EXPUNGE_REST, [], LONG_QUERY_MS));
    if (keepMs === undefined) return;
    while (!this.#isStopping) {
      const rows = await write.use((session) =>
        session.query(EXPIRE, this.#bounds(keepMs), LONG_QUERY_MS)
      );
      if (rows.length === 0) return;
      this.counter.recordExpired(this.#take(rows.map(toEntry)).length);
      await this.#pauses.wait(TRASH_PAUSE_MS);
    }
  }

  /** The time before which a world must have been deleted, and how long ago. */
  #bounds(keepMs: number): [string, number, number] {
    const { now, monotonic } = this.#options;
    const seconds = Math.min(keepMs / 1000, HUNDRED_YEARS_SECONDS);
    return [this.#clock.before(keepMs, now(), monotonic()), seconds, TRASH_WORLDS_PER_STEP];
  }

  #take(deleted: readonly TrashEntry[]): readonly TrashEntry[] {
    this.counter.recordTaken(deleted, deleted.reduce((sum, { bytes }) => sum + bytes, 0));
    return deleted;
  }

  #report(error: unknown): void {
    if (this.#isStopping || error instanceof StoreError && error.code === "closed") return;
    const message = error instanceof Error ? error.message : String(error);
    this.#options.log(`cannot empty the trash, trying again later: ${message}`);
  }
}

function toEntry(row: QueryRow): TrashEntry {
  const { restricted: _restricted, ...entry }: TrashRecord = toTrashRecord(row);
  return entry;
}
