/** The order of texts by code points, which is the order of their bytes in UTF-8. */

/**
 * Compares two texts by their code points. JavaScript's `<` compares UTF-16 code units, which puts
 * U+1F600 before U+FF21; SQLite and grep do not.
 *
 * @returns a negative number if `a` is before `b`, 0 if they are equal, else a positive number
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { compareCodePoints } from "./compare_code_points.ts";
 *
 * deepStrictEqual(["😀", "Ａ", "a"].sort(compareCodePoints), ["a", "Ａ", "😀"]);
 * ```
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const difference = rankOf(a.charCodeAt(at)) - rankOf(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Puts surrogates after all other code units. */
function rankOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
