/**
 * Search of a text in a text, both as UTF-8, by the algorithm of Knuth, Morris and Pratt: its time is
 * linear for every text, also for one that was made to be slow.
 */

/**
 * Finds all occurrences, those that overlap included.
 *
 * @param text where to search
 * @param part what to find; not empty
 * @param max most occurrences that are returned
 * @returns the offsets, ascending
 */
export function findBytes(text: Uint8Array, part: Uint8Array, max: number): number[] {
  const found: number[] = [];
  const fallback = fallbacksOf(part);
  const first = part[0] ?? 0;
  let matched = 0;
  for (let i = 0; i < text.length; i++) {
    if (matched === 0) {
      // The search for one byte is native code.
      i = text.indexOf(first, i);
      if (i < 0) break;
    }
    while (matched > 0 && text[i] !== part[matched]) matched = fallback[matched - 1] ?? 0;
    if (text[i] === part[matched]) matched++;
    if (matched < part.length) continue;
    found.push(i - part.length + 1);
    if (found.length === max) break;
    matched = fallback[matched - 1] ?? 0;
  }
  return found;
}

/** For each length of a match, the longest shorter match that ends at the same byte. */
function fallbacksOf(part: Uint8Array): Uint32Array {
  const fallback = new Uint32Array(part.length);
  let matched = 0;
  for (let i = 1; i < part.length; i++) {
    while (matched > 0 && part[i] !== part[matched]) matched = fallback[matched - 1] ?? 0;
    if (part[i] === part[matched]) matched++;
    fallback[i] = matched;
  }
  return fallback;
}
