import { assertEquals, assertThrows } from "../../support/assert.ts";
import { type IntentSources, parseIntent } from "../../../plugins/semantic/intent.ts";

const NONE: IntentSources = { header: null, query: null, userAgent: null };

/** A text as Deno presents its UTF-8 bytes in a header. */
function asHeader(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

Deno.test("parseIntent() prefers the header, then the query, then the User-Agent", () => {
  const all = { header: "header", query: "query", userAgent: "agent" };
  assertEquals(parseIntent(all), "header");
  assertEquals(parseIntent({ ...all, header: null }), "query");
  assertEquals(parseIntent({ ...NONE, userAgent: "agent/1" }), "agent/1");
  assertEquals(parseIntent(NONE), "");
});

Deno.test("parseIntent() uses an empty header or query and ignores the User-Agent", () => {
  assertEquals(parseIntent({ ...NONE, header: "", userAgent: "agent" }), "");
  assertEquals(parseIntent({ ...NONE, query: "", userAgent: "agent" }), "");
});

Deno.test("parseIntent() decodes the header as UTF-8 and percent escapes", () => {
  const rows: [header: string, expected: string][] = [
    ["f%C3%BCr%20Oma", "für Oma"],
    [asHeader("für Oma"), "für Oma"],
    ["f\xfcr Oma", "für Oma"],
    ["100% sure", "100% sure"],
    ["100%25 sure", "100% sure"],
    ["%FF", "%FF"],
    ["  words  ", "words"],
  ];
  for (const [header, expected] of rows) {
    assertEquals(parseIntent({ ...NONE, header }), expected, header);
  }
});

Deno.test("parseIntent() leaves percent signs of the query and the User-Agent as they are", () => {
  assertEquals(parseIntent({ ...NONE, query: "a%20b" }), "a%20b");
  assertEquals(parseIntent({ ...NONE, userAgent: "a%20b" }), "a%20b");
});

Deno.test("parseIntent() refuses an intent of more than 1000 characters", () => {
  assertEquals(parseIntent({ ...NONE, header: "x".repeat(1000) }).length, 1000);
  assertThrows(() => parseIntent({ ...NONE, header: "x".repeat(1001) }), {
    status: 400,
    type: "/usr/share/doc/problems/bad-header.md",
    message: "Cannot read X-Semantic-Intent: it has 1001 characters; at most 1000 are allowed",
  });
  assertThrows(() => parseIntent({ ...NONE, query: "x".repeat(1001) }), {
    type: "/usr/share/doc/problems/bad-query.md",
    message: "Cannot read intent: it has 1001 characters; at most 1000 are allowed",
  });
});

Deno.test("parseIntent() cuts a long User-Agent", () => {
  assertEquals(parseIntent({ ...NONE, userAgent: "x".repeat(3000) }).length, 1000);
});

Deno.test("parseIntent() refuses control, line and direction characters", () => {
  for (const code of [0, 0x0a, 0x0d, 0x1b, 0x7f, 0x9f, 0x2028, 0x202e, 0x2066]) {
    const char = String.fromCharCode(code);
    const header = encodeURIComponent(`a${char}b`);
    assertThrows(() => parseIntent({ ...NONE, header }), { status: 400 }, `U+${code.toString(16)}`);
    assertThrows(() => parseIntent({ ...NONE, query: `a${char}b` }), {
      type: "/usr/share/doc/problems/bad-query.md",
    });
  }
});
