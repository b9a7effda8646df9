/**
 * Sanitizes untrusted text for a terminal. A response of a server, the description of a plugin or a
 * file name in an archive must not break a line, control the terminal, or reverse the direction of
 * the text around it.
 */

/**
 * Replaces every control and formatting character, including line breaks, by a question mark.
 *
 * @param text untrusted text
 * @returns one line
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { sanitizeText } from "./sanitize_text.ts";
 *
 * strictEqual(sanitizeText("a\nb\u202ec"), "a?b?c");
 * ```
 */
export function sanitizeText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}
