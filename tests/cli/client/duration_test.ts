import { equal } from "node:assert/strict";
import { durationSeconds, durationWords } from "../../../lib/cli/client/duration.ts";

Deno.test("durationSeconds() reads seconds, minutes, hours and days, and nothing else", () => {
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
  for (const [text, seconds] of rows) equal(durationSeconds(text), seconds, text);
});

Deno.test("durationWords() uses the largest whole unit", () => {
  equal(durationWords(1), "1 second");
  equal(durationWords(90), "90 seconds");
  equal(durationWords(60), "1 minute");
  equal(durationWords(3600), "1 hour");
  equal(durationWords(604_800), "7 days");
});
