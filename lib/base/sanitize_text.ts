/**
 * Texts from elsewhere on their way to somebody's terminal. A machine's answer, a plugin's description
 * or an archive's file name must neither break a line nor command the terminal, nor turn what stands
 * beside it round.
 */

/** One line of it, with every control and formatting character as a question mark. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}
