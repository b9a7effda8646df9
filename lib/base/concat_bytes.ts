/**
 * Concatenates and compares byte arrays. Runs in the server, its Workers and cells, so it uses only the
 * language.
 */

/**
 * Concatenates byte arrays into a new one.
 *
 * @param pieces the arrays, in order
 * @param length their total length in bytes, if it is known already
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { concatBytes } from "./concat_bytes.ts";
 *
 * deepStrictEqual(concatBytes([Uint8Array.of(1), Uint8Array.of(2, 3)]), Uint8Array.of(1, 2, 3));
 * ```
 */
export function concatBytes(
  pieces: readonly Uint8Array[],
  length: number = pieces.reduce((sum, piece) => sum + piece.length, 0),
): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}

/**
 * Checks whether two byte arrays are equal. Not for secrets: its time depends on the content.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isSameBytes } from "./concat_bytes.ts";
 *
 * strictEqual(isSameBytes(Uint8Array.of(1), Uint8Array.of(1)), true);
 * strictEqual(isSameBytes(Uint8Array.of(1), Uint8Array.of(1, 2)), false);
 * ```
 */
export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
