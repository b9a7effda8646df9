/** One table of Range headers, evaluated by the core and by the kit of the plugins. */

import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  formatContentRange as coreContentRange,
  selectRange as coreSelectRange,
} from "../../../lib/http/byte_range.ts";
import { type ByteRange, contentRange, selectRange } from "../../../plugins/kit/byte_range.ts";

const ETAG = '"1"';
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const MODIFIED = Date.parse(DATE) + 250;

type Outcome = "whole" | "unsatisfiable" | ByteRange;
interface Case {
  readonly range: string | null;
  readonly ifRange?: string;
  readonly length?: number;
  readonly selects: Outcome;
}

const CASES: readonly Case[] = [
  { range: null, selects: "whole" },
  { range: "bytes=0-3", selects: { start: 0, end: 3 } },
  { range: "BYTES=0-3", selects: { start: 0, end: 3 } },
  { range: "bytes= 0-3 ", selects: { start: 0, end: 3 } },
  { range: "bytes=4-", selects: { start: 4, end: 9 } },
  { range: "bytes=4-100", selects: { start: 4, end: 9 } },
  { range: "bytes=-4", selects: { start: 6, end: 9 } },
  { range: "bytes=-100", selects: { start: 0, end: 9 } },
  { range: "bytes=-0", selects: "unsatisfiable" },
  { range: "bytes=10-", selects: "unsatisfiable" },
  { range: "bytes=4-3", selects: "whole" },
  { range: "bytes=0-1,4-5", selects: "whole" },
  { range: "bytes=a-b", selects: "whole" },
  { range: "lines=0-3", selects: "whole" },
  { range: "bytes=-4", length: 0, selects: "whole" },
  { range: "bytes=0-", length: 0, selects: "unsatisfiable" },
  { range: "bytes=0-3", ifRange: ETAG, selects: { start: 0, end: 3 } },
  { range: "bytes=0-3", ifRange: '"2"', selects: "whole" },
  { range: "bytes=0-3", ifRange: `W/${ETAG}`, selects: "whole" },
  { range: "bytes=0-3", ifRange: DATE, selects: { start: 0, end: 3 } },
  { range: "bytes=0-3", ifRange: "Sun, 06 Nov 1994 08:49:38 GMT", selects: "whole" },
  { range: "bytes=0-3", ifRange: "yesterday", selects: "whole" },
];

for (const { range, ifRange, length = 10, selects } of CASES) {
  const title = `${range ?? "no Range"}${
    ifRange === undefined ? "" : ` if ${ifRange}`
  } of ${length}`;
  Deno.test(`selectRange() of the kit and of the core agree on ${title}`, () => {
    const headers = new Headers();
    if (range !== null) headers.set("range", range);
    if (ifRange !== undefined) headers.set("if-range", ifRange);
    assertEquals(selectRange(headers, ETAG, MODIFIED, length), selects);
    assertEquals(coreSelectRange(range, ifRange ?? null, ETAG, MODIFIED, length), selects);
  });
}

Deno.test("selectRange() ignores the range if the entity tag is weak or the time unknown", () => {
  const select = (ifRange: string, etag: string) =>
    selectRange(new Headers({ "range": "bytes=0-3", "if-range": ifRange }), etag, undefined, 10);
  assertEquals(select('W/"1"', 'W/"1"'), "whole");
  assertEquals(select(DATE, ETAG), "whole");
});

Deno.test("contentRange() of the kit and of the core agree", () => {
  for (const range of ["unsatisfiable", { start: 2, end: 5 }] as const) {
    assertStrictEquals(contentRange(range, 10), coreContentRange(range, 10));
  }
});
