/**
 * The time of a change. The wall clock can step back, but the time of a world and of the events in
 * its chain must never decrease, and a new world must not have the `Last-Modified` of the earlier
 * world of its name, which is a whole second. Pure functions of RFC 3339 texts in UTC with
 * milliseconds.
 */

const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/**
 * Returns the latest of some times.
 *
 * @param now the current time
 * @param earlier times of earlier changes; a text of another form, which only a manual edit can
 * leave, is ignored
 */
export function latestTime(now: string, ...earlier: readonly string[]): string {
  let latest = now;
  for (const time of earlier) {
    // All times have the same form, so that they can be compared as strings.
    if (time > latest && CANONICAL.test(time)) latest = time;
  }
  return latest;
}

/**
 * Returns the start of the second after a time; `""` for a text that is not a time.
 *
 * @param time time of the last change of an earlier world of the same name
 */
export function nextSecond(time: string): string {
  if (!CANONICAL.test(time)) return "";
  const at = Date.parse(time);
  return Number.isNaN(at) ? "" : new Date((Math.floor(at / 1000) + 1) * 1000).toISOString();
}
