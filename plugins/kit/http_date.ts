/**
 * HTTP dates (RFC 9110 §5.6.7) in their three formats. The results are those of
 * `lib/http/http_date.ts`; one table of cases tests both.
 */

const MONTH_NAMES = "JanFebMarAprMayJunJulAugSepOctNovDec";
const MONTH_PATTERN = "(?<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME_PATTERN = "(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})";
const HTTP_DATES = [
  // Sun, 06 Nov 1994 08:49:37 GMT
  `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d{2}) ${MONTH_PATTERN} (?<year>\\d{4}) ${TIME_PATTERN} GMT`,
  // Sunday, 06-Nov-94 08:49:37 GMT
  `(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d{2})-${MONTH_PATTERN}-(?<year>\\d{2}) ${TIME_PATTERN} GMT`,
  // Sun Nov  6 08:49:37 1994
  `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH_PATTERN} (?<day>\\d{2}| \\d) ${TIME_PATTERN} (?<year>\\d{4})`,
].map((pattern) => new RegExp(`^${pattern}$`));

/**
 * Parses an HTTP date.
 *
 * @param text value of a header such as If-Modified-Since
 * @param now Unix milliseconds; a year of two digits is at most 50 years after it
 * @returns Unix milliseconds; undefined if the text is not an HTTP date, so that the header must be
 * ignored
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { parseHttpDate } from "./http_date.ts";
 *
 * strictEqual(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), Date.UTC(1994, 10, 6, 8, 49, 37));
 * strictEqual(parseHttpDate("1994-11-06"), undefined);
 * ```
 */
export function parseHttpDate(text: string, now = Date.now()): number | undefined {
  for (const pattern of HTTP_DATES) {
    const found = pattern.exec(text)?.groups;
    if (found === undefined) continue;
    const { day, month = "", hour, minute, second } = found;
    const date = new Date(0);
    const index = MONTH_NAMES.indexOf(month) / 3;
    date.setUTCFullYear(fullYear(found.year ?? "", now), index, Number(day));
    // A day that the month does not have rolls over into the next month; second 60 is a leap second.
    if (date.getUTCDate() !== Number(day)) return undefined;
    if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
    return date.setUTCHours(Number(hour), Number(minute), Number(second));
  }
  return undefined;
}

/**
 * Rounds a time down to whole seconds, the precision of an HTTP date.
 *
 * @param time Unix milliseconds
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { wholeSeconds } from "./http_date.ts";
 *
 * strictEqual(wholeSeconds(1999), 1000);
 * ```
 */
export function wholeSeconds(time: number): number {
  return Math.floor(time / 1000) * 1000;
}

/** RFC 9110 §5.6.7: a year of two digits that is more than 50 years ahead means the past. */
function fullYear(digits: string, now: number): number {
  if (digits.length === 4) return Number(digits);
  const current = new Date(now).getUTCFullYear();
  const year = current - current % 100 + Number(digits);
  return year > current + 50 ? year - 100 : year;
}
