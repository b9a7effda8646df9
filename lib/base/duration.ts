/** Durations in settings and on the command line: `90s`, `15m`, `1h`, `7d`. Pure. */

const SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Parses a duration. A number without a unit means seconds.
 *
 * @returns whole seconds, at least 1; undefined if the text is malformed
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseDurationSeconds } from "./duration.ts";
 * deepStrictEqual([parseDurationSeconds("2h"), parseDurationSeconds("0")], [7200, undefined]);
 * ```
 */
export function parseDurationSeconds(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  const seconds = digits === undefined ? 0 : Number(digits) * (SECONDS[unit] ?? 0);
  return seconds > 0 ? seconds : undefined;
}

/**
 * Formats seconds in the largest unit that divides them: `90 seconds`, `1 hour`.
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { formatDuration } from "./duration.ts";
 * deepStrictEqual([formatDuration(90), formatDuration(3600)], ["90 seconds", "1 hour"]);
 * ```
 */
export function formatDuration(seconds: number): string {
  for (const [unit, word] of [["d", "day"], ["h", "hour"], ["m", "minute"]] as const) {
    const size = SECONDS[unit] ?? 1;
    if (seconds >= size && seconds % size === 0) return formatCount(seconds / size, word);
  }
  return formatCount(seconds, "second");
}

function formatCount(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
