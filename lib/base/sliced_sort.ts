/**
 * Sorts long lists in slices, so that the thread is never occupied for long. Merge sort: runs that the
 * engine sorts at once are merged, and other work has a turn in between.
 */

import type { TimeSlices } from "./time_slices.ts";

/** Items that are sorted at once. */
const RUN_ITEMS = 1024;
/** Items that are merged between two looks at the clock. */
const MERGE_STEP = 256;

/**
 * Sorts items. The sort is stable.
 *
 * @param items the items; not changed
 * @param compare returns a negative number if its first argument is first
 * @param slices the slices of this kind of work
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { sortInSlices } from "./sliced_sort.ts";
 * import { TimeSlices } from "./time_slices.ts";
 *
 * const sorted = await sortInSlices([3, 1, 2], (a, b) => a - b, new TimeSlices(10));
 * deepStrictEqual(sorted, [1, 2, 3]);
 * ```
 */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  slices: TimeSlices,
): Promise<T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < items.length; at += RUN_ITEMS) {
    if (slices.isOver) await slices.next();
    runs.push(items.slice(at, at + RUN_ITEMS).sort(compare));
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let at = 0; at < runs.length; at += 2) {
      merged.push(await merge(runs[at] ?? [], runs[at + 1] ?? [], compare, slices));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
  slices: TimeSlices,
): Promise<T[]> {
  const merged: T[] = [];
  let left = 0;
  let right = 0;
  while (left < a.length || right < b.length) {
    if (merged.length % MERGE_STEP === 0 && slices.isOver) await slices.next();
    const takesLeft = right >= b.length ||
      left < a.length && compare(a[left] as T, b[right] as T) <= 0; // both indexes are in range
    merged.push((takesLeft ? a[left++] : b[right++]) as T); // in range, see above
  }
  return merged;
}
