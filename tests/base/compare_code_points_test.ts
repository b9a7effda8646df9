import { assertEquals } from "../support/assert.ts";
import { compareCodePoints } from "../../lib/base/compare_code_points.ts";

Deno.test("compareCodePoints() has the order of the bytes in UTF-8", () => {
  const texts = [
    "",
    "a",
    "a/",
    "a0",
    "ab",
    "é",
    "\ud7ff",
    "\ue000",
    "Ａ",
    "\u{10000}",
    "\u{1f600}",
  ];
  const shuffled = texts.toReversed();
  assertEquals(shuffled.toSorted(compareCodePoints), texts);
  assertEquals(compareCodePoints("\u{1f600}a", "\u{1f600}a"), 0);
});
