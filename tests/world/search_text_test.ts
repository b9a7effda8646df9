import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { foldText } from "../../lib/base/fold_text.ts";
import {
  findLines,
  quoteGram,
  splitText,
  toGramQuery,
  toIndexedText,
} from "../../lib/world/search_text.ts";
import { SEARCH_OVERLAP_CHARS, SEARCH_PIECE_CHARS } from "../../lib/search_limits.ts";

function matchesOf(text: string, find: string) {
  return [...splitText(text)].flatMap((piece) => [...findLines(piece, foldText(find))]);
}

Deno.test("splitText() returns whole lines that together are the text", () => {
  const lines = Array.from({ length: 3_000 }, (_, i) => `line ${i}${["\n", "\r\n", "\r"][i % 3]}`);
  const text = lines.join("");
  const pieces = [...splitText(text)];
  assert(pieces.length > 1);
  assertStrictEquals(pieces.map((piece) => piece.text).join(""), text);
  for (const { line, column, text: part } of pieces) {
    assertStrictEquals(column, 1);
    assert(part.startsWith(`line ${line - 1}`), part.slice(0, 20));
    assert(part.length <= SEARCH_PIECE_CHARS);
  }
});

Deno.test("splitText() returns a text of one piece as it is, and nothing of an empty one", () => {
  assertEquals([...splitText("")], []);
  assertEquals([...splitText("a\nb")], [{ line: 1, column: 1, text: "a\nb" }]);
  const longest = "x".repeat(SEARCH_PIECE_CHARS);
  assertEquals([...splitText(longest)].length, 1);
  assertEquals([...splitText(`${longest}y`)].length, 2);
});

Deno.test("splitText() cuts a long line so that its parts overlap and characters stay whole", () => {
  const line = "\u{1f600}".repeat(SEARCH_PIECE_CHARS);
  const pieces = [...splitText(`first\n${line}\nlast`)];
  assertStrictEquals(pieces[0]?.text, "first\n");
  assertEquals(pieces.at(-1), { line: 3, column: 1, text: "last" });
  const parts = pieces.slice(1, -1);
  assert(parts.every(({ line: number }) => number === 2));
  let end = 1;
  for (const { column, text } of parts) {
    assert(!text.includes("\ufffd") && text.isWellFormed());
    if (column > 1) assert(end - column >= SEARCH_OVERLAP_CHARS / 2 - 1, `${end} ${column}`);
    end = column + [...text.trimEnd()].length;
  }
  assertStrictEquals(end, SEARCH_PIECE_CHARS + 1);
});

Deno.test("findLines() returns each line once, with the position of its first match", () => {
  assertEquals(matchesOf("\u{1f600} Foo foo\r\nbar\rFOO", "foo"), [
    { line: 1, column: 3, snippet: "\u{1f600} Foo foo", match: { start: 2, end: 5 } },
    { line: 3, column: 1, snippet: "FOO", match: { start: 0, end: 3 } },
  ]);
  assertEquals(matchesOf("a\nb", "a\nb"), []);
});

Deno.test("findLines() cuts the snippet of a long line around the match", () => {
  const [found] = matchesOf(`${"é".repeat(500)}needle${"é".repeat(500)}`, "NEEDLE");
  const chars = [...found?.snippet ?? ""];
  assertStrictEquals(chars.slice(found?.match.start, found?.match.end).join(""), "needle");
  assertEquals([chars.at(0), chars.at(-1), found?.column], ["…", "…", 501]);
  assert(chars.length < 250);
  const long = "x".repeat(256);
  const [whole] = matchesOf(`${"é".repeat(500)}${long}é`, long);
  assert(whole?.snippet.includes(long));
});

Deno.test("findLines() cuts a match that has more marks than any text", () => {
  const [found] = matchesOf(`a${"\u0301".repeat(10_000)} b`, "\u00e1");
  assertEquals(found?.match, { start: 0, end: SEARCH_OVERLAP_CHARS });
  assertStrictEquals(found?.snippet.length, SEARCH_OVERLAP_CHARS + 1);
});

Deno.test("toGramQuery() asks for every three characters, as far as they narrow the result", () => {
  assertStrictEquals(toGramQuery("abcd"), '"abc" AND "bcd"');
  assertStrictEquals(toGramQuery("aaaaa"), '"aaa"');
  assertStrictEquals(toGramQuery('a"\0b'), '"a""\u0001" AND """\u0001b"');
  assertStrictEquals(toGramQuery("\u{1f600}水x"), '"\u{1f600}水x"');
  const long = toGramQuery(
    Array.from({ length: 256 }, (_, i) => String.fromCharCode(0x4e00 + i)).join(""),
  );
  assert(long.split(" AND ").length <= 64);
});

Deno.test("toIndexedText() makes each character the first of three, and keeps what SQLite cuts", () => {
  assertStrictEquals(toIndexedText("a\0"), "a\u0001\n\n");
  assertStrictEquals(quoteGram("\0ab"), '"\u0001ab"');
});
