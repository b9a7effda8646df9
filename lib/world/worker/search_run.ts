/**
 * One search in the search index, in steps. Names are visited in the order of their bytes, so that a
 * page needs only the worlds up to its last line.
 *
 * What a search costs must not depend on what its caller cannot read. Worlds of T3 are in tables of
 * their own. If a query covers few worlds, exactly their texts are read. Only a query that covers many
 * uses the full-text index, which has the other worlds too; the page reports it as `isShared`.
 */

import { compareCodePoints } from "../../base/compare_code_points.ts";
import { foldText } from "../../base/fold_text.ts";
import {
  MAX_SEARCH_RARE_PIECES,
  MAX_SEARCH_TERMS,
  MAX_SEARCH_TOO_LONG,
  SEARCH_COMMON_PIECES,
  SEARCH_FIRST_PIECES,
  SEARCH_ROWS_PER_STEP,
  SEARCH_STEP_MS,
} from "../../search_limits.ts";
import { AFTER_NAMES, type NameRange } from "../name_ranges.ts";
import type { SearchHit, SearchPage, SearchPosition, SearchQuery } from "../search.ts";
import { FORM } from "../search_form.ts";
import {
  findHits,
  indexOfFirst,
  type ScanLimits,
  scanLimitsOf,
  sourcesOf,
} from "../search_plan.ts";
import { quoteGram, toGramQuery } from "../search_text.ts";
import type { Row, SearchSet } from "./search_set.ts";

/** How the texts are chosen that are looked at. */
type Plan =
  | { readonly kind: "all" }
  | { readonly kind: "rare" | "common"; readonly grams: string };

/** What a search looks for in each set. */
interface Search {
  readonly folded: string;
  /** The form of worlds that the caller does not see. */
  readonly hiddenForm: number;
  readonly after: SearchPosition | undefined;
  readonly rowsPerStep: number;
}

/** A sequence that no text contains in practice; a text that contains it is checked as any other. */
const NO_GRAM = "\u0002\u0002\u0002";

/** Runs a search. The generator returns the page. */
export function* searchInSteps(
  query: SearchQuery,
  open: SearchSet,
  restricted: SearchSet,
): Generator<void, SearchPage> {
  const { original, text, after, limit } = query;
  const search: Search = {
    folded: foldText(text),
    hiddenForm: original ? FORM.redacted : FORM.original,
    after,
    rowsPerStep: Math.min(limit + 1, SEARCH_ROWS_PER_STEP),
  };
  const sources = sourcesOf(query, open, restricted);
  const streams = sources.map(({ set, ranges }) => {
    const isSmall = isSmallEnough(set, ranges, scanLimitsOf(query));
    return { isSmall, found: findInSet(set, ranges, isSmall, search) };
  });
  const hits: SearchHit[] = [];
  for (const hit of mergeInOrder(streams.map(({ found }) => found))) {
    if (hit === undefined) yield;
    else if (hits.push(hit) > limit) break;
  }
  return {
    hits: hits.slice(0, limit),
    more: hits.length > limit,
    tooLong: sources.flatMap(({ set, ranges }) => listTooLong(set, ranges, search.hiddenForm))
      .sort(compareCodePoints).slice(0, MAX_SEARCH_TOO_LONG),
    isShared: streams.some(({ isSmall }) => !isSmall),
  };
}

/** Whether reading all texts of the ranges is cheap. */
function isSmallEnough(
  set: SearchSet,
  ranges: readonly NameRange[],
  max: ScanLimits,
): boolean {
  let worlds = 0;
  let chars = 0;
  for (const { from, to } of ranges) {
    const row = set.get(set.sql.measureRange, from, to, max.worlds + 1);
    worlds += Number(row?.count);
    chars += Number(row?.chars);
    if (worlds > max.worlds || chars > max.chars) return false;
  }
  return true;
}

/** Yields the hits of one set in order, and undefined where the search can pause. */
function* findInSet(
  set: SearchSet,
  ranges: readonly NameRange[],
  isSmall: boolean,
  search: Search,
): Generator<SearchHit | undefined, void> {
  const isShort = [...search.folded].length < 3;
  const found = isSmall || isShort ? undefined : planFor(set, toGramQuery(search.folded));
  // What is in many texts is often in the first ones, and then the index would cost more.
  let plan: Plan = found?.kind === "rare" ? found : { kind: "all" };
  let left = isSmall || found?.kind === "rare"
    ? Infinity
    : isShort
    ? SEARCH_FIRST_PIECES
    : SEARCH_COMMON_PIECES;
  let stepEnd = performance.now() + SEARCH_STEP_MS;
  for (const range of ranges) {
    let at = startOf(range, search.after);
    if (at === undefined) continue;
    for (;;) {
      if (left <= 0) {
        left = Infinity;
        plan = found ?? planForShort(set, search.folded);
      }
      const rows = findRows(set, plan, range, at, search);
      left -= rows.length;
      for (const [index, row] of rows.entries()) {
        if (performance.now() >= stepEnd) {
          yield undefined;
          stepEnd = performance.now() + SEARCH_STEP_MS;
        }
        if (isBefore(row, rows[index + 1], search.after)) continue;
        yield* findInPiece(set, row, search);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < search.rowsPerStep) break;
      at = { name: String(last.name), id: Number(last.id) };
    }
  }
}

/** The position before the first piece of a range; undefined if the range is before the start. */
function startOf(
  { from, to }: NameRange,
  after: SearchPosition | undefined,
): { name: string; id: number } | undefined {
  if (after === undefined || compareCodePoints(after.name, from) <= 0) return { name: from, id: 0 };
  return compareCodePoints(after.name, to) < 0 ? { name: after.name, id: 0 } : undefined;
}

function findRows(
  set: SearchSet,
  plan: Plan,
  { to }: NameRange,
  at: { readonly name: string; readonly id: number },
  { hiddenForm, rowsPerStep }: Search,
): Row[] {
  const range = [at.name, to, hiddenForm, at.name, at.id, rowsPerStep];
  if (plan.kind === "all") return set.all(set.sql.findAll, ...range);
  const statement = plan.kind === "rare" ? set.sql.findRare : set.sql.findCommon;
  return set.all(statement, plan.grams, ...range);
}

/** Whether all lines of a piece are before the start: the next piece begins at or before it. */
function isBefore(row: Row, next: Row | undefined, after: SearchPosition | undefined): boolean {
  return after !== undefined && row.name === after.name && next?.name === after.name &&
    Number(next.line) <= after.line;
}

function findInPiece(
  set: SearchSet,
  row: Row,
  { folded, after }: Search,
): Generator<SearchHit, void> {
  const piece = {
    name: String(row.name),
    version: Number(row.version),
    line: Number(row.line),
    column: Number(row.col),
    text: set.readText(Number(row.id)),
  };
  return findHits(piece, folded, after);
}

function planFor(set: SearchSet, grams: string): Plan {
  const found = set.get(set.sql.countFound, grams, MAX_SEARCH_RARE_PIECES + 1);
  return { kind: Number(found?.count) <= MAX_SEARCH_RARE_PIECES ? "rare" : "common", grams };
}

/** One or two characters: all sequences of three characters in the index that begin with them. */
function planForShort(set: SearchSet, folded: string): Plan {
  const from = folded.replaceAll("\0", "\u0001");
  const terms = set.all(set.sql.selectTerms, from, from + AFTER_NAMES, MAX_SEARCH_TERMS + 1);
  if (terms.length > MAX_SEARCH_TERMS) return { kind: "all" };
  const grams = terms.length === 0 ? [NO_GRAM] : terms.map(({ term }) => String(term));
  return planFor(set, grams.map(quoteGram).join(" OR "));
}

function listTooLong(
  set: SearchSet,
  ranges: readonly NameRange[],
  hiddenForm: number,
): string[] {
  return ranges.flatMap(({ from, to }) =>
    set.all(set.sql.selectTooLong, from, to, hiddenForm, MAX_SEARCH_TOO_LONG)
      .map(({ name }) => String(name))
  );
}

/**
 * Merges streams of hits, each in order, and passes on where they can pause. A line that was cut into
 * pieces is one hit. The pieces of a world that is replaced during a pause begin again: lines before
 * the last hit are left out.
 */
function* mergeInOrder(
  streams: readonly Generator<SearchHit | undefined, void>[],
): Generator<SearchHit | undefined, void> {
  const heads: (SearchHit | undefined)[] = [];
  for (const stream of streams) heads.push(yield* nextHit(stream, undefined));
  for (;;) {
    const first = indexOfFirst(heads);
    const hit = heads[first];
    const stream = streams[first];
    if (hit === undefined || stream === undefined) return;
    yield hit;
    heads[first] = yield* nextHit(stream, hit);
  }
}

function* nextHit(
  stream: Generator<SearchHit | undefined, void>,
  before: SearchHit | undefined,
): Generator<undefined, SearchHit | undefined> {
  for (;;) {
    const { done, value } = stream.next();
    if (done) return undefined;
    if (value === undefined) yield undefined;
    else if (value.name !== before?.name || value.line > before.line) return value;
  }
}
