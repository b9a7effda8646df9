/**
 * Decodes text that people write with editors: settings, accounts, configuration. Windows editors
 * and PowerShell write a byte order mark or UTF-16. Bytes that are not text are refused, because a
 * replacement character would silently change a name or a secret.
 */

const utf8 = new TextDecoder("utf-8", { fatal: true });
const utf16le = new TextDecoder("utf-16le", { fatal: true });
const utf16be = new TextDecoder("utf-16be", { fatal: true });

/**
 * Decodes UTF-8, or UTF-16 with a byte order mark. The byte order mark is removed.
 *
 * @param bytes content of a file or world
 * @returns the text, or undefined if the bytes are not text in one of these encodings; a NUL
 * character counts as not text, because UTF-16 without a byte order mark contains it
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { decodeText } from "./decode_text.ts";
 *
 * strictEqual(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "a");
 * strictEqual(decodeText(Uint8Array.of(0xff, 0xfe, 0x61, 0x00)), "a");
 * strictEqual(decodeText(Uint8Array.of(0xff)), undefined);
 * ```
 */
export function decodeText(bytes: Uint8Array): string | undefined {
  const decoder = bytes[0] === 0xff && bytes[1] === 0xfe
    ? utf16le
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? utf16be
    : utf8;
  try {
    const text = decoder.decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/**
 * Splits text into lines. LF, CRLF and CR end a line.
 *
 * @param text text in any of the three conventions
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { splitLines } from "./decode_text.ts";
 *
 * deepStrictEqual(splitLines("a\r\nb\rc\n"), ["a", "b", "c", ""]);
 * ```
 */
export function splitLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/);
}
