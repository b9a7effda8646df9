/**
 * The two sets of tables of the search in the database: what is in them of a world, and how a text is
 * added, replaced and removed. All changes are in a transaction of the caller, which has the lock of the
 * position of the search.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import { sha256Hex } from "../../base/hash.ts";
import { foldText } from "../../base/fold_text.ts";
import { splitText, type TextPiece } from "../search_text.ts";
import type { QuerySession } from "./query_sessions.ts";

/** Pieces that one statement writes: about 1 MiB. */
const PIECES_PER_QUERY = 64;
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
  readonly stamp: string;
  readonly form: number;
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
      `SELECT name, stamp, form FROM ${this.#worlds} WHERE name = ANY ($1)`,
      [names],
    );
    return new Map(
      rows.map(({ name, stamp, form }) => [
        String(name),
        { stamp: String(stamp), form: Number(form) },
      ]),
    );
  }

  /** Returns the names whose stamps begin with a text. */
  async namesOf(session: QuerySession, stamp: string): Promise<string[]> {
    const rows = await session.query(
      `SELECT name FROM ${this.#worlds} WHERE starts_with(stamp, $1)`,
      [stamp],
    );
    return rows.map(({ name }) => String(name));
  }

  /** Adds or replaces a world. The beginning of the text that is unchanged stays as it is. */
  async put(session: QuerySession, world: IndexedWorld): Promise<void> {
    const { name, stamp, version, form, text, isTooLong } = world;
    const [row] = await session.query(
      `INSERT INTO ${this.#worlds} (name, stamp, version, form, chars, too_long)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET stamp = excluded.stamp,
       version = excluded.version, form = excluded.form, chars = excluded.chars,
       too_long = excluded.too_long RETURNING id`,
      [name, stamp, version, form, text?.length ?? null, isTooLong],
    );
    const pieces = text === undefined ? [] : splitText(withoutMark(text));
    await this.#replacePieces(session, Number(row?.id), pieces);
  }

  /** Removes a world, if it is present. */
  async remove(session: QuerySession, name: string): Promise<void> {
    await session.query(
      `WITH gone AS (DELETE FROM ${this.#worlds} WHERE name = $1 RETURNING id)
       DELETE FROM ${this.#pieces} p USING gone WHERE p.world = gone.id`,
      [name],
    );
  }

  /** Removes everything. */
  async clear(session: QuerySession): Promise<void> {
    // Not TRUNCATE, for which the role of the nodes has no right.
    for (const table of [this.#worlds, this.#pieces]) {
      await session.query(`DELETE FROM ${table}`, [], LONG_QUERY_MS);
    }
  }

  async #replacePieces(
    session: QuerySession,
    world: number,
    pieces: Iterable<TextPiece>,
  ): Promise<void> {
    const known = await session.query(
      `SELECT id, encode(sha256(text), 'hex') AS hash FROM ${this.#pieces} WHERE world = $1 ORDER BY id`,
      [world],
      LONG_QUERY_MS,
    );
    let kept = 0;
    let isSame = true;
    let added: { piece: TextPiece; bytes: Uint8Array }[] = [];
    const fresh: (typeof added)[] = [];
    for (const piece of pieces) {
      const bytes = encoder.encode(piece.text);
      isSame &&= known[kept]?.hash === sha256Hex(bytes);
      if (isSame) {
        kept += 1;
        continue;
      }
      if (added.length === 0) fresh.push(added);
      added.push({ piece, bytes });
      if (added.length === PIECES_PER_QUERY) added = [];
    }
    const beyond = known.slice(kept).map(({ id }) => Number(id));
    if (beyond.length > 0) {
      await session.query(`DELETE FROM ${this.#pieces} WHERE id = ANY ($1)`, [beyond]);
    }
    for (const group of fresh) await this.#insert(session, world, group);
  }

  async #insert(
    session: QuerySession,
    world: number,
    group: readonly { readonly piece: TextPiece; readonly bytes: Uint8Array }[],
  ): Promise<void> {
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
       SELECT $1, x.line, x.col, substr($2::bytea, x.start, x.size), x.folded
       FROM unnest($3::int[], $4::int[], $5::int[], $6::int[], $7::text[]) WITH ORDINALITY
         AS x(line, col, start, size, folded, n) ORDER BY x.n`,
      [
        world,
        all,
        group.map(({ piece }) => piece.line),
        group.map(({ piece }) => piece.column),
        starts,
        group.map(({ bytes }) => bytes.length),
        group.map(({ piece }) => toFoldedColumn(foldText(piece.text))),
      ],
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
