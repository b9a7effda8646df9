/** Times in the form of RFC 3339. Pure. */

const TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,9})?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Parses a time of RFC 3339 (§5.6).
 *
 * @param text untrusted input
 * @returns the same time in UTC with milliseconds; undefined for any other text, also for a date that
 * does not exist
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { parseRfc3339 } from "./rfc3339.ts";
 *
 * strictEqual(parseRfc3339("2026-11-28T10:00:00+01:00"), "2026-11-28T09:00:00.000Z");
 * strictEqual(parseRfc3339("2026-02-30T10:00:00Z"), undefined);
 * strictEqual(parseRfc3339("yesterday"), undefined);
 * ```
 */
export function parseRfc3339(text: string): string | undefined {
  const [, year, month, day, hour, minute, second] = TIME.exec(text) ?? [];
  if (year === undefined) return undefined;
  const fields = [month, day, hour, minute, second].map(Number);
  const [m = 0, d = 0, h = 0, min = 0, s = 0] = fields;
  const lastDay = new Date(Date.UTC(Number(year), m, 0)).getUTCDate();
  // RFC 3339 permits leap seconds, and Date does not: they count as the second before.
  const isValid = m >= 1 && m <= 12 && d >= 1 && d <= lastDay && h <= 23 && min <= 59 && s <= 60;
  if (!isValid) return undefined;
  const parsed = Date.parse(text.toUpperCase().replace(" ", "T").replace(/:60(?=[.Z+-])/, ":59"));
  return Number.isNaN(parsed) ? undefined : new Date(parsed).toISOString();
}
