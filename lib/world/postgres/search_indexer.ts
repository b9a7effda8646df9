/**
 * Brings the tables of the search up to date, one node at a time. It follows the order of all changes,
 * so that a new or an emptied set of tables fills in the same way. A transaction covers some worlds and
 * their position; a node that stops loses nothing, and another one continues.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import {
  MAX_SEARCH_UPDATE_BYTES,
  MAX_SEARCH_UPDATE_WORLDS,
  MAX_SEARCHED_WORLD_BYTES,
} from "../../search_limits.ts";
import { parseMeta } from "../metadata.ts";
import { FORM } from "../search_form.ts";
import { toSearchStamp } from "../search_stamp.ts";
import type { World } from "../store.ts";
import { readStoredBodies } from "./content_reader.ts";
import {
  type QueryRow,
  type QuerySession,
  type QuerySessions,
  transact,
} from "./query_sessions.ts";
import {
  type IndexedState,
  type IndexedWorld,
  SearchTables,
  toSearchText,
} from "./search_tables.ts";

/** Batches of changes whose names are collected at a time, at most. */
const BATCHES_PER_WINDOW = 4_096;
/** Events from which a further batch is left to the next time. A batch of an import has 10,000. */
const EVENTS_PER_WINDOW = 16_384;
/** Names that are read at a time, and in memory until they are up to date. */
const NAMES_PER_QUERY = 4_096;
/** The server ends the transaction if this process does not use it for so long, in milliseconds. */
const IDLE_MS = 20_000;
/** Begins the stamp of a world of the lower layer. */
const LOWER = "lower ";

/**
 * A plan is kept for all later steps. One that was made while the tables were almost empty must not read
 * all of them.
 */
const AVOID_SCANS = `SELECT set_config('enable_seqscan', 'off', true)`;
// Another node that works holds the lock.
const LOCK_STATE =
  `SELECT seq, upto, done, unicode FROM elastik.search_state FOR UPDATE SKIP LOCKED`;
const SAVE_STATE = `UPDATE elastik.search_state SET seq = $1, upto = $2, done = $3, unicode = $4`;
const NEXT_WINDOW = `SELECT max(first + size - 1) AS upto FROM (
  SELECT first, size, min(first) OVER () AS low FROM (
    SELECT first, size FROM elastik.batches WHERE first > $1
    ORDER BY first LIMIT ${BATCHES_PER_WINDOW}) b) b
  WHERE first < low + ${EVENTS_PER_WINDOW}`;
// A world can end without an event; its batch names it. The array keeps the server from a join with all
// events. Each name once before it is sorted: many changes are of few names.
const NEXT_NAMES = `SELECT DISTINCT x.name FROM (
    SELECT DISTINCT e.name, e.also FROM elastik.events e WHERE e.batch = ANY (ARRAY(
      SELECT b.id FROM elastik.batches b WHERE b.first > $1 AND b.first <= $2))
    UNION ALL
    SELECT b.name, NULL FROM elastik.batches b
    WHERE b.first > $1 AND b.first <= $2 AND b.kind = 'gone') n
  CROSS JOIN LATERAL (VALUES (n.name), (n.also)) x (name)
  WHERE x.name > $3 ORDER BY x.name LIMIT ${NAMES_PER_QUERY}`;
const WORLDS = `SELECT id, name, version, ext, headers, state, updated_at, len, content, body
  FROM elastik.worlds WHERE name = ANY ($1)`;
const WORLD_ROWS =
  `SELECT name, version, updated_at, len, content FROM elastik.worlds WHERE name = ANY ($1)`;

/** What a {@link SearchIndexer} needs. */
export interface SearchIndexerOptions {
  /** Sessions that can change the database. */
  readonly write: QuerySessions;
  /** The worlds of the lower layer. */
  readonly lower: ReadonlyMap<string, World>;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** The world as callers below T3 see it; the same object if nothing is hidden from them. */
  readonly redact: (world: World) => World;
  /** Version of Unicode of this process. */
  readonly unicode: string;
}

/**
 * What a step has done: `more` if more is to do, `done` if the tables are complete, `busy` if another node
 * works or has worked, `older` if the tables were filled with a newer version of Unicode.
 */
export type IndexerStep = "more" | "done" | "busy" | "older";

interface Position {
  readonly seq: number;
  readonly upto: number;
  readonly done: string;
}

/** The next names after a position, and whether these are all up to the end of its window. */
interface NextNames extends Position {
  readonly names: readonly string[];
  readonly areAll: boolean;
}

/** What a set has of some names, and what changes in it. */
interface SetUpdate {
  readonly tables: SearchTables;
  readonly known: ReadonlyMap<string, IndexedState>;
  readonly put: IndexedWorld[];
  readonly gone: string[];
}

/** What a step does with the two sets. */
interface Update {
  readonly open: SetUpdate;
  readonly restricted: SetUpdate;
}

/** See the module. */
export class SearchIndexer {
  readonly #options: SearchIndexerOptions;
  readonly #open = new SearchTables("open");
  readonly #restricted = new SearchTables("restricted");
  /** Whether the tables have the lower layer of this node. */
  #hasLower = false;
  /** Names of the lower layer that are not compared yet; undefined if it has not begun. */
  #lowerNames: readonly string[] | undefined;
  /** The names that the last step has left. They do not change, but another node can be further. */
  #next: NextNames | undefined;

  constructor(options: SearchIndexerOptions) {
    this.#options = options;
  }

  /** Whether the tables have the lower layer of this node, as far as it knows. */
  get hasLower(): boolean {
    return this.#hasLower;
  }

  /**
   * Works for one transaction: some worlds, about 1 MiB of content.
   *
   * @param seen the position for which a step is due; if another node has moved it, there is no step
   */
  async step(seen?: number): Promise<IndexerStep> {
    return await this.#options.write.use((session) =>
      transact(session, IDLE_MS, async (): Promise<IndexerStep> => {
        const [, [row]] = await Promise.all([
          session.query(AVOID_SCANS, []),
          session.query(LOCK_STATE, []),
        ]);
        if (row === undefined) return "busy";
        const order = compareVersions(String(row.unicode), this.#options.unicode);
        if (order > 0) return "older";
        if (order < 0) return await this.#beginAgain(session);
        if (!this.#hasLower) return await this.#addLower(session);
        const position = toPosition(row);
        if (seen !== undefined && seen !== position.seq) return "busy";
        return await this.#follow(session, position);
      })
    );
  }

  /** Empties the tables: their texts were folded with an older version of Unicode. */
  async #beginAgain(session: QuerySession): Promise<IndexerStep> {
    await this.#open.clear(session);
    await this.#restricted.clear(session);
    await this.#save(session, { seq: 0, upto: 0, done: "" });
    this.#hasLower = false;
    this.#lowerNames = undefined;
    return "more";
  }

  /** Adds worlds of the lower layer that the tables lack, and removes those of another release. */
  async #addLower(session: QuerySession): Promise<IndexerStep> {
    const names = this.#lowerNames ?? await this.#findLower(session);
    const count = await this.#update(session, names.slice(0, MAX_SEARCH_UPDATE_WORLDS));
    this.#lowerNames = names.slice(count);
    this.#hasLower = this.#lowerNames.length === 0;
    return "more";
  }

  async #findLower(session: QuerySession): Promise<readonly string[]> {
    const names = new Set(this.#options.lower.keys());
    for (const tables of [this.#open, this.#restricted]) {
      for (const name of await tables.namesOf(session, LOWER)) names.add(name);
    }
    return [...names];
  }

  async #follow(session: QuerySession, position: Position): Promise<IndexerStep> {
    let { seq, upto, done } = position;
    if (upto <= seq) {
      const [window] = await session.query(NEXT_WINDOW, [seq], LONG_QUERY_MS);
      if (window?.upto === null || window === undefined) return "done";
      upto = Number(window.upto);
      done = "";
    }
    const next = await this.#findNext(session, { seq, upto, done });
    const count = await this.#update(session, next.names.slice(0, MAX_SEARCH_UPDATE_WORLDS));
    const names = next.names.slice(count);
    done = next.names[count - 1] ?? done;
    if (names.length === 0 && next.areAll) seq = upto;
    await this.#save(session, { seq, upto, done });
    // If the transaction fails, the position is another one.
    this.#next = { seq, upto, done, names, areAll: next.areAll };
    return "more";
  }

  /** Returns the next names; from memory if this node has read them and no node was here since. */
  async #findNext(session: QuerySession, position: Position): Promise<NextNames> {
    const { seq, upto, done } = position;
    const next = this.#next;
    this.#next = undefined;
    const isHere = next?.seq === seq && next.upto === upto && next.done === done;
    if (isHere && next.names.length > 0) return next;
    const rows = await session.query(NEXT_NAMES, [seq, upto, done], LONG_QUERY_MS);
    const names = rows.map(({ name }) => String(name));
    return { ...position, names, areAll: names.length < NAMES_PER_QUERY };
  }

  async #save(session: QuerySession, { seq, upto, done }: Position): Promise<void> {
    await session.query(SAVE_STATE, [seq, upto, done, this.#options.unicode]);
  }

  /**
   * Brings worlds up to date, about 1 MiB of content. The number of statements depends on the length of
   * their texts, not on the number of names.
   *
   * @returns the number of names that are up to date, from the first one on
   */
  async #update(session: QuerySession, names: readonly string[]): Promise<number> {
    if (names.length === 0) return 0;
    // They travel together.
    const [rows, open, restricted] = await Promise.all([
      session.query(WORLD_ROWS, [names], LONG_QUERY_MS),
      this.#open.find(session, names),
      this.#restricted.find(session, names),
    ]);
    const uppers = new Map(rows.map((row) => [String(row.name), row]));
    const update: Update = {
      open: { tables: this.#open, known: open, put: [], gone: [] },
      restricted: { tables: this.#restricted, known: restricted, put: [], gone: [] },
    };
    const wanted: string[] = [];
    let bytes = 0;
    let count = 0;
    for (const name of names) {
      if (bytes >= MAX_SEARCH_UPDATE_BYTES) break;
      count += 1;
      const row = uppers.get(name);
      const length = row === undefined
        ? this.#planLower(update, name)
        : this.#planUpper(update, name, row, wanted);
      // The pieces of a long text that is replaced are read, too.
      if (length !== undefined) {
        bytes += Math.max(length, open.get(name)?.chars ?? 0, restricted.get(name)?.chars ?? 0);
      }
    }
    if (wanted.length > 0) await this.#readUppers(session, wanted, update);
    for (const { tables, known, put, gone } of [update.open, update.restricted]) {
      await tables.remove(session, gone);
      await tables.put(session, put, known);
    }
    return count;
  }

  /**
   * Decides about a name that has no world in the upper layer.
   *
   * @returns the length of its text; undefined if the tables have it
   */
  #planLower(update: Update, name: string): number | undefined {
    const world = this.#options.lower.get(name);
    if (world === undefined) return this.#remove(update, name);
    const stamp = `${LOWER}${world.sha256}`;
    if (this.#isIndexed(update, name, stamp)) return undefined;
    const isTooLong = world.body.length > MAX_SEARCHED_WORLD_BYTES;
    this.#put(update, world, stamp, isTooLong);
    return isTooLong ? 0 : world.body.length;
  }

  /** The same for a world in the upper layer. @param wanted gets its name if its text is needed */
  #planUpper(update: Update, name: string, row: QueryRow, wanted: string[]): number | undefined {
    // A row that is damaged must not stop the index of all others.
    const facts = toFacts(row);
    if (facts === undefined) return this.#remove(update, name);
    if (this.#isIndexed(update, name, facts.stamp)) return undefined;
    if (facts.len <= MAX_SEARCHED_WORLD_BYTES) {
      wanted.push(name);
      return facts.len;
    }
    this.#put(update, toUpperWorld(row, new Uint8Array()), facts.stamp, true);
    return 0;
  }

  async #readUppers(
    session: QuerySession,
    names: readonly string[],
    update: Update,
  ): Promise<void> {
    const rows = await session.query(WORLDS, [names], LONG_QUERY_MS);
    // A world that ended or changed at this moment has a later change, which comes later.
    const sound = rows.filter((row) => (toFacts(row)?.len ?? Infinity) <= MAX_SEARCHED_WORLD_BYTES);
    const bodies = await readStoredBodies(session, sound);
    for (const [at, row] of sound.entries()) {
      const body = bodies[at];
      if (body === undefined) continue;
      const world = toUpperWorld(row, body);
      this.#put(update, world, toSearchStamp(world.version, world.updatedAt), false);
    }
  }

  #isIndexed({ open, restricted }: Update, name: string, stamp: string): boolean {
    const [own, other] = this.#options.isRestricted(name)
      ? [restricted.known.get(name), open.known.get(name)]
      : [open.known.get(name), restricted.known.get(name)];
    if (own?.stamp !== stamp) return false;
    return own.form === FORM.all
      ? other === undefined
      : other?.stamp === stamp && other.form === FORM.original;
  }

  #put({ open, restricted }: Update, world: World, stamp: string, isTooLong: boolean): void {
    const { isRestricted, redact } = this.#options;
    const { name, version } = world;
    const entry = { name, stamp, version, isTooLong };
    const shown = isTooLong ? world : redact(world);
    const textOf = (body: Uint8Array) => isTooLong ? {} : toSearchText(body);
    if (shown !== world) {
      open.put.push({ ...entry, form: FORM.redacted, ...textOf(shown.body) });
      restricted.put.push({ ...entry, form: FORM.original, ...textOf(world.body) });
      return;
    }
    const [own, other] = isRestricted(name) ? [restricted, open] : [open, restricted];
    own.put.push({ ...entry, form: FORM.all, ...textOf(world.body) });
    if (other.known.has(name)) other.gone.push(name);
  }

  /** @returns 0; undefined if no set has the name */
  #remove({ open, restricted }: Update, name: string): number | undefined {
    const having = [open, restricted].filter(({ known }) => known.has(name));
    for (const { gone } of having) gone.push(name);
    return having.length > 0 ? 0 : undefined;
  }
}

/** What of a row is needed to index its world; undefined if it is damaged: such a number is text. */
function toFacts(
  { version, updated_at, len, content }: QueryRow,
): { readonly stamp: string; readonly len: number } | undefined {
  if (typeof version !== "number" || typeof len !== "number" || len < 0) return undefined;
  if (content !== null && typeof content !== "number") return undefined;
  return { stamp: toSearchStamp(version, String(updated_at)), len };
}

function toPosition({ seq, upto, done }: QueryRow): Position {
  return { seq: Number(seq), upto: Number(upto), done: String(done) };
}

/** A world of the upper layer, as far as its text and its redacted form depend on it. */
function toUpperWorld(row: QueryRow, body: Uint8Array<ArrayBuffer>): World {
  return {
    name: String(row.name),
    version: Number(row.version),
    ext: String(row.ext ?? "bin"),
    meta: parseMeta(String(row.headers ?? "[]")),
    state: String(row.state ?? ""),
    updatedAt: String(row.updated_at),
    body,
    sha256: "",
    layer: "upper",
  };
}

/** Compares two versions such as `15.1`; an empty text is before all others. */
function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.split(".").map(Number));
  for (let at = 0; at < Math.max(x?.length ?? 0, y?.length ?? 0); at++) {
    const difference = (x?.[at] ?? -1) - (y?.[at] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}
