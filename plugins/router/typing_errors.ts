/** Decides whether one path is another one with typing errors. */

import { editDistance } from "./edit_distance.ts";
import { hasWordCharacters, joinedWords, numbersIn, sortedLetters, wordsOf } from "./words.ts";

/** Most edits of a path. */
const MAX_PATH_EDITS = 2;
/** Longest word whose edit distance is computed, in UTF-16 units. */
const MAX_WORD_LENGTH = 32;

/**
 * Counts the typing errors between two paths, segment by segment and word by word.
 *
 * @param requested folded segments
 * @param existing folded segments
 * @returns the number of edits; Infinity if the paths are different
 */
export function pathEdits(requested: readonly string[], existing: readonly string[]): number {
  if (requested.length !== existing.length) return Infinity;
  let sum = 0;
  for (const [i, segment] of requested.entries()) {
    sum += segmentEdits(segment, existing[i] ?? "");
    if (sum > MAX_PATH_EDITS) return Infinity;
  }
  return sum;
}

function segmentEdits(a: string, b: string): number {
  if (a === b) return 0;
  const words = wordsOf(a);
  const others = wordsOf(b);
  if (joinedWords(a) === joinedWords(b)) return words.length === others.length ? 0 : 1;
  if (words.length !== others.length) return Infinity;
  let sum = 0;
  for (const [i, word] of words.entries()) {
    sum += wordEdits(word, others[i] ?? "");
    if (sum > MAX_PATH_EDITS) return Infinity;
  }
  return sum;
}

/**
 * A number is never a typing error for another number, nor is a character that is a word. In a word of
 * four or five letters only two neighbours can be transposed: `task-12` is not `task-13`, and `text` is
 * not `test`.
 */
function wordEdits(a: string, b: string): number {
  if (a === b) return 0;
  if (Math.abs(a.length - b.length) > 4 || numbersIn(a) !== numbersIn(b)) return Infinity;
  if (hasWordCharacters(a) || hasWordCharacters(b)) return Infinity;
  const length = Math.min(a.length, b.length);
  if (length < 4 || Math.max(a.length, b.length) > MAX_WORD_LENGTH) return Infinity;
  const limit = length < 9 ? 1 : MAX_PATH_EDITS;
  const edits = editDistance(a, b, limit);
  if (edits > limit) return Infinity;
  return length > 5 || sortedLetters(a) === sortedLetters(b) ? edits : Infinity;
}
