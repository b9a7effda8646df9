/** Ranges in query parameters: lines of a text, and two versions to compare. Pure functions of strings. */

/** Lines from `first` to `last`, both counted from 1 and included. */
export interface LineRange {
  readonly first: number;
  /** Infinity for the end of the text. */
  readonly last: number;
}

/** Two versions; without `to` the current one. */
export interface VersionPair {
  readonly from: number;
  readonly to?: number;
}

const LINES = /^([1-9]\d{0,14})(?:(-)([1-9]\d{0,14})?)?$/;
const VERSIONS = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/;

/**
 * Parses the value of `?lines=`: `3-5`, `3-` or `3`.
 *
 * @param text the decoded value
 * @returns undefined if it is not valid
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseLineRange } from "./query_ranges.ts";
 *
 * deepStrictEqual(parseLineRange("3-5"), { first: 3, last: 5 });
 * deepStrictEqual(parseLineRange("3-"), { first: 3, last: Infinity });
 * deepStrictEqual(parseLineRange("5-3"), undefined);
 * ```
 */
export function parseLineRange(text: string): LineRange | undefined {
  const found = LINES.exec(text);
  if (found === null) return undefined;
  const [, start, dash, end] = found;
  const first = Number(start);
  const last = dash === undefined ? first : end === undefined ? Infinity : Number(end);
  return last < first ? undefined : { first, last };
}

/**
 * Parses the value of `?diff=`: `3` or `3..5`.
 *
 * @param text the decoded value
 * @returns undefined if it is not valid
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseVersionPair } from "./query_ranges.ts";
 *
 * deepStrictEqual(parseVersionPair("3..5"), { from: 3, to: 5 });
 * deepStrictEqual(parseVersionPair("3"), { from: 3 });
 * ```
 */
export function parseVersionPair(text: string): VersionPair | undefined {
  const [, from, to] = VERSIONS.exec(text) ?? [];
  if (from === undefined) return undefined;
  return { from: Number(from), ...(to === undefined ? {} : { to: Number(to) }) };
}
