/** Ranks names by their similarity to a text. The choice between them is left to the model or caller. */

import { editDistance } from "./edit_distance.ts";
import { cached, hasWordCharacters, letterBits, numbersIn, wordsOf } from "./words.ts";

/** Most words of a text that are compared. */
const MAX_WORDS = 12;
/** Longest word that is compared by its edit distance, in UTF-16 units. */
const MAX_COMPARED_LENGTH = 32;

/**
 * Makes a function that measures how much of a text is found in a name. The function caches the words
 * that it has compared.
 *
 * @param text folded text
 * @returns a function of folded segments; its result is from 0 to 1
 */
export function similarityTo(text: string): (segments: readonly string[]) => number {
  const words = comparedParts(text);
  const caches = words.map(() => new Map<string, number>());
  return function similarity(segments) {
    let sum = 0;
    for (const [i, word] of words.entries()) {
      const compared = caches[i] ?? new Map<string, number>();
      let best = 0;
      for (const segment of segments) {
        for (const other of comparedParts(segment)) {
          let similar = compared.get(other);
          if (similar === undefined) {
            similar = wordSimilarity(word, other);
            compared.set(other, similar);
          }
          if (similar > best) best = similar;
        }
      }
      sum += best;
    }
    return words.length === 0 ? 0 : sum / words.length;
  };
}

function wordSimilarity(a: string, b: string): number {
  if (a === b) return 1;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (short.length >= 3 && long.includes(short)) return 0.9;
  if (short.length < 4 || long.length > MAX_COMPARED_LENGTH) return 0;
  const limit = Math.min(4, Math.floor(long.length / 3));
  if (long.length - short.length > limit) return 0;
  if (countBits(letterBits(a) ^ letterBits(b)) > 2 * limit) return 0;
  if (numbersIn(a) !== numbersIn(b)) return 0;
  const edits = editDistance(a, b, limit);
  return edits > limit ? 0 : 0.9 * (1 - edits / long.length);
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Words; a run of characters that are words themselves is split into its pairs. */
const comparedParts = cached((text): readonly string[] =>
  wordsOf(text.replaceAll("/", " ")).slice(0, MAX_WORDS).flatMap((word) => {
    const characters = hasWordCharacters(word) ? [...word].slice(0, 64) : [];
    if (characters.length < 3) return [word];
    return characters.slice(1).map((character, i) => `${characters[i]}${character}`);
  })
);
