/**
 * Byte ranges (RFC 9110 §14): which part of a representation a Range header selects. One range per
 * request is served; any other Range header is ignored, so that the whole is sent. The results are
 * those of `lib/http/byte_range.ts`; one table of cases tests both.
 */

import { parseHttpDate, wholeSeconds } from "./http_date.ts";

/** Positions of the first and the last byte that are sent. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The unit is case-insensitive (RFC 9110 §14.1). */
const ONE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * Evaluates Range and If-Range of a GET, after the preconditions.
 *
 * @param headers headers of the request
 * @param etag entity tag of the representation with its quotes; a weak one never matches If-Range
 * @param modified time of the last change in Unix milliseconds; undefined if unknown
 * @param length length of the representation in bytes
 * @returns `whole` for 200, `unsatisfiable` for 416, a range for 206
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { selectRange } from "./byte_range.ts";
 *
 * const select = (range: string) => selectRange(new Headers({ range }), '"1"', undefined, 10);
 * deepStrictEqual(select("bytes=2-"), { start: 2, end: 9 });
 * strictEqual(select("bytes=10-"), "unsatisfiable");
 * strictEqual(select("bytes=0-1,4-5"), "whole");
 * ```
 */
export function selectRange(
  headers: Headers,
  etag: string,
  modified: number | undefined,
  length: number,
): "whole" | "unsatisfiable" | ByteRange {
  const ifRange = headers.get("if-range");
  const found = ONE_RANGE.exec(headers.get("range") ?? "");
  if (found === null) return "whole";
  if (ifRange !== null && !isUnchanged(ifRange, etag, modified)) return "whole";
  const [, first, last, suffix] = found;
  if (suffix !== undefined) return lastBytes(Number(suffix), length);
  const start = Number(first);
  // RFC 9110 §14.1.1: a range whose last position is before its first is invalid.
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= length) return "unsatisfiable";
  return { start, end: last === "" ? length - 1 : Math.min(Number(last), length - 1) };
}

/**
 * Returns the value of Content-Range for a 206 or a 416 response (RFC 9110 §14.4).
 *
 * @param length length of the whole representation in bytes
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { contentRange } from "./byte_range.ts";
 *
 * strictEqual(contentRange({ start: 0, end: 4 }, 10), "bytes 0-4/10");
 * ```
 */
export function contentRange(range: ByteRange | "unsatisfiable", length: number): string {
  return range === "unsatisfiable"
    ? `bytes */${length}`
    : `bytes ${range.start}-${range.end}/${length}`;
}

function lastBytes(count: number, length: number): "whole" | "unsatisfiable" | ByteRange {
  if (count === 0) return "unsatisfiable";
  // Content-Range cannot describe a part of an empty representation.
  if (length === 0) return "whole";
  return { start: Math.max(0, length - count), end: length - 1 };
}

/** RFC 9110 §13.1.5: an equal strong entity tag, or exactly the date of the last change. */
function isUnchanged(ifRange: string, etag: string, modified: number | undefined): boolean {
  if (ifRange === etag) return !etag.startsWith("W/");
  return modified !== undefined && parseHttpDate(ifRange) === wholeSeconds(modified);
}
