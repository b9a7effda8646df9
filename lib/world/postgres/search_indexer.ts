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
import { readStoredBody } from "./content_reader.ts";
import {
  type QueryRow,
  type QuerySession,
  type QuerySessions,
  transact,
} from "./query_sessions.ts";
import { type IndexedState, SearchTables, toSearchText } from "./search_tables.ts";

/** Batches of changes whose names are collected at a time. */
const BATCHES_PER_WINDOW = 500;
/** The server ends the transaction if this process does not use it for so long, in milliseconds. */
const IDLE_MS = 20_000;
/** Begins the stamp of a world of the lower layer. */
const LOWER = "lower ";

// Another node that works holds the lock.
const LOCK_STATE =
  `SELECT seq, upto, done, unicode FROM elastik.search_state FOR UPDATE SKIP LOCKED`;
const SAVE_STATE = `UPDATE elastik.search_state SET seq = $1, upto = $2, done = $3, unicode = $4`;
const NEXT_WINDOW = `SELECT max(first + size - 1) AS upto FROM (
  SELECT first, size FROM elastik.batches WHERE first > $1 ORDER BY first LIMIT ${BATCHES_PER_WINDOW}) b`;
// A world can end without an event; its batch names it.
const NEXT_NAMES = `SELECT DISTINCT x.name FROM elastik.batches b
  LEFT JOIN elastik.events e ON e.batch = b.id
  CROSS JOIN LATERAL (VALUES (e.name), (e.also), (CASE WHEN b.kind = 'gone' THEN b.name END)) x (name)
  WHERE b.first > $1 AND b.first <= $2 AND x.name > $3 ORDER BY x.name
  LIMIT ${MAX_SEARCH_UPDATE_WORLDS}`;
const WORLDS = `SELECT id, name, version, ext, headers, state, updated_at, len, content, body
  FROM elastik.worlds WHERE name = ANY ($1)`;
const WORLD_ROWS =
  `SELECT name, version, updated_at, len FROM elastik.worlds WHERE name = ANY ($1)`;

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
 * works, `older` if the tables were filled with a newer version of Unicode.
 */
export type IndexerStep = "more" | "done" | "busy" | "older";

interface Position {
  readonly seq: number;
  readonly upto: number;
  readonly done: string;
}

/** See the module. */
export class SearchIndexer {
  readonly #options: SearchIndexerOptions;
  readonly #open = new SearchTables("open");
  readonly #restricted = new SearchTables("restricted");
  /** Whether the tables have the lower layer of this node. */
  #hasLower = false;

  constructor(options: SearchIndexerOptions) {
    this.#options = options;
  }

  /** Whether the tables have the lower layer of this node, as far as it knows. */
  get hasLower(): boolean {
    return this.#hasLower;
  }

  /** Works for one transaction: some worlds, about 1 MiB of content. */
  async step(): Promise<IndexerStep> {
    return await this.#options.write.use((session) =>
      transact(session, IDLE_MS, async (): Promise<IndexerStep> => {
        const [row] = await session.query(LOCK_STATE, []);
        if (row === undefined) return "busy";
        const order = compareVersions(String(row.unicode), this.#options.unicode);
        if (order > 0) return "older";
        if (order < 0) return await this.#beginAgain(session);
        if (!this.#hasLower) return await this.#addLower(session);
        return await this.#follow(session, toPosition(row));
      })
    );
  }

  /** Empties the tables: their texts were folded with an older version of Unicode. */
  async #beginAgain(session: QuerySession): Promise<IndexerStep> {
    await this.#open.clear(session);
    await this.#restricted.clear(session);
    await this.#save(session, { seq: 0, upto: 0, done: "" });
    this.#hasLower = false;
    return "more";
  }

  /** Adds worlds of the lower layer that the tables lack, and removes those of another release. */
  async #addLower(session: QuerySession): Promise<IndexerStep> {
    const { lower } = this.#options;
    const known = new Set([
      ...await this.#open.namesOf(session, LOWER),
      ...await this.#restricted.namesOf(session, LOWER),
    ]);
    const names = [...new Set([...known, ...lower.keys()])];
    await this.#update(session, names);
    this.#hasLower = true;
    return "more";
  }

  async #follow(session: QuerySession, position: Position): Promise<IndexerStep> {
    let { seq, upto, done } = position;
    if (upto <= seq) {
      const [window] = await session.query(NEXT_WINDOW, [seq], LONG_QUERY_MS);
      if (window?.upto === null || window === undefined) return "done";
      upto = Number(window.upto);
      done = "";
    }
    const rows = await session.query(NEXT_NAMES, [seq, upto, done], LONG_QUERY_MS);
    const names = rows.map(({ name }) => String(name));
    const count = await this.#update(session, names);
    if (count < names.length || names.length === MAX_SEARCH_UPDATE_WORLDS) {
      done = names[count - 1] ?? done;
    } else seq = upto;
    await this.#save(session, { seq, upto, done });
    return "more";
  }

  async #save(session: QuerySession, { seq, upto, done }: Position): Promise<void> {
    await session.query(SAVE_STATE, [seq, upto, done, this.#options.unicode]);
  }

  /**
   * Brings worlds up to date, about 1 MiB of content. All of the lower layer fits into one call.
   *
   * @returns the number of names that are up to date, from the first one on
   */
  async #update(session: QuerySession, names: readonly string[]): Promise<number> {
    const rows = await session.query(WORLD_ROWS, [names]);
    const found = new Map(rows.map((row) => [String(row.name), row]));
    const indexed = {
      open: await this.#open.find(session, names),
      restricted: await this.#restricted.find(session, names),
    };
    let bytes = 0;
    for (const [at, name] of names.entries()) {
      if (bytes >= MAX_SEARCH_UPDATE_BYTES) return at;
      const row = found.get(name);
      const states = [indexed.open.get(name), indexed.restricted.get(name)] as const;
      bytes += row === undefined
        ? await this.#updateLower(session, name, states)
        : await this.#updateUpper(session, name, row, states);
    }
    return names.length;
  }

  /** Brings a name up to date that has no world in the upper layer. @returns 0 */
  async #updateLower(
    session: QuerySession,
    name: string,
    states: readonly (IndexedState | undefined)[],
  ): Promise<number> {
    const world = this.#options.lower.get(name);
    if (world === undefined) {
      if (states.some((state) => state !== undefined)) await this.#remove(session, name);
      return 0;
    }
    const stamp = `${LOWER}${world.sha256}`;
    if (!this.#isIndexed(name, stamp, states)) {
      await this.#put(session, world, stamp, world.body.length > MAX_SEARCHED_WORLD_BYTES);
    }
    return 0;
  }

  /** @returns the number of bytes that were read */
  async #updateUpper(
    session: QuerySession,
    name: string,
    { version, updated_at, len }: QueryRow,
    states: readonly (IndexedState | undefined)[],
  ): Promise<number> {
    // A row that is damaged must not stop the index of all others. A number that is not exact is text.
    if (typeof version !== "number" || typeof len !== "number") {
      await this.#remove(session, name);
      return 0;
    }
    const stamp = toSearchStamp(version, String(updated_at));
    if (this.#isIndexed(name, stamp, states)) return 0;
    if (len > MAX_SEARCHED_WORLD_BYTES) {
      const empty = toUpperWorld({ name, version, updated_at }, new Uint8Array());
      await this.#put(session, empty, stamp, true);
      return 0;
    }
    const [row] = await session.query(WORLDS, [[name]], LONG_QUERY_MS);
    // A world that ended or changed at this moment has a later change, which comes later.
    const body = row === undefined ? undefined : await readStoredBody(session, row);
    if (row === undefined || body === undefined) return 0;
    const world = toUpperWorld(row, body);
    await this.#put(session, world, toSearchStamp(world.version, world.updatedAt), false);
    return body.length;
  }

  #isIndexed(
    name: string,
    stamp: string,
    [open, restricted]: readonly (IndexedState | undefined)[],
  ): boolean {
    const [own, other] = this.#options.isRestricted(name) ? [restricted, open] : [open, restricted];
    if (own?.stamp !== stamp) return false;
    return own.form === FORM.all
      ? other === undefined
      : other?.stamp === stamp && other.form === FORM.original;
  }

  async #put(
    session: QuerySession,
    world: World,
    stamp: string,
    isTooLong: boolean,
  ): Promise<void> {
    const { isRestricted, redact } = this.#options;
    const { name, version } = world;
    const entry = { name, stamp, version, isTooLong };
    const shown = isTooLong ? world : redact(world);
    const textOf = (body: Uint8Array) => isTooLong ? {} : toSearchText(body);
    if (shown !== world) {
      await this.#open.put(session, { ...entry, form: FORM.redacted, ...textOf(shown.body) });
      await this.#restricted.put(session, { ...entry, form: FORM.original, ...textOf(world.body) });
      return;
    }
    const [own, other] = isRestricted(name)
      ? [this.#restricted, this.#open]
      : [this.#open, this.#restricted];
    await own.put(session, { ...entry, form: FORM.all, ...textOf(world.body) });
    await other.remove(session, name);
  }

  async #remove(session: QuerySession, name: string): Promise<void> {
    await this.#open.remove(session, name);
    await this.#restricted.remove(session, name);
  }
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
