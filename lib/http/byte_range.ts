/**
 * Byte ranges (RFC 9110 §14): which bytes of a representation a Range header selects. One range per
 * request is served. Any other Range header is ignored and the whole representation is sent, which
 * RFC 9110 §14.2 always allows. A selected range never includes a byte outside the representation.
 */

import { parseHttpDate, toWholeSeconds } from "./http_date.ts";

/** A range of bytes to send. `start` and `end` are positions from 0, both inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a GET sends: the whole representation (200), no bytes (416), or one range (206). */
export type RangeOutcome = "whole" | "unsatisfiable" | ByteRange;

// bytes=first-[last] or bytes=-suffix; the unit is case-insensitive (§14.1).
const ONE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * Selects the bytes to send from Range and If-Range. Call it for GET only, after the preconditions:
 * "A server MUST ignore a Range header field received with a request method that is unrecognized or
 * for which range handling is not defined" (RFC 9110 §14.2).
 *
 * @param range value of the Range header, or null if it was not sent
 * @param ifRange value of the If-Range header, or null if it was not sent
 * @param etag entity tag of the representation, quoted and strong
 * @param lastModified time of the last change, Unix milliseconds
 * @param length length of the representation in bytes, at least 0
 * @returns `whole` if Range is absent, malformed, in another unit, has several ranges, or If-Range
 * is not current; `unsatisfiable` if no byte of the range exists
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { selectRange } from "./byte_range.ts";
 *
 * const etag = '"3-2c26b46b68ffc68f.raw"';
 * deepStrictEqual(selectRange("bytes=0-3", null, etag, 0, 10), { start: 0, end: 3 });
 * deepStrictEqual(selectRange("bytes=-2", null, etag, 0, 10), { start: 8, end: 9 });
 * strictEqual(selectRange("bytes=10-", null, etag, 0, 10), "unsatisfiable");
 * strictEqual(selectRange("bytes=0-3", '"2-0000000000000000.raw"', etag, 0, 10), "whole");
 * ```
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
  // Another unit, a malformed range or several ranges: "A server MAY ignore the Range header field"
  // (§14.2). Many ranges in one request mostly serve to overload a server.
  if (found === null) return "whole";
  const [, first, last, suffix] = found;
  if (suffix !== undefined) return lastBytes(Number(suffix), length);
  const start = Number(first);
  // "An int-range is invalid if the last-pos value is present and less than first-pos" (§14.1.1):
  // the header is malformed, so it is ignored.
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= length) return "unsatisfiable";
  return { start, end: last === "" ? length - 1 : Math.min(Number(last), length - 1) };
}

/**
 * Formats the Content-Range header of a 206 or a 416 (RFC 9110 §14.4).
 *
 * @param range the range that is sent, or `unsatisfiable` for a 416
 * @param length length of the whole representation in bytes
 * @returns the header value, such as `bytes 0-3/10`
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { formatContentRange } from "./byte_range.ts";
 *
 * strictEqual(formatContentRange({ start: 0, end: 3 }, 10), "bytes 0-3/10");
 * strictEqual(formatContentRange("unsatisfiable", 10).endsWith("/10"), true);
 * ```
 */
export function formatContentRange(range: ByteRange | "unsatisfiable", length: number): string {
  return range === "unsatisfiable"
    ? `bytes */${length}`
    : `bytes ${range.start}-${range.end}/${length}`;
}

function lastBytes(suffix: number, length: number): RangeOutcome {
  if (suffix === 0) return "unsatisfiable";
  // "If the selected representation is shorter than the specified suffix-length, the entire
  // representation is used" (§14.1.2). Content-Range cannot express an empty range, so the response
  // is a 200.
  if (length === 0) return "whole";
  return { start: Math.max(0, length - suffix), end: length - 1 };
}

/**
 * Checks If-Range (RFC 9110 §13.1.5). An entity tag must match under strong comparison. A date must
 * equal Last-Modified exactly; the client must know that the date is a strong validator (§8.8.2.2).
 */
function isIfRangeCurrent(ifRange: string, etag: string, lastModified: number): boolean {
  if (ifRange === etag) return true;
  return parseHttpDate(ifRange) === toWholeSeconds(lastModified);
}
