/** One table of HTTP dates, read by the core and by the kit of the plugins. */

import { assertStrictEquals } from "../../support/assert.ts";
import {
  parseHttpDate as parseCore,
  toWholeSeconds as wholeCore,
} from "../../../lib/http/http_date.ts";
import { parseHttpDate, wholeSeconds } from "../../../plugins/kit/http_date.ts";

const NOW = Date.UTC(2026, 0, 1);
const TIME = Date.UTC(1994, 10, 6, 8, 49, 37);

const CASES: readonly (readonly [text: string, time: number | undefined])[] = [
  ["Sun, 06 Nov 1994 08:49:37 GMT", TIME],
  ["Sunday, 06-Nov-94 08:49:37 GMT", TIME],
  ["Sun Nov  6 08:49:37 1994", TIME],
  ["Thu, 29 Feb 2024 00:00:60 GMT", Date.UTC(2024, 1, 29, 0, 1)],
  ["Thu, 30 Feb 2024 00:00:00 GMT", undefined],
  ["Sun, 06 Nov 1994 24:00:00 GMT", undefined],
  ["Sun, 06 Nov 1994 08:60:00 GMT", undefined],
  ["Sun, 06 Nov 1994 08:49:61 GMT", undefined],
  ["Sun, 06 Nov 1994 08:49:37 CET", undefined],
  ["Sun, 6 Nov 1994 08:49:37 GMT", undefined],
  ["sun, 06 nov 1994 08:49:37 gmt", undefined],
  ["Friday, 31-Dec-76 23:59:59 GMT", Date.UTC(2076, 11, 31, 23, 59, 59)],
  ["Friday, 31-Dec-77 23:59:59 GMT", Date.UTC(1977, 11, 31, 23, 59, 59)],
  ["1994-11-06T08:49:37Z", undefined],
  ["", undefined],
];

for (const [text, time] of CASES) {
  Deno.test(`parseHttpDate() of the kit and of the core agree on ${JSON.stringify(text)}`, () => {
    assertStrictEquals(parseHttpDate(text, NOW), time);
    assertStrictEquals(parseCore(text, () => NOW), time);
  });
}

Deno.test("wholeSeconds() of the kit and of the core round down", () => {
  for (const time of [0, 999, 1000, 1999, -1]) {
    assertStrictEquals(wholeSeconds(time), wholeCore(time));
  }
});
