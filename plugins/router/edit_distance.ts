/** Edit distance of two texts. */

/**
 * Computes the edit distance with transposed neighbours as one edit (optimal string alignment).
 *
 * @param limit greatest distance of interest
 * @returns the distance; any number above the limit if it is greater than the limit
 */
export function editDistance(a: string, b: string, limit: number): number {
  // A character takes at most two UTF-16 units, so this is exact, and it saves most of the work.
  if (a.length > 2 * (b.length + limit) || b.length > 2 * (a.length + limit)) return limit + 1;
  const from = [...a];
  const to = [...b];
  if (Math.abs(from.length - to.length) > limit) return limit + 1;
  let twoRowsBefore: number[] = [];
  let rowBefore = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    let lowest = i;
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1];
      let cost = Math.min(
        (rowBefore[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (rowBefore[j - 1] ?? 0) + (isSame ? 0 : 1),
      );
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, (twoRowsBefore[j - 2] ?? 0) + 1);
      }
      row[j] = cost;
      lowest = Math.min(lowest, cost);
    }
    if (lowest > limit) return limit + 1;
    twoRowsBefore = rowBefore;
    rowBefore = row;
  }
  return Math.min(rowBefore[to.length] ?? 0, limit + 1);
}
