/**
 * A clock for durations: timeouts, caches with a lifetime, pauses, uptime. A step of the computer's
 * clock does not change it, so no duration becomes negative or lasts for hours.
 */

/**
 * Creates a clock that only moves forward. It begins at the current Unix time, so that its first
 * value is also a date.
 *
 * @param wall the clock of the computer in Unix milliseconds
 * @param elapsed milliseconds of a monotonic clock
 * @returns a function that returns milliseconds; two values of one clock can be subtracted
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { createMonotonicClock } from "./monotonic_clock.ts";
 *
 * let [wall, elapsed] = [1_000_000, 5];
 * const now = createMonotonicClock(() => wall, () => elapsed);
 * wall -= 3600_000; // the computer's clock steps back one hour
 * elapsed += 20;
 * strictEqual(now(), 1_000_020);
 * ```
 */
export function createMonotonicClock(
  wall: () => number = Date.now,
  elapsed: () => number = () => performance.now(),
): () => number {
  const offset = wall() - elapsed();
  return () => offset + elapsed();
}
