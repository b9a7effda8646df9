/**
 * One search in the tables of the search. The database finds pieces that can match; the lines are found
 * here, by the code of the other engine, so that both give the same hits. Names are visited in the order
 * of their bytes, so that a page needs only the worlds up to its last line.
 *
 * What a search costs must not depend on what its caller cannot read. Worlds of T3 are in tables of their
 * own. If a query covers few worlds, exactly their texts are read. Only a query that covers many uses the
 * trigram index, or reads many texts at a time; the page reports it as `isShared`.
 */

import { compareCodePoints } from "../../base/compare_code_points.ts";
import { foldText } from "../../base/fold_text.ts";
import {
  MAX_SEARCH_RARE_PIECES,
  MAX_SEARCH_TOO_LONG,
  SEARCH_FIRST_PIECES,
  SEARCH_ROWS_PER_STEP,
  SEARCH_WAIT_MS,
  SEARCH_WINDOW_PIECES,
} from "../../search_limits.ts";
import type { NameRange } from "../name_ranges.ts";
import type { SearchHit, SearchPage, SearchPosition, SearchQuery } from "../search.ts";
import { FORM } from "../search_form.ts";
import {
  findHits,
  indexOfFirst,
  type ScanLimits,
  scanLimitsOf,
  sourcesOf,
} from "../search_plan.ts";
import { assertNotStopped } from "./chain.ts";
import { columnBytes, type QueryRow, type QuerySession } from "./query_sessions.ts";
import { type SearchSetName, toFoldedColumn } from "./search_tables.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The statements of one set. */
interface SearchSql {
  readonly measure: string;
  readonly tooLong: string;
  readonly startOf: string;
  readonly hasGrams: string;
  /** Pieces that match, of few worlds. */
  readonly few: string;
  /** Pieces that match, of all worlds. */
  readonly many: string;
  /** Of the next pieces those that match, and the last one without its text. */
  readonly window: string;
  /** How many pieces match, up to a number. */
  readonly count: string;
}

function createSql(set: SearchSetName): SearchSql {
  const worlds = `elastik.search_${set}_worlds`;
  const pieces = `elastik.search_${set}_pieces`;
  const range = `w.name >= $1 AND w.name < $2 AND w.form <> $3`;
  const columns = `w.name, w.version, p.id, p.line, p.col, p.text`;
  return {
    measure: `SELECT count(*) AS count, coalesce(sum(chars), 0) AS chars FROM
      (SELECT chars FROM ${worlds} WHERE name >= $1 AND name < $2 LIMIT $3) x`,
    tooLong: `SELECT name FROM ${worlds} w WHERE too_long AND ${range} ORDER BY name LIMIT $4`,
    startOf: `SELECT max(p.id) AS id FROM ${worlds} w JOIN ${pieces} p ON p.world = w.id
      WHERE w.name = $1 AND p.line <= $2`,
    hasGrams: `SELECT to_regclass('elastik.search_${set}_grams') IS NOT NULL AS found`,
    // The offsets keep the server from other ways to join, which look at other worlds.
    few: `SELECT ${columns} FROM (
        SELECT * FROM ${worlds} w WHERE ${range} AND w.name >= $4 ORDER BY w.name OFFSET 0) w
      CROSS JOIN LATERAL (
        SELECT * FROM ${pieces} p WHERE p.world = w.id AND (w.name > $4 OR p.id > $5)
          AND p.folded || '' LIKE $6 ORDER BY p.id OFFSET 0) p
      ORDER BY w.name, p.id LIMIT $7`,
    many: `SELECT ${columns} FROM ${worlds} w JOIN ${pieces} p ON p.world = w.id
      WHERE ${range} AND w.name >= $4 AND (w.name > $4 OR p.id > $5) AND p.folded LIKE $6
      ORDER BY w.name, p.id LIMIT $7`,
    window: `SELECT w.name, w.version, w.id, w.line, w.col, w.looked,
        CASE WHEN p.folded LIKE $6 THEN p.text END AS text
      FROM (SELECT x.*, row_number() OVER (ORDER BY x.name, x.id) AS n, count(*) OVER () AS looked
        FROM (SELECT w.name, w.version, p.id, p.line, p.col
          FROM ${worlds} w JOIN ${pieces} p ON p.world = w.id
          WHERE ${range} AND w.name >= $4 AND (w.name > $4 OR p.id > $5)
          ORDER BY w.name, p.id LIMIT $7) x) w
      JOIN ${pieces} p ON p.id = w.id
      WHERE p.folded LIKE $6 OR w.n = w.looked ORDER BY w.name, w.id`,
    count:
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${pieces} p WHERE p.folded LIKE $1 LIMIT $2) x`,
  };
}

const SETS: Readonly<Record<SearchSetName, SearchSql>> = {
  open: createSql("open"),
  restricted: createSql("restricted"),
};

/** What a search looks for in each set. */
interface Search {
  readonly session: QuerySession;
  readonly signal: AbortSignal;
  readonly folded: string;
  /** The text as a pattern of LIKE. */
  readonly pattern: string;
  /** The form of worlds that the caller does not see. */
  readonly hiddenForm: number;
  readonly after: SearchPosition | undefined;
  readonly rowsPerStep: number;
}

/** A place before a piece. */
interface Place {
  readonly name: string;
  readonly id: number;
}

/** Runs a search on a session. @throws {StoreError} `busy` if the signal is aborted */
export async function searchTables(
  session: QuerySession,
  query: SearchQuery,
  signal: AbortSignal,
): Promise<SearchPage> {
  const { original, text, after, limit } = query;
  const folded = foldText(text);
  const search: Search = {
    session,
    signal,
    folded,
    pattern: `%${toFoldedColumn(folded).replaceAll(/[\\%_]/g, "\\$&")}%`,
    hiddenForm: original ? FORM.redacted : FORM.original,
    after,
    rowsPerStep: Math.min(limit + 1, SEARCH_ROWS_PER_STEP),
  };
  const sources = sourcesOf(query, SETS.open, SETS.restricted);
  const streams: { isSmall: boolean; found: AsyncGenerator<SearchHit, void> }[] = [];
  for (const { set, ranges } of sources) {
    const isSmall = await isSmallEnough(session, set, ranges, scanLimitsOf(query));
    streams.push({ isSmall, found: findInSet(set, ranges, isSmall, search) });
  }
  const hits: SearchHit[] = [];
  for await (const hit of mergeInOrder(streams.map(({ found }) => found))) {
    if (hits.push(hit) > limit) break;
  }
  const tooLong: string[] = [];
  for (const { set, ranges } of sources) {
    for (const { from, to } of ranges) {
      const values = [from, to, search.hiddenForm, MAX_SEARCH_TOO_LONG];
      const rows = await session.query(set.tooLong, values);
      tooLong.push(...rows.map(({ name }) => String(name)));
    }
  }
  return {
    hits: hits.slice(0, limit),
    more: hits.length > limit,
    tooLong: tooLong.sort(compareCodePoints).slice(0, MAX_SEARCH_TOO_LONG),
    isShared: streams.some(({ isSmall }) => !isSmall),
  };
}

/** Whether reading all texts of the ranges is cheap. */
async function isSmallEnough(
  session: QuerySession,
  set: SearchSql,
  ranges: readonly NameRange[],
  max: ScanLimits,
): Promise<boolean> {
  let worlds = 0;
  let chars = 0;
  for (const { from, to } of ranges) {
    const [row] = await session.query(set.measure, [from, to, max.worlds + 1]);
    worlds += Number(row?.count);
    chars += Number(row?.chars);
    if (worlds > max.worlds || chars > max.chars) return false;
  }
  return true;
}

/** Yields the hits of one set in order. */
async function* findInSet(
  set: SearchSql,
  ranges: readonly NameRange[],
  isSmall: boolean,
  search: Search,
): AsyncGenerator<SearchHit, void> {
  const pieces = isSmall ? findFew(set, ranges, search) : findMany(set, ranges, search);
  let before: SearchHit | undefined;
  for await (const row of pieces) {
    for (const hit of findInPiece(row, search)) {
      // A line that was cut into pieces is one hit. The pieces of a world that is replaced at this
      // moment begin again.
      if (hit.name === before?.name && hit.line <= before.line) continue;
      before = hit;
      yield hit;
    }
  }
}

/** Reads the pieces of few worlds that match. */
async function* findFew(
  set: SearchSql,
  ranges: readonly NameRange[],
  search: Search,
): AsyncGenerator<QueryRow, void> {
  for (const range of ranges) {
    yield* findBy(set.few, range, await startOf(set, range, search), search);
  }
}

/**
 * Reads the pieces of all worlds that match: of a text that is rare, all of them by the trigram index.
 * What is in many texts is in the first ones, too, and the index is of no use for one or two characters.
 */
async function* findMany(
  set: SearchSql,
  ranges: readonly NameRange[],
  search: Search,
): AsyncGenerator<QueryRow, void> {
  const isRare = await findsFew(set, search);
  let size = SEARCH_FIRST_PIECES;
  for (const range of ranges) {
    let at = await startOf(set, range, search);
    if (isRare) {
      yield* findBy(set.many, range, at, search);
      continue;
    }
    while (at !== undefined) {
      const rows = await step(set.window, range, at, search, size);
      const found = rows.filter(({ text }) => text !== null);
      yield* found;
      const last = rows.at(-1);
      if (last === undefined || Number(last.looked) < size) break;
      at = toPlace(last);
      // What is in few pieces is looked for in larger steps.
      if (found.length * 8 < size) size = Math.min(2 * size, SEARCH_WINDOW_PIECES);
    }
  }
}

/** Whether the trigram index finds few pieces. */
async function findsFew(
  set: SearchSql,
  { session, signal, folded, pattern }: Search,
): Promise<boolean> {
  if ([...folded].length < 3) return false;
  const [grams] = await session.query(set.hasGrams, []);
  if (grams?.found !== true) return false;
  assertNotStopped(signal);
  const values = [pattern, MAX_SEARCH_RARE_PIECES + 1];
  const [row] = await session.query(set.count, values, SEARCH_WAIT_MS);
  return Number(row?.count) <= MAX_SEARCH_RARE_PIECES;
}

async function* findBy(
  statement: string,
  range: NameRange,
  from: Place | undefined,
  search: Search,
): AsyncGenerator<QueryRow, void> {
  for (let at = from; at !== undefined;) {
    const rows = await step(statement, range, at, search, search.rowsPerStep);
    yield* rows;
    const last = rows.at(-1);
    at = last === undefined || rows.length < search.rowsPerStep ? undefined : toPlace(last);
  }
}

async function step(
  statement: string,
  { from, to }: NameRange,
  at: Place,
  { session, signal, hiddenForm, pattern }: Search,
  rows: number,
): Promise<readonly QueryRow[]> {
  assertNotStopped(signal);
  const values = [from, to, hiddenForm, at.name, at.id, pattern, rows];
  return await session.query(statement, values, SEARCH_WAIT_MS);
}

/** The place before the first piece of a range; undefined if the range is before the start. */
async function startOf(
  set: SearchSql,
  { from, to }: NameRange,
  { session, after }: Search,
): Promise<Place | undefined> {
  if (after === undefined || compareCodePoints(after.name, from) < 0) return { name: from, id: 0 };
  if (compareCodePoints(after.name, to) >= 0) return undefined;
  // The last piece that begins at or before the line can have later lines.
  const [row] = await session.query(set.startOf, [after.name, after.line]);
  return { name: after.name, id: Math.max(0, Number(row?.id ?? 0) - 1) };
}

function toPlace(row: QueryRow): Place {
  return { name: String(row.name), id: Number(row.id) };
}

function findInPiece(row: QueryRow, { folded, after }: Search): Generator<SearchHit, void> {
  const piece = {
    name: String(row.name),
    version: Number(row.version),
    line: Number(row.line),
    column: Number(row.col),
    text: decoder.decode(columnBytes(row.text)),
  };
  return findHits(piece, folded, after);
}

/** Merges streams of hits, each in the order of names; the same world is in one stream only. */
async function* mergeInOrder(
  streams: readonly AsyncGenerator<SearchHit, void>[],
): AsyncGenerator<SearchHit, void> {
  const heads: (SearchHit | undefined)[] = [];
  for (const stream of streams) heads.push(await next(stream));
  for (;;) {
    const first = indexOfFirst(heads);
    const hit = heads[first];
    const stream = streams[first];
    if (hit === undefined || stream === undefined) return;
    yield hit;
    heads[first] = await next(stream);
  }
}

async function next(stream: AsyncGenerator<SearchHit, void>): Promise<SearchHit | undefined> {
  const { done, value } = await stream.next();
  return done ? undefined : value;
}
