/** Finds the name that a misspelt one probably means, for error messages. Pure. */

/** A known name, and how far the misspelt one is from it. */
export interface NearestName {
  readonly name: string;
  /** Insertions, deletions and replacements of one character. */
  readonly distance: number;
}

/**
 * Finds the known name with the smallest edit distance. Case and `-` for `_` do not count.
 *
 * @param name the misspelt name
 * @param known the valid names, not empty
 * @returns the nearest name; the first one of several
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { findNearestName } from "./nearest_name.ts";
 *
 * deepStrictEqual(findNearestName("tokens", ["TOKEN", "PORT"]), { name: "TOKEN", distance: 1 });
 * ```
 */
export function findNearestName(name: string, known: readonly string[]): NearestName {
  const sought = name.toUpperCase().replaceAll("-", "_");
  let nearest: NearestName = { name: known[0] ?? "", distance: Infinity };
  for (const candidate of known) {
    const distance = editDistance(sought, candidate.toUpperCase());
    if (distance < nearest.distance) nearest = { name: candidate, distance };
  }
  return nearest;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
