import { assertEquals } from "../../support/assert.ts";
import { TRASH_STEP_MS, TRASH_STEP_TRUST_MS } from "../../../lib/limits.ts";
import { ExpiryClock } from "../../../lib/world/store/expiry_clock.ts";

const START = Date.parse("2026-11-28T10:00:00Z");
const YEAR = 365 * 86_400_000;

Deno.test("ExpiryClock follows a clock that drifts, and a step back at once", () => {
  const clock = new ExpiryClock(START, 0);
  assertEquals(clock.read(START + 1000, 1000), START + 1000);
  assertEquals(clock.read(START + TRASH_STEP_MS - 1, 0), START + TRASH_STEP_MS - 1);
  assertEquals(clock.read(START - YEAR, 2000), START - YEAR);
});

Deno.test("ExpiryClock trusts a step to a later time only after the clock agreed for a day", () => {
  const clock = new ExpiryClock(START, 0);
  assertEquals(clock.read(START + YEAR, 0), START);
  assertEquals(clock.read(START + YEAR + 5000, 5000), START + 5000);
  // Another step begins the day again.
  assertEquals(clock.read(START + 2 * YEAR + 6000, 6000), START + 6000);
  const almost = 6000 + TRASH_STEP_TRUST_MS - 1;
  assertEquals(clock.read(START + 2 * YEAR + almost, almost), START + almost);
  const later = 6000 + TRASH_STEP_TRUST_MS;
  assertEquals(clock.read(START + 2 * YEAR + later, later), START + 2 * YEAR + later);
});

Deno.test("ExpiryClock forgets a step that was taken back", () => {
  const clock = new ExpiryClock(START, 0);
  assertEquals(clock.read(START + YEAR, 0), START);
  assertEquals(clock.read(START + 1000, 1000), START + 1000);
  const later = TRASH_STEP_TRUST_MS + 1;
  assertEquals(clock.read(START + YEAR + later, later), START + later);
});

Deno.test("ExpiryClock.before() returns the start of 1970 for a very long time", () => {
  const clock = new ExpiryClock(Date.UTC(2026, 0, 2), 0);
  const day = 86_400_000;
  assertEquals(clock.before(day, Date.UTC(2026, 0, 2), 0), "2026-01-01T00:00:00.000Z");
  assertEquals(clock.before(1e300, Date.UTC(2026, 0, 2), 0), "1970-01-01T00:00:00.000Z");
});
