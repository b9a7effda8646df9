/**
 * Finds characters that make a name look like another one: a person who reads the text cannot see
 * them, or takes them for a separator. For names in text that people write or approve: configuration,
 * accounts, capabilities, manifests. Names of worlds in URLs may contain them. The rule of the
 * plugins is `plugins/kit/misleading_text.ts`; one table of cases tests both.
 */

/**
 * Joiners and selectors with a visible effect: in emoji, and in scripts whose letters join (Unicode
 * UAX #31 §2.3).
 */
const JOINED =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{sc=Arabic}\p{sc=Syriac}\p{sc=Mongolian}\p{sc=Devanagari}\p{sc=Bengali}\p{sc=Gurmukhi}\p{sc=Gujarati}\p{sc=Oriya}\p{sc=Tamil}\p{sc=Telugu}\p{sc=Kannada}\p{sc=Malayalam}\p{sc=Sinhala}\p{sc=Khmer}\p{sc=Myanmar}])[\u200c\u200d](?=[\p{Extended_Pictographic}\p{L}\p{M}])|(?<=\p{Extended_Pictographic})\ufe0f/gu;
/** Characters without ink; a space is visible between two words. */
const INVISIBLE =
  /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\u2800]|(?! )\p{Zs}/u;
/** Characters that look like a slash or a dot. */
const LOOKALIKE = /[\u2044\u2215\u29f8\uff0f\u2024\uff0e]/u;
/** Cyrillic and Latin letters in one word: many of them look the same. */
const MIXED = /[\p{sc=Latin}][\p{M}]*[\p{sc=Cyrillic}]|[\p{sc=Cyrillic}][\p{M}]*[\p{sc=Latin}]/u;

/**
 * Explains why a text can be mistaken for another one.
 *
 * @param text a name or a path
 * @returns the end of a sentence about the text, in ASCII; undefined if it is not misleading
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { misleadingFault } from "./misleading_text.ts";
 *
 * strictEqual(misleadingFault("home/notes"), undefined);
 * strictEqual(misleadingFault("home/no\u200btes"), "it contains the invisible character U+200B");
 * ```
 */
export function misleadingFault(text: string): string | undefined {
  if (/^[\x20-\x7e]*$/.test(text)) return undefined;
  const invisible = INVISIBLE.exec(text.replace(JOINED, ""))?.[0];
  if (invisible !== undefined) return `it contains the invisible character ${nameOf(invisible)}`;
  const lookalike = LOOKALIKE.exec(text)?.[0];
  if (lookalike !== undefined) {
    return `it contains ${nameOf(lookalike)}, which looks like a slash or a dot`;
  }
  return MIXED.test(text) ? "it contains a word with Latin and Cyrillic letters" : undefined;
}

function nameOf(char: string): string {
  return `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}
