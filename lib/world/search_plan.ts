/** What both engines decide about a search before and while they read texts. Pure. */

import { compareCodePoints } from "../base/compare_code_points.ts";
import {
  MAX_ISOLATED_SCAN_CHARS,
  MAX_ISOLATED_SCAN_WORLDS,
  MAX_SEARCH_SCAN_CHARS,
  MAX_SEARCH_SCAN_WORLDS,
} from "../search_limits.ts";
import { type NameRange, toRanges } from "./name_ranges.ts";
import type { SearchHit, SearchPosition, SearchQuery } from "./search.ts";
import { findLines } from "./search_text.ts";

/** How much text a search reads without the index. */
export interface ScanLimits {
  readonly worlds: number;
  /** UTF-16 code units. */
  readonly chars: number;
}

const ISOLATED_SCAN = { worlds: MAX_ISOLATED_SCAN_WORLDS, chars: MAX_ISOLATED_SCAN_CHARS };
const SCAN = { worlds: MAX_SEARCH_SCAN_WORLDS, chars: MAX_SEARCH_SCAN_CHARS };

/** Returns up to which size a query reads exactly the texts that it covers. */
export function scanLimitsOf({ isolated }: Pick<SearchQuery, "isolated">): ScanLimits {
  return isolated ? ISOLATED_SCAN : SCAN;
}

/** Returns the sets of worlds that a query covers, each with its ranges of names. */
export function sourcesOf<S>(
  { within }: Pick<SearchQuery, "within">,
  open: S,
  restricted: S,
): { readonly set: S; readonly ranges: readonly NameRange[] }[] {
  return [
    { set: open, ranges: toRanges(within) },
    { set: restricted, ranges: toRanges(within.filter((part) => part.restricted)) },
  ].filter(({ ranges }) => ranges.length > 0);
}

/** Returns the index of the hit that is first in the order of names; -1 without a hit. */
export function indexOfFirst(heads: readonly (SearchHit | undefined)[]): number {
  let first = -1;
  for (const [at, head] of heads.entries()) {
    const best = heads[first];
    if (head === undefined) continue;
    if (best === undefined || compareCodePoints(head.name, best.name) < 0) first = at;
  }
  return first;
}

/** A part of the text of a world. */
export interface SearchedPiece {
  readonly name: string;
  readonly version: number;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** Finds the lines of a piece that match and are after the start of the page. */
export function* findHits(
  { name, version, ...piece }: SearchedPiece,
  folded: string,
  after: SearchPosition | undefined,
): Generator<SearchHit, void> {
  for (const match of findLines(piece, folded)) {
    if (after !== undefined && name === after.name && match.line <= after.line) continue;
    yield { name, version, ...match };
  }
}
