import { assertEquals } from "../../support/assert.ts";
import { parseSince } from "../../../lib/cli/client/parse_since.ts";

/** A time of this day in the zone of the computer. */
function local(hour: number, minute = 0, day = 28): number {
  return new Date(2026, 10, day, hour, minute).getTime();
}

Deno.test("parseSince() reads durations, local times and RFC 3339", () => {
  const now = local(12);
  const rows: readonly (readonly [string, number])[] = [
    ["2h", now - 7_200_000],
    ["90s", now - 90_000],
    ["10:00", local(10)],
    ["9:05", local(9, 5)],
    // Later than now: yesterday.
    ["13:00", local(13, 0, 27)],
    ["2026-11-28T10:00", local(10)],
    ["2026-11-28T10:00:00.500", local(10) + 500],
    ["2026-11-28", local(0)],
    ["2026-11-28T10:00:00Z", Date.UTC(2026, 10, 28, 10)],
    // Before every change.
    ["99999999d", 0],
    ["999999999d", 0],
    ["0000-01-01T00:00:00Z", 0],
    ["2026-11-28T10:00:00+02:00", Date.UTC(2026, 10, 28, 8)],
  ];
  for (const [text, expected] of rows) {
    assertEquals(parseSince(text, now), new Date(expected).toISOString(), text);
  }
  for (const text of ["", "now", "24:00", "10:60", "10", "2026-13-01", "2026-11-28 10:00", "0h"]) {
    assertEquals(parseSince(text, now), undefined, text);
  }
});
