import { equal } from "node:assert/strict";
import { formatDuration, parseDurationSeconds } from "../../../lib/cli/client/duration.ts";

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
  for (const [text, seconds] of rows) equal(parseDurationSeconds(text), seconds, text);
});

Deno.test("formatDuration() uses the largest whole unit", () => {
  equal(formatDuration(1), "1 second");
  equal(formatDuration(90), "90 seconds");
  equal(formatDuration(60), "1 minute");
  equal(formatDuration(3600), "1 hour");
  equal(formatDuration(604_800), "7 days");
});
