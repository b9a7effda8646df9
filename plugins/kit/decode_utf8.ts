/** Decodes UTF-8 and recognizes bytes that are not text. */

/**
 * Decodes UTF-8.
 *
 * @param isComplete false if the bytes are the start of a longer text: the last character may then be
 * incomplete and is left out
 * @returns the text; undefined if the bytes are not UTF-8
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { decodeUtf8 } from "./decode_utf8.ts";
 *
 * strictEqual(decodeUtf8(new Uint8Array([0xc3, 0xbc])), "ü");
 * strictEqual(decodeUtf8(new Uint8Array([0xc3])), undefined);
 * strictEqual(decodeUtf8(new Uint8Array([0x61, 0xc3]), false), "a");
 * ```
 */
export function decodeUtf8(bytes: Uint8Array, isComplete = true): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !isComplete });
  } catch {
    return undefined; // the caller decides what to do with bytes that are not text
  }
}
