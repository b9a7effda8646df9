/**
 * Byte ranges (RFC 9110 §14): which part of a representation a Range header asks for. One range a
 * request is served; whatever cannot or need not be honoured is answered with the whole, which
 * RFC 9110 §14.2 always allows. It must never select a byte that is not there.
 */

import { parseHttpDate, toWholeSeconds } from "./http_date.ts";

/** Part of a representation: both ends are positions of bytes that are sent. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a GET with these headers is answered with: 200, 206 or 416. */
export type RangeOutcome = "whole" | "unsatisfiable" | ByteRange;

// bytes=first-[last] or bytes=-suffix; the unit's name is case-insensitive (§14.1).
const ONE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * Judges Range and If-Range. Call it for GET alone ("A server MUST ignore a Range header field
 * received with a request method that is unrecognized or for which range handling is not defined",
 * §14.2), after the preconditions.
 *
 * @param range the request's Range header
 * @param ifRange the request's If-Range header
 * @param etag the representation's entity tag, quoted and strong
 * @param lastModified when it changed last, Unix milliseconds
 * @param length of the representation in bytes
 */
export function selectRange(
  range: string | null,
  ifRange: string | null,
  etag: string,
  lastModified: number,
  length: number,
): RangeOutcome {
  if (range === null) return "whole";
  if (ifRange !== null && !isIfRangeCurrent(ifRange, etag, lastModified)) return "whole";
  const found = ONE_RANGE.exec(range);
  // Another unit, a malformed range, and several ranges: "A server MAY ignore the Range header
  // field" (§14.2). Many ranges in one answer mostly serve who wants to make a server work.
  if (found === null) return "whole";
  const [, first, last, suffix] = found;
  if (suffix !== undefined) return lastBytes(Number(suffix), length);
  const start = Number(first);
  // "An int-range is invalid if the last-pos value is present and less than first-pos" (§14.1.1):
  // malformed, not unsatisfiable.
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= length) return "unsatisfiable";
  return { start, end: last === "" ? length - 1 : Math.min(Number(last), length - 1) };
}

/**
 * The value of Content-Range for a 206 or a 416 (§14.4).
 *
 * @param length of the whole representation in bytes
 */
export function formatContentRange(range: ByteRange | "unsatisfiable", length: number): string {
  return range === "unsatisfiable"
    ? `bytes */${length}`
    : `bytes ${range.start}-${range.end}/${length}`;
}

function lastBytes(suffix: number, length: number): RangeOutcome {
  if (suffix === 0) return "unsatisfiable";
  // "If the selected representation is shorter than the specified suffix-length, the entire
  // representation is used" (§14.1.2). Of an empty one no Content-Range can tell, so it goes as 200.
  if (length === 0) return "whole";
  return { start: Math.max(0, length - suffix), end: length - 1 };
}

/**
 * §13.1.5: an entity tag counts under strong comparison; a date counts when it is exactly the
 * Last-Modified. That a date is strong enough is for its sender to make sure (§13.1.5, §8.8.2.2).
 */
function isIfRangeCurrent(ifRange: string, etag: string, lastModified: number): boolean {
  if (ifRange === etag) return true;
  return parseHttpDate(ifRange) === toWholeSeconds(lastModified);
}
