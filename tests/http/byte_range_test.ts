import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { formatContentRange, type RangeOutcome, selectRange } from "../../lib/http/byte_range.ts";
import { formatHttpDate } from "../../lib/http/http_date.ts";

const TAG = '"3-2c26b46b68ffc68f.raw"';
const CHANGED = Date.UTC(2026, 5, 1) + 500;

function select(range: string | null, length = 10, ifRange: string | null = null): RangeOutcome {
  return selectRange(range, ifRange, TAG, CHANGED, length);
}

Deno.test("selectRange() sends the whole without a Range header", () => {
  equal(select(null), "whole");
});

Deno.test("selectRange() selects a single range, cut at the end", () => {
  equal(select("bytes=0-0"), { start: 0, end: 0 });
  equal(select("bytes=2-5"), { start: 2, end: 5 });
  equal(select("bytes=2-"), { start: 2, end: 9 });
  equal(select("bytes=9-"), { start: 9, end: 9 });
  equal(select("bytes=0-9"), { start: 0, end: 9 });
  equal(select("bytes=5-100"), { start: 5, end: 9 });
  equal(select("Bytes= 2-5 "), { start: 2, end: 5 });
});

Deno.test("selectRange() selects a suffix, all of it when it is longer than the content", () => {
  equal(select("bytes=-3"), { start: 7, end: 9 });
  equal(select("bytes=-10"), { start: 0, end: 9 });
  equal(select("bytes=-11"), { start: 0, end: 9 });
});

Deno.test("selectRange() finds a range behind the end unsatisfiable", () => {
  equal(select("bytes=10-"), "unsatisfiable");
  equal(select("bytes=10-20"), "unsatisfiable");
  equal(select("bytes=-0"), "unsatisfiable");
});

Deno.test("selectRange() of empty content is unsatisfiable, but for a suffix, which is all there is", () => {
  equal(select("bytes=0-", 0), "unsatisfiable");
  equal(select("bytes=0-0", 0), "unsatisfiable");
  equal(select("bytes=-0", 0), "unsatisfiable");
  equal(select("bytes=-5", 0), "whole");
});

Deno.test("selectRange() sends the whole for several ranges, other units and malformed ones", () => {
  for (
    const range of [
      "bytes=0-1,3-4",
      "bytes=0-,0-,0-",
      "items=0-1",
      "bytes",
      "bytes=",
      "bytes=-",
      "bytes=a-b",
      "bytes=0",
      "bytes=5-2",
      "bytes=--1",
      "bytes=-1-2",
      "bytes=1-2-3",
      "bytes=0x1-2",
      "bytes=+1-2",
      "bytes=1.5-2",
      "bytes=0 - 1",
      "bytes = 0-1",
      "",
    ]
  ) equal(select(range), "whole", range);
});

Deno.test("selectRange() keeps to the content for numbers no integer holds", () => {
  const huge = "9".repeat(400);
  equal(select(`bytes=0-${huge}`), { start: 0, end: 9 });
  equal(select(`bytes=-${huge}`), { start: 0, end: 9 });
  equal(select(`bytes=${huge}-`), "unsatisfiable");
  equal(select(`bytes=${huge}-${huge}`), "unsatisfiable");
});

Deno.test("selectRange() never selects a byte that is not there", () => {
  for (let length = 0; length < 4; length++) {
    for (let first = 0; first < 5; first++) {
      for (const range of [`bytes=${first}-`, `bytes=-${first}`, `bytes=0-${first}`]) {
        const found = select(range, length);
        if (typeof found === "string") continue;
        ok(found.start >= 0 && found.start <= found.end && found.end < length, range);
      }
    }
  }
});

Deno.test("selectRange() honours If-Range by this strong tag alone", () => {
  equal(select("bytes=0-1", 10, TAG), { start: 0, end: 1 });
  for (const tag of [`W/${TAG}`, '"3"', '"2-2c26b46b68ffc68f.raw"', `${TAG}, ${TAG}`, "*", ""]) {
    equal(select("bytes=0-1", 10, tag), "whole", tag);
  }
});

Deno.test("selectRange() honours If-Range by the exact date alone", () => {
  equal(select("bytes=0-1", 10, formatHttpDate(CHANGED)), { start: 0, end: 1 });
  equal(select("bytes=0-1", 10, formatHttpDate(CHANGED + 1000)), "whole");
  equal(select("bytes=0-1", 10, formatHttpDate(CHANGED - 1000)), "whole");
  equal(select("bytes=0-1", 10, "yesterday"), "whole");
});

Deno.test("selectRange() sends the whole and not a 416 when If-Range fails", () => {
  equal(select("bytes=99-", 10, '"2"'), "whole");
});

Deno.test("formatContentRange() says which bytes of how many, or of how many none", () => {
  equal(formatContentRange({ start: 2, end: 5 }, 10), "bytes 2-5/10");
  equal(formatContentRange("unsatisfiable", 10), "bytes */10");
});
