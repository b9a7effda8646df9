import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { formatDuration, parseDurationSeconds } from "../../lib/base/duration.ts";

Deno.test("parseDurationSeconds() accepts seconds, minutes, hours and days only", () => {
  const rows: readonly [string, number | undefined][] = [
    ["90", 90],
    ["90s", 90],
    ["15m", 900],
    ["1h", 3600],
    ["7d", 604_800],
    ["0", undefined],
    ["0h", undefined],
    ["-1h", undefined],
    ["1.5h", undefined],
    ["1w", undefined],
    ["h", undefined],
    ["", undefined],
    ["1 h", undefined],
    ["9999999999", undefined],
  ];
  for (const [text, seconds] of rows) assertStrictEquals(parseDurationSeconds(text), seconds, text);
});

Deno.test("formatDuration() uses the largest whole unit", () => {
  assertEquals(formatDuration(1), "1 second");
  assertEquals(formatDuration(90), "90 seconds");
  assertEquals(formatDuration(60), "1 minute");
  assertEquals(formatDuration(3600), "1 hour");
  assertEquals(formatDuration(604_800), "7 days");
});
