/**
 * HTTP dates (RFC 9110 §5.6.7): parses the three formats and writes the current one. Dates have
 * whole seconds and the time zone GMT. A text in any other form is not a date.
 */

import { HTTP_DATE_CACHE_ENTRIES } from "../limits.ts";

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const MONTH = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME = "(\\d{2}):(\\d{2}):(\\d{2})";
/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const IMF_FIXDATE = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) ${MONTH} (\\d{4}) ${TIME} GMT$`,
);
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC850 = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\\d{2})-${MONTH}-(\\d{2}) ${TIME} GMT$`,
);
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (\\d{2}| \\d) ${TIME} (\\d{4})$`,
);

// Clients send back the Last-Modified that they received, so the same few dates recur very often.
const memo = new Map<string, number>();

/**
 * Parses an HTTP date.
 *
 * @param text the header value
 * @param now returns the current time in Unix milliseconds; decides the century of a two-digit year
 * @returns Unix milliseconds, or undefined if the text is not an HTTP date; RFC 9110 §13.1 then
 * requires to ignore the header
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { parseHttpDate } from "./http_date.ts";
 *
 * strictEqual(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000);
 * strictEqual(parseHttpDate("1994-11-06"), undefined);
 * ```
 */
export function parseHttpDate(text: string, now: () => number = Date.now): number | undefined {
  const cached = memo.get(text);
  if (cached !== undefined) return cached;
  const imf = IMF_FIXDATE.exec(text);
  if (imf) {
    const [, day, month, year, hour, minute, second] = imf;
    const time = instant(year, month, day, hour, minute, second);
    if (time !== undefined) {
      if (memo.size >= HTTP_DATE_CACHE_ENTRIES) memo.clear();
      memo.set(text, time);
    }
    return time;
  }
  const rfc850 = RFC850.exec(text);
  if (rfc850) {
    const [, day, month, year, hour, minute, second] = rfc850;
    return instant(century(year, now()), month, day, hour, minute, second);
  }
  const asctime = ASCTIME.exec(text);
  if (asctime) {
    const [, month, day, hour, minute, second, year] = asctime;
    return instant(year, month, day, hour, minute, second);
  }
  return undefined;
}

/**
 * Formats Unix milliseconds as an HTTP date, rounded down to whole seconds.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { formatHttpDate } from "./http_date.ts";
 *
 * strictEqual(formatHttpDate(784111777000), "Sun, 06 Nov 1994 08:49:37 GMT");
 * ```
 */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString();
}

/**
 * Rounds Unix milliseconds down to whole seconds, the precision of an HTTP date. The result is in
 * milliseconds.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { toWholeSeconds } from "./http_date.ts";
 *
 * strictEqual(toWholeSeconds(1999), 1000);
 * ```
 */
export function toWholeSeconds(time: number): number {
  return Math.floor(time / 1000) * 1000;
}

/** A two-digit year more than 50 years in the future means the past century (RFC 9110 §5.6.7). */
function century(twoDigits: string | undefined, now: number): number {
  const current = new Date(now).getUTCFullYear();
  const year = current - current % 100 + Number(twoDigits);
  return year > current + 50 ? year - 100 : year;
}

function instant(
  year: string | number | undefined,
  month: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(Number(year), MONTHS.indexOf(month ?? "?") / 3, Number(day));
  // Date would move an invalid day into the next month. Second 60 is a leap second.
  if (date.getUTCDate() !== Number(day)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  return date.setUTCHours(Number(hour), Number(minute), Number(second));
}
