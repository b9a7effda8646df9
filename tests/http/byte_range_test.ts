import { assert, assertEquals } from "../support/assert.ts";
import { formatContentRange, type RangeOutcome, selectRange } from "../../lib/http/byte_range.ts";
import { formatHttpDate } from "../../lib/http/http_date.ts";

const TAG = '"3-2c26b46b68ffc68f.raw"';
const CHANGED = Date.UTC(2026, 5, 1) + 500;

function select(range: string | null, length = 10, ifRange: string | null = null): RangeOutcome {
  return selectRange(range, ifRange, TAG, CHANGED, length);
}

Deno.test("selectRange() returns the whole without a Range header", () => {
  assertEquals(select(null), "whole");
});

Deno.test("selectRange() cuts a range at the end of the content", () => {
  assertEquals(select("bytes=0-0"), { start: 0, end: 0 });
  assertEquals(select("bytes=2-5"), { start: 2, end: 5 });
  assertEquals(select("bytes=2-"), { start: 2, end: 9 });
  assertEquals(select("bytes=9-"), { start: 9, end: 9 });
  assertEquals(select("bytes=0-9"), { start: 0, end: 9 });
  assertEquals(select("bytes=5-100"), { start: 5, end: 9 });
  assertEquals(select("Bytes= 2-5 "), { start: 2, end: 5 });
});

Deno.test("selectRange() returns a suffix, or everything if the suffix is longer", () => {
  assertEquals(select("bytes=-3"), { start: 7, end: 9 });
  assertEquals(select("bytes=-10"), { start: 0, end: 9 });
  assertEquals(select("bytes=-11"), { start: 0, end: 9 });
});

Deno.test("selectRange() returns unsatisfiable for a range beyond the end", () => {
  assertEquals(select("bytes=10-"), "unsatisfiable");
  assertEquals(select("bytes=10-20"), "unsatisfiable");
  assertEquals(select("bytes=-0"), "unsatisfiable");
});

Deno.test("selectRange() of empty content returns unsatisfiable, but the whole for a suffix", () => {
  assertEquals(select("bytes=0-", 0), "unsatisfiable");
  assertEquals(select("bytes=0-0", 0), "unsatisfiable");
  assertEquals(select("bytes=-0", 0), "unsatisfiable");
  assertEquals(select("bytes=-5", 0), "whole");
});

Deno.test("selectRange() returns the whole for several ranges, other units and malformed ranges", () => {
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
  ) assertEquals(select(range), "whole", range);
});

Deno.test("selectRange() handles numbers beyond the safe integers", () => {
  const huge = "9".repeat(400);
  assertEquals(select(`bytes=0-${huge}`), { start: 0, end: 9 });
  assertEquals(select(`bytes=-${huge}`), { start: 0, end: 9 });
  assertEquals(select(`bytes=${huge}-`), "unsatisfiable");
  assertEquals(select(`bytes=${huge}-${huge}`), "unsatisfiable");
});

Deno.test("selectRange() never returns a byte outside the content", () => {
  for (let length = 0; length < 4; length++) {
    for (let first = 0; first < 5; first++) {
      for (const range of [`bytes=${first}-`, `bytes=-${first}`, `bytes=0-${first}`]) {
        const found = select(range, length);
        if (typeof found === "string") continue;
        assert(found.start >= 0 && found.start <= found.end && found.end < length, range);
      }
    }
  }
});

Deno.test("selectRange() accepts If-Range with exactly this strong tag", () => {
  assertEquals(select("bytes=0-1", 10, TAG), { start: 0, end: 1 });
  for (const tag of [`W/${TAG}`, '"3"', '"2-2c26b46b68ffc68f.raw"', `${TAG}, ${TAG}`, "*", ""]) {
    assertEquals(select("bytes=0-1", 10, tag), "whole", tag);
  }
});

Deno.test("selectRange() accepts If-Range with exactly this date", () => {
  assertEquals(select("bytes=0-1", 10, formatHttpDate(CHANGED)), { start: 0, end: 1 });
  assertEquals(select("bytes=0-1", 10, formatHttpDate(CHANGED + 1000)), "whole");
  assertEquals(select("bytes=0-1", 10, formatHttpDate(CHANGED - 1000)), "whole");
  assertEquals(select("bytes=0-1", 10, "yesterday"), "whole");
});

Deno.test("selectRange() returns the whole, not unsatisfiable, if If-Range fails", () => {
  assertEquals(select("bytes=99-", 10, '"2"'), "whole");
});

Deno.test("formatContentRange() formats a range and an unsatisfiable one", () => {
  assertEquals(formatContentRange({ start: 2, end: 5 }, 10), "bytes 2-5/10");
  assertEquals(formatContentRange("unsatisfiable", 10), "bytes */10");
});
