/**
 * The two sets of tables of the search in the database: what is in them of some worlds, and how texts are
 * added, replaced and removed, each with one statement for all of these worlds. All changes are in a
 * transaction of the caller, which has the lock of the position of the search.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import { sha256Hex } from "../../base/hash.ts";
import { foldText } from "../../base/fold_text.ts";
import { splitText, type TextPiece } from "../search_text.ts";
import type { QuerySession } from "./query_sessions.ts";

/** Bytes of pieces after which one statement writes no further piece. */
const BYTES_PER_QUERY = 1024 * 1024;
const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The name of a set. */
export type SearchSetName = "open" | "restricted";

/** A world in a set. */
export interface IndexedWorld {
  readonly name: string;
  /** Identifies the version and the form of the content. */
  readonly stamp: string;
  readonly version: number;
  readonly form: number;
  /** Absent if the content is not text, or too long. */
  readonly text?: string;
  readonly isTooLong: boolean;
}

/** What a set has of a world. */
export interface IndexedState {
  readonly id: number;
  readonly stamp: string;
  readonly form: number;
  /** Length of its text in UTF-16 code units; 0 if it has none. */
  readonly chars: number;
}

/** A piece of a world in the table. */
interface StoredPiece {
  readonly id: number;
  readonly hash: string;
}

/** A piece that the table does not have yet. */
interface NewPiece {
  readonly world: number;
  readonly piece: TextPiece;
  readonly bytes: Uint8Array;
}

/** One of the two sets. */
export class SearchTables {
  readonly #worlds: string;
  readonly #pieces: string;

  constructor(readonly set: SearchSetName) {
    this.#worlds = `elastik.search_${set}_worlds`;
    this.#pieces = `elastik.search_${set}_pieces`;
  }

  /** Returns what the set has of some names. */
  async find(session: QuerySession, names: readonly string[]): Promise<Map<string, IndexedState>> {
    const rows = await session.query(
      `SELECT id, name, stamp, form, chars FROM ${this.#worlds} WHERE name = ANY ($1)`,
      [names],
      LONG_QUERY_MS,
    );
    return new Map(
      rows.map(({ id, name, stamp, form, chars }) => [
        String(name),
        { id: Number(id), stamp: String(stamp), form: Number(form), chars: Number(chars ?? 0) },
      ]),
    );
  }

  /** Returns the names whose stamps begin with a text. */
  async namesOf(session: QuerySession, stamp: string): Promise<string[]> {
    const rows = await session.query(
      `SELECT name FROM ${this.#worlds} WHERE starts_with(stamp, $1)`,
      [stamp],
      LONG_QUERY_MS,
    );
    return rows.map(({ name }) => String(name));
  }

  /**
   * Adds or replaces worlds. The beginning of a text that is unchanged stays as it is. The number of
   * statements depends on the length of the new texts, not on the number of worlds.
   *
   * @param worlds each name once
   * @param known what the set has of these names
   */
  async put(
    session: QuerySession,
    worlds: readonly IndexedWorld[],
    known: ReadonlyMap<string, IndexedState>,
  ): Promise<void> {
    if (worlds.length === 0) return;
    const replaced = worlds.flatMap(({ name }) => known.get(name)?.id ?? []);
    // They travel together.
    const [ids, stored] = await Promise.all([
      this.#upsert(session, worlds),
      this.#findPieces(session, replaced),
    ]);
    const gone: number[] = [];
    let group: NewPiece[] = [];
    let size = 0;
    for (const { name, text } of worlds) {
      const world = ids.get(name);
      if (world === undefined) throw new Error("the database returned no row for a world");
      const before = stored.get(world) ?? [];
      let kept = 0;
      let isSame = true;
      for (const piece of text === undefined ? [] : splitText(withoutMark(text))) {
        const bytes = encoder.encode(piece.text);
        isSame &&= before[kept]?.hash === sha256Hex(bytes);
        if (isSame) {
          kept += 1;
          continue;
        }
        group.push({ world, piece, bytes });
        size += bytes.length;
        if (size < BYTES_PER_QUERY) continue;
        await this.#insert(session, group);
        group = [];
        size = 0;
      }
      for (const { id } of before.slice(kept)) gone.push(id);
    }
    if (group.length > 0) await this.#insert(session, group);
    if (gone.length > 0) {
      const statement = `DELETE FROM ${this.#pieces} WHERE id = ANY ($1)`;
      await session.query(statement, [gone], LONG_QUERY_MS);
    }
  }

  /** Removes worlds that are present. */
  async remove(session: QuerySession, names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    await session.query(
      `WITH gone AS (DELETE FROM ${this.#worlds} WHERE name = ANY ($1) RETURNING id)
       DELETE FROM ${this.#pieces} WHERE world = ANY (ARRAY(SELECT id FROM gone))`,
      [names],
      LONG_QUERY_MS,
    );
  }

  /** Removes everything. */
  async clear(session: QuerySession): Promise<void> {
    // Not TRUNCATE, for which the role of the nodes has no right.
    for (const table of [this.#worlds, this.#pieces]) {
      await session.query(`DELETE FROM ${table}`, [], LONG_QUERY_MS);
    }
  }

  /** Adds or replaces the rows of worlds. @returns their ids by their names */
  async #upsert(
    session: QuerySession,
    worlds: readonly IndexedWorld[],
  ): Promise<Map<string, number>> {
    const rows = await session.query(
      `INSERT INTO ${this.#worlds} AS w (name, stamp, version, form, chars, too_long)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::bigint[], $6::bool[])
       ON CONFLICT (name) DO UPDATE SET stamp = excluded.stamp, version = excluded.version,
         form = excluded.form, chars = excluded.chars, too_long = excluded.too_long
       RETURNING w.id, w.name`,
      [
        worlds.map(({ name }) => name),
        worlds.map(({ stamp }) => stamp),
        worlds.map(({ version }) => version),
        worlds.map(({ form }) => form),
        worlds.map(({ text }) => text?.length ?? null),
        worlds.map(({ isTooLong }) => isTooLong),
      ],
      LONG_QUERY_MS,
    );
    return new Map(rows.map(({ id, name }) => [String(name), Number(id)]));
  }

  /** Returns the pieces of worlds, by the id of the world, in the order of the text. */
  async #findPieces(
    session: QuerySession,
    worlds: readonly number[],
  ): Promise<Map<number, StoredPiece[]>> {
    const found = new Map<number, StoredPiece[]>();
    if (worlds.length === 0) return found;
    // The offset keeps the server from other ways to join, which look at all worlds.
    const rows = await session.query(
      `SELECT p.* FROM unnest($1::bigint[]) AS w (id) CROSS JOIN LATERAL (
         SELECT p.world, p.id, encode(sha256(p.text), 'hex') AS hash FROM ${this.#pieces} p
         WHERE p.world = w.id ORDER BY p.id OFFSET 0) p`,
      [worlds],
      LONG_QUERY_MS,
    );
    for (const row of rows) {
      const world = Number(row.world);
      const pieces = found.get(world) ?? [];
      if (pieces.length === 0) found.set(world, pieces);
      pieces.push({ id: Number(row.id), hash: String(row.hash) });
    }
    for (const pieces of found.values()) pieces.sort((a, b) => a.id - b.id);
    return found;
  }

  async #insert(session: QuerySession, group: readonly NewPiece[]): Promise<void> {
    const all = new Uint8Array(group.reduce((sum, { bytes }) => sum + bytes.length, 0));
    const starts: number[] = [];
    let at = 0;
    for (const { bytes } of group) {
      all.set(bytes, at);
      starts.push(at + 1);
      at += bytes.length;
    }
    await session.query(
      `INSERT INTO ${this.#pieces} (world, line, col, text, folded)
       SELECT x.world, x.line, x.col, substr($1::bytea, x.start, x.size), x.folded
       FROM unnest($2::bigint[], $3::int[], $4::int[], $5::int[], $6::int[], $7::text[]) WITH ORDINALITY
         AS x(world, line, col, start, size, folded, n) ORDER BY x.n`,
      [
        all,
        group.map(({ world }) => world),
        group.map(({ piece }) => piece.line),
        group.map(({ piece }) => piece.column),
        starts,
        group.map(({ bytes }) => bytes.length),
        group.map(({ piece }) => toFoldedColumn(foldText(piece.text))),
      ],
      LONG_QUERY_MS,
    );
  }
}

/** Returns a folded text as the database gets it, which refuses U+0000. */
export function toFoldedColumn(folded: string): string {
  return folded.replaceAll("\0", "\u0001");
}

/** The text of a content, if it is text: valid UTF-8, as for the JSON of a world. */
export function toSearchText(body: Uint8Array): { text?: string } {
  try {
    return { text: utf8.decode(body) };
  } catch {
    return {}; // not text
  }
}

/** A byte order mark is not part of the first line. */
function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}
