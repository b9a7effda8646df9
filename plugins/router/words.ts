/**
 * Properties of segments and words that comparisons need. They are cached, because every request
 * compares the same names, and a look-up in a map takes less time than a regular expression.
 */

/** Texts whose properties are cached, and the longest of them in characters. */
const MAX_CACHED_TEXTS = 10_000;
const MAX_CACHED_LENGTH = 128;

const WORD_SEPARATORS = /[\s_\-.+~,]+/u;
/** Scripts in which one character can be a word. */
const WORD_CHARACTERS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/**
 * Returns a function that has the same results and caches them.
 *
 * @param compute a pure function
 */
export function cached<T>(compute: (text: string) => T): (text: string) => T {
  const values = new Map<string, T>();
  return function lookUp(text) {
    if (text.length > MAX_CACHED_LENGTH) return compute(text);
    const found = values.get(text);
    if (found !== undefined) return found;
    if (values.size >= MAX_CACHED_TEXTS) values.clear();
    const computed = compute(text);
    values.set(text, computed);
    return computed;
  };
}

/** Folds case and normalization, for comparisons. */
export function foldText(text: string): string {
  return text.normalize("NFC").toLowerCase();
}

/** Words of a folded segment. */
export const wordsOf = cached((segment): readonly string[] =>
  segment.split(WORD_SEPARATORS).filter((word) => word !== "")
);

/** Words of a folded segment without separators. */
export const joinedWords = cached((segment): string => wordsOf(segment).join(""));

/** Characters of a word in alphabetical order. */
export const sortedLetters = cached((word): string => [...word].sort().join(""));

/** Numbers in a text, in order, separated by spaces. */
export const numbersIn = cached((text): string => text.replace(/\P{N}+/gu, " ").trim());

/** Whether a word has characters that are words themselves. */
export const hasWordCharacters = cached((word): boolean => WORD_CHARACTERS.test(word));

/** The letters of a word as bits: one edit changes at most two, which rules out most words quickly. */
export const letterBits = cached((word): number => {
  let bits = 0;
  for (let i = 0; i < word.length; i++) bits |= 1 << (word.charCodeAt(i) & 31);
  return bits;
});
