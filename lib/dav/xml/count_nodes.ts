/**
 * Counts the nodes of an XML document before it is parsed, so that the time for parsing is limited.
 * It makes one pass and reads every character at most once. It is not a parser: for a document that
 * is not well-formed the count has no meaning, and the parser refuses that document.
 */

/** Where a part that is not an element ends. */
const ENDS: readonly (readonly [string, string])[] = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
];

/**
 * Counts elements, attributes, comments, CDATA sections and processing instructions.
 *
 * @param max the count stops above this number
 * @returns the number, or more than `max`
 */
export function countNodes(text: string, max: number): number {
  let count = 0;
  let at = text.indexOf("<");
  while (at >= 0 && count <= max) {
    const end = ENDS.find(([start]) => text.startsWith(start, at))?.[1];
    if (end !== undefined) {
      count++;
      const found = text.indexOf(end, at + 2);
      if (found < 0) return count;
      at = text.indexOf("<", found + end.length);
      continue;
    }
    if (text.charCodeAt(at + 1) !== SLASH) count++;
    // A name that begins after a space or a value is an attribute, also without a value.
    let isBetween = false;
    for (at++; at < text.length && count <= max; at++) {
      const char = text.charAt(at);
      if (char === ">") break;
      if (char === '"' || char === "'") {
        at = text.indexOf(char, at + 1);
        if (at < 0) return count;
        isBetween = true;
      } else if (char === "=" || char === "/") isBetween = false;
      else if (SPACE.test(char)) isBetween = true;
      else if (isBetween) {
        count++;
        isBetween = false;
      }
    }
    at = text.indexOf("<", at);
  }
  return count;
}

const SLASH = 0x2f;
const SPACE = /[ \t\r\n]/;
