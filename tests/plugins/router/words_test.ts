import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  cached,
  foldText,
  hasWordCharacters,
  joinedWords,
  letterBits,
  numbersIn,
  sortedLetters,
  wordsOf,
} from "../../../plugins/router/words.ts";

Deno.test("cached() computes a text once, and a long one every time", () => {
  let computed = 0;
  const length = cached((text) => {
    computed++;
    return text.length;
  });
  assertEquals([length("abc"), length("abc"), computed], [3, 3, 1]);
  const long = "x".repeat(129);
  assertEquals([length(long), length(long), computed], [129, 129, 3]);
});

Deno.test("wordsOf() splits at separators, joinedWords() leaves them out", () => {
  assertEquals(wordsOf("sales-report_2024.md"), ["sales", "report", "2024", "md"]);
  assertEquals(wordsOf("--"), []);
  assertEquals(joinedWords("sales-report"), "salesreport");
});

Deno.test("foldText(), sortedLetters(), numbersIn() and hasWordCharacters() describe a text", () => {
  assertEquals(foldText("U\u0308BER"), "\u00fcber");
  assertEquals(sortedLetters("test"), "estt");
  assertEquals(numbersIn("v1-2024"), "1 2024");
  assertEquals([hasWordCharacters("销售"), hasWordCharacters("sales")], [true, false]);
});

Deno.test("letterBits() differs by at most two bits after one edit", () => {
  const difference = (letterBits("report") ^ letterBits("repost")).toString(2).replaceAll("0", "");
  assertEquals(difference.length <= 2, true);
  assertStrictEquals(letterBits("abc"), letterBits("cba"));
});
