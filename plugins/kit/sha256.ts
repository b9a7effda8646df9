/** SHA-256 of a text or of bytes. */

/**
 * Computes a SHA-256 hash.
 *
 * @param data bytes, or a text that is hashed as UTF-8
 * @returns 64 hexadecimal digits in lower case
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { sha256Hex } from "./sha256.ts";
 *
 * strictEqual((await sha256Hex("abc")).slice(0, 16), "ba7816bf8f01cfea");
 * ```
 */
export async function sha256Hex(data: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
