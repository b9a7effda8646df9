import { assertEquals } from "../support/assert.ts";
import { formatHttpDate, parseHttpDate, toWholeSeconds } from "../../lib/http/http_date.ts";
import { HTTP_DATE_CACHE_ENTRIES } from "../../lib/limits.ts";

const WHEN = Date.UTC(1994, 10, 6, 8, 49, 37);

function now(): number {
  return Date.UTC(2026, 5, 1);
}

Deno.test("parseHttpDate() parses the three formats of RFC 9110", () => {
  assertEquals(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), WHEN);
  assertEquals(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", now), WHEN);
  assertEquals(parseHttpDate("Sun Nov  6 08:49:37 1994"), WHEN);
  assertEquals(parseHttpDate("Wed Nov 16 08:49:37 1994"), WHEN + 10 * 86_400_000);
});

Deno.test("parseHttpDate() assumes at most 50 years ahead for a two-digit year", () => {
  const year = (digits: string) =>
    new Date(parseHttpDate(`Sunday, 06-Nov-${digits} 08:49:37 GMT`, now) ?? NaN).getUTCFullYear();
  assertEquals([year("26"), year("76"), year("77"), year("00")], [2026, 2076, 1977, 2000]);
});

Deno.test("parseHttpDate() returns undefined for anything else", () => {
  for (
    const text of [
      "",
      "0",
      "now",
      "784111777",
      "1994-11-06T08:49:37Z",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun, 06 nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 GMT ",
      "Sun, 31 Feb 1994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:49:37 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
      '"3"',
    ]
  ) assertEquals(parseHttpDate(text, now), undefined, text);
});

Deno.test("parseHttpDate() handles leap days, leap seconds and early years", () => {
  assertEquals(parseHttpDate("Thu, 29 Feb 2024 00:00:00 GMT"), Date.UTC(2024, 1, 29));
  assertEquals(parseHttpDate("Wed, 29 Feb 2023 00:00:00 GMT"), undefined);
  assertEquals(parseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT"), Date.UTC(2017, 0, 1));
  assertEquals(
    new Date(parseHttpDate("Sat, 01 Jan 0050 00:00:00 GMT") ?? NaN).getUTCFullYear(),
    50,
  );
});

Deno.test("parseHttpDate() stays correct with more dates than its cache holds", () => {
  for (let i = 0; i < 3 * HTTP_DATE_CACHE_ENTRIES; i++) {
    assertEquals(parseHttpDate(formatHttpDate(WHEN + i * 1000)), WHEN + i * 1000);
    assertEquals(parseHttpDate(formatHttpDate(WHEN)), WHEN);
  }
});

Deno.test("parseHttpDate() does not mix up cached dates", () => {
  const one = "Sun, 06 Nov 1994 08:49:37 GMT";
  assertEquals(parseHttpDate(one), WHEN);
  assertEquals(parseHttpDate("Sun, 31 Feb 1994 08:49:37 GMT"), undefined);
  assertEquals(parseHttpDate("Sun, 06 Nov 1994 08:49:38 GMT"), WHEN + 1000);
  assertEquals(parseHttpDate(one), WHEN);
});

Deno.test("formatHttpDate() writes whole seconds that parseHttpDate() parses", () => {
  assertEquals(formatHttpDate(WHEN + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
  assertEquals(parseHttpDate(formatHttpDate(WHEN + 999)), toWholeSeconds(WHEN + 999));
});
