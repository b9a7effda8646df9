/** Times on the command line: `10:00`, `2026-11-28T10:00`, `2h`. Pure; the caller reads the clock. */

import { parseDurationSeconds } from "../../base/duration.ts";

const DAY_MS = 86_400_000;

/**
 * Parses the begin of a period. Times without a zone are in the local time of this computer.
 *
 * @param text a duration before now (`2h`, with a unit), a time of today or, if that is later than
 * now, of yesterday (`10:00`), a date, or a date with a time (RFC 3339, the zone is optional)
 * @param now current time in Unix milliseconds
 * @returns the time in UTC in RFC 3339 form; undefined if the text is malformed
 */
export function parseSince(text: string, now: number): string | undefined {
  if (/^\d+[smhd]$/.test(text)) {
    const seconds = parseDurationSeconds(text);
    return seconds === undefined ? undefined : toText(now - seconds * 1000);
  }
  const [, hour, minute, second = "0"] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text) ?? [];
  if (hour !== undefined && minute !== undefined) {
    if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
    const at = new Date(now).setHours(Number(hour), Number(minute), Number(second), 0);
    return toText(at > now ? at - DAY_MS : at);
  }
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text)) {
    return undefined;
  }
  // A date without a time is local too; the language reads it as UTC.
  return toText(Date.parse(text.includes("T") ? text : `${text}T00:00`));
}

/** A time before 1970 is 1970: no change is older, and a long duration leads to a time without a text. */
function toText(at: number): string | undefined {
  return Number.isNaN(at) ? undefined : new Date(Math.max(0, at)).toISOString();
}
