import { assertEquals } from "../support/assert.ts";
import { parseRfc3339 } from "../../lib/base/rfc3339.ts";

Deno.test("parseRfc3339() converts times to UTC with milliseconds", () => {
  const cases = {
    "2026-11-28T10:00:00Z": "2026-11-28T10:00:00.000Z",
    "2026-11-28t10:00:00z": "2026-11-28T10:00:00.000Z",
    "2026-11-28 10:00:00+01:00": "2026-11-28T09:00:00.000Z",
    "2026-11-28T23:30:00-05:30": "2026-11-29T05:00:00.000Z",
    "2026-11-28T10:00:00.1239Z": "2026-11-28T10:00:00.123Z",
    "2024-02-29T00:00:00Z": "2024-02-29T00:00:00.000Z",
    "2016-12-31T23:59:60Z": "2016-12-31T23:59:59.000Z",
  };
  for (const [text, expected] of Object.entries(cases)) {
    assertEquals(parseRfc3339(text), expected, text);
  }
});

Deno.test("parseRfc3339() returns undefined for any other text", () => {
  const texts = [
    ..."|now|2026-11-28|2026-11-28T10:00Z|2026-11-28T10:00:00|1764324000".split("|"),
    ..."2026-13-01T00:00:00Z|2026-00-01T00:00:00Z|2026-02-29T00:00:00Z|2026-11-31T00:00:00Z".split(
      "|",
    ),
    ..."2026-11-28T24:00:00Z|2026-11-28T10:60:00Z|2026-11-28T10:00:61Z|2026-11-28T10:00:00+24:00"
      .split("|"),
    ..." 2026-11-28T10:00:00Z|2026-11-28T10:00:00Z |+2026-11-28T10:00:00Z|2026-11-28T10:00:00.Z"
      .split("|"),
  ];
  for (const text of texts) assertEquals(parseRfc3339(text), undefined, text);
});
