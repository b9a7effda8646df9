import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";
import { canCutAt, findFolded, foldText } from "../../lib/base/fold_text.ts";

Deno.test("foldText() makes spellings of one text equal, in every script", () => {
  const equal = [
    ["Straße", "STRASSE", "straẞe"],
    ["ΟΔΟΣ", "οδος", "οδοσ"],
    ["İstanbul", "istanbul", "ISTANBUL", "ıstanbul", "I\u0307stanbul", "i\u0307stanbul"],
    ["ﬁne", "FINE"],
    ["CAFÉ", "cafe\u0301"],
    ["\u212bngström", "ÅNGSTRÖM"],
    ["\u{10400}", "\u{10428}"],
    ["한", "\u1112\u1161\u11ab"],
    ["ΰ", "\u03a5\u0308\u0301"],
    ["Ǆ", "ǅ", "ǆ"],
    ["Ꭰ", "ꭰ"],
  ];
  for (const [first = "", ...others] of equal) {
    for (const other of others) assertStrictEquals(foldText(other), foldText(first), other);
  }
  const different = [["cafe", "café"], ["a", "b"], ["Ａ", "a"], ["水", "氷"], ["か", "が"]];
  for (const [a = "", b = ""] of different) assert(foldText(a) !== foldText(b), `${a} ${b}`);
});

Deno.test("foldText() of each character is stable, and does not depend on its neighbours", () => {
  const faults: string[] = [];
  for (let code = 0; code < 0x20000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const char = String.fromCodePoint(code);
    const folded = foldText(char);
    const isMark = /^\p{M}/u.test(char) || !canCutAt(`a${char}`, 1);
    const isStable = foldText(folded) === folded && foldText(char.normalize("NFD")) === folded &&
      foldText(char.toUpperCase()) === folded && foldText(char.toLowerCase()) === folded &&
      (isMark || foldText(`aΣ${char}éΣ`) === `aσ${folded}éσ`);
    if (!isStable) faults.push(code.toString(16));
  }
  assertEquals(faults, []);
});

Deno.test("findFolded() returns the first part of the original that matches", () => {
  const cases: [text: string, find: string, found: string | undefined][] = [
    ["a Needle", "needle", "Needle"],
    ["die STRAẞE dort", "strasse", "STRAẞE"],
    ["Maß", "s", "ß"],
    ["x cafe\u0301 y", "café", "cafe\u0301"],
    ["x cafe\u0301 y", "cafe", undefined],
    ["\u{1f600}\u{1f601}", "\u{1f601}", "\u{1f601}"],
    ["\u1112\u1161\u11ab\u1100\u116e\u11a8", "국", "\u1100\u116e\u11a8"],
    ["aİb", "ib", "İb"],
    ["é", "é", "é"],
    ["", "a", undefined],
  ];
  for (const [text, find, expected] of cases) {
    const range = findFolded(text, foldText(find));
    const found = range === undefined ? undefined : text.slice(range.start, range.end);
    assertStrictEquals(found, expected, `${text}: ${find}`);
  }
});

Deno.test("canCutAt() keeps surrogates, marks and Hangul together", () => {
  const cases: [text: string, at: number, can: boolean][] = [
    ["ab", 1, true],
    ["\u{1f600}", 1, false],
    ["a\u{1f600}", 1, true],
    ["e\u0301", 1, false],
    ["\u1112\u1161", 1, false],
    ["가나", 1, true],
    ["a", 1, true],
  ];
  for (const [text, at, can] of cases) assertStrictEquals(canCutAt(text, at), can, text);
});

Deno.test("foldText() of any number of marks takes a time in proportion to it", () => {
  const marks = (count: number) => `x ${"é".normalize("NFD")}${"\u0301\u0323".repeat(count)}y`;
  for (const count of [14, 15, 16, 4_000]) {
    const text = marks(count);
    const folded = foldText(text);
    assertStrictEquals(folded.length <= text.length && folded.startsWith("x "), true);
    assertEquals(findFolded(text, foldText("X")), { start: 0, end: 1 });
    assertEquals(findFolded(text, foldText("Y")), { start: text.length - 1, end: text.length });
    // Characters above U+FFFF have two code units, so that the places are not aligned.
    const wide = `ab${"\u{1e8d0}".repeat(count * 2)}`;
    assertStrictEquals(foldText(wide), wide);
  }
  // Sorting them would take quadratic time.
  assertLinear((count) => foldText(marks(count)), 40_000);
});
