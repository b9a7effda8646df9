/** Which names parts of the tree cover, as ranges in the order of code points. Pure. */

import { compareCodePoints } from "../base/compare_code_points.ts";
import type { Within } from "./changes.ts";

/** Names from `from` up to and without `to`, in the order of code points. */
export interface NameRange {
  readonly from: string;
  readonly to: string;
}

/** After every name; U+10FFFF is not a character. */
export const AFTER_NAMES = "\u{10ffff}";

/** Returns the names that parts of the tree cover, in order and without an overlap. */
export function toRanges(within: readonly Within[]): NameRange[] {
  const sorted = within.flatMap(({ name, part }): NameRange[] => {
    if (name === "") return part === "exact" ? [] : [{ from: "", to: AFTER_NAMES }];
    // Names have no control characters, so no other name is before the end of this range.
    const exact = { from: name, to: `${name}\u0001` };
    // The character after the slash is 0.
    const below = { from: `${name}/`, to: `${name}0` };
    return part === "exact" ? [exact] : part === "below" ? [below] : [exact, below];
  }).sort((a, b) => compareCodePoints(a.from, b.from));
  const merged: NameRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || compareCodePoints(range.from, last.to) >= 0) merged.push(range);
    else if (compareCodePoints(range.to, last.to) > 0) {
      merged[merged.length - 1] = { from: last.from, to: range.to };
    }
  }
  return merged;
}
