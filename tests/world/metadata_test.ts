import { assert, assertEquals } from "../support/assert.ts";
import { MAX_META_TOTAL_BYTES, MAX_META_VALUE_BYTES } from "../../lib/limits.ts";
import {
  filterMeta,
  parseMeta,
  parseMetaHeaders,
  stringifyMeta,
} from "../../lib/world/metadata.ts";

function meta(headers: [string, string][]): unknown {
  const found = parseMetaHeaders(headers);
  return "meta" in found ? found.meta : undefined;
}

function fault(headers: [string, string][]): string {
  const found = parseMetaHeaders(headers);
  return "fault" in found ? found.fault : "";
}

Deno.test("parseMetaHeaders() returns only X-Meta headers, in lower case and sorted by name", () => {
  assertEquals(
    meta([
      ["Host", "localhost"],
      ["X-Meta-Confidence", "0.95"],
      ["Authorization", "Bearer secret"],
      ["X-Forwarded-For", "10.0.0.1"],
      ["X-Metadata", "no"],
      ["X-Meta", "no"],
      ["x-meta-author", "codex"],
      ["Cookie", "a=b"],
      ["X-Accel-Redirect", "/etc/shadow"],
    ]),
    [["x-meta-author", "codex"], ["x-meta-confidence", "0.95"]],
  );
  assertEquals(meta([["host", "x"]]), []);
});

Deno.test("parseMetaHeaders() reads headers as Deno iterates them", () => {
  const headers = new Headers([
    ["X-Meta-Zeta", "  spaces around  "],
    ["X-Meta-Alpha", "one"],
    ["x-meta-alpha", "two"],
  ]);
  assertEquals(meta([...headers]), [["x-meta-alpha", "one, two"], [
    "x-meta-zeta",
    "spaces around",
  ]]);
});

Deno.test("parseMetaHeaders() accepts an empty value and inner spaces", () => {
  assertEquals(meta([["x-meta-a", ""], ["x-meta-b", "a  b ~!"]]), [["x-meta-a", ""], [
    "x-meta-b",
    "a  b ~!",
  ]]);
});

Deno.test("parseMetaHeaders() refuses a value that is not visible ASCII and names the header", () => {
  for (
    const value of ["é", "Ã©", "a\tb", "a\nb", "a\r\nset-cookie: x", "a\0", " a", "a ", "\x7f"]
  ) {
    assert(fault([["x-meta-ok", "1"], ["x-meta-title", value]]).startsWith("x-meta-title "), value);
  }
});

Deno.test("parseMetaHeaders() refuses names that are not tokens", () => {
  for (
    const name of ["x-meta-", "x-meta-a b", "x-meta-a:b", "x-meta-é", "x-meta-a\nb", "x-meta-a/b"]
  ) {
    assert(fault([[name, "1"]]), name);
    assert(!/[^\x20-\x7e]/.test(fault([[name, "1"]])), name);
  }
});

Deno.test("parseMetaHeaders() accepts a value of the maximum length and refuses one more byte", () => {
  assertEquals(fault([["x-meta-a", "v".repeat(MAX_META_VALUE_BYTES)]]), "");
  assert(fault([["x-meta-a", "v".repeat(MAX_META_VALUE_BYTES + 1)]]).startsWith("x-meta-a "));
});

Deno.test("parseMetaHeaders() accepts the maximum total of names and values and refuses one more byte", () => {
  const name = (i: number) => `x-meta-${i}`;
  const full: [string, string][] = [];
  let left = MAX_META_TOTAL_BYTES;
  for (let i = 0; left > 0; i++) {
    const value = "v".repeat(Math.min(MAX_META_VALUE_BYTES, left - name(i).length));
    full.push([name(i), value]);
    left -= name(i).length + value.length;
  }
  assertEquals(left, 0);
  assertEquals(fault(full), "");
  const last = full.at(-1);
  assert(last);
  const over: [string, string][] = [...full.slice(0, -1), [last[0], last[1] + "v"]];
  assert(fault(over).startsWith(`${last[0]} `));
});

Deno.test("filterMeta() returns only valid pairs", () => {
  assertEquals(
    filterMeta([
      ["x-meta-author", "codex"],
      ["X-Meta-Upper", "1"],
      ["set-cookie", "a=b"],
      ["x-meta-crlf", "a\r\nset-cookie: a=b"],
      ["x-meta-crlf\r\nset-cookie", "a=b"],
      ["x-meta-nul", "\0"],
      ["x-meta-latin", "é"],
      ["x-meta-number", 1],
      ["x-meta-one"],
      ["x-meta-three", "a", "b"],
      ["x-meta-author", "twice"],
      ["x-meta-long", "v".repeat(MAX_META_VALUE_BYTES + 1)],
      null,
      "x-meta-a",
      {},
      ["x-meta-severity", "high"],
    ]),
    [["x-meta-author", "codex"], ["x-meta-severity", "high"]],
  );
});

Deno.test("filterMeta() returns no pairs for other shapes", () => {
  for (const stored of [undefined, null, "x", 1, {}, { "x-meta-a": "1" }, [], { length: 1 }]) {
    assertEquals(filterMeta(stored), []);
  }
});

Deno.test("filterMeta() returns at most the maximum total of bytes", () => {
  const kept = filterMeta(
    Array.from({ length: 100 }, (_, i) => [`x-meta-${i}`, "v".repeat(MAX_META_VALUE_BYTES)]),
  );
  const total = kept.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  assert(kept.length > 0 && total <= MAX_META_TOTAL_BYTES);
});

Deno.test("filterMeta() returns pairs that Headers accepts", () => {
  const kept = filterMeta([["x-meta-a", "\n"], ["x-meta-b", ""], ["x-meta-^`|~", "~ ~"]]);
  const headers = new Headers();
  for (const [name, value] of kept) headers.set(name, value);
  assertEquals([...headers.keys()], ["x-meta-^`|~", "x-meta-b"].sort());
});

Deno.test("parseMeta() returns the pairs that stringifyMeta() wrote", () => {
  const pairs = [["x-meta-author", 'co"dex']] as const;
  assertEquals(stringifyMeta(pairs), '[["x-meta-author","co\\"dex"]]');
  assertEquals(parseMeta(stringifyMeta(pairs)), pairs);
});

Deno.test("parseMeta() returns no pairs for text that is not JSON", () => {
  for (const text of [null, "", "[]", "x", "[[", '{"a":1}']) assertEquals(parseMeta(text), []);
});
