/**
 * SHA-256 and HMAC-SHA256, synchronous because the event chain and the check of capabilities cannot
 * wait. Thin functions over `node:crypto`. This module holds no keys.
 */

import type { Hash } from "node:crypto";
import { nodeCrypto } from "./node_crypto.ts";

/**
 * Computes a SHA-256 in lower-case hex.
 *
 * @param data bytes, or text that is encoded as UTF-8
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { sha256Hex } from "./hash.ts";
 *
 * strictEqual(sha256Hex("abc").slice(0, 16), "ba7816bf8f01cfea");
 * ```
 */
export function sha256Hex(data: Uint8Array | string): string {
  return nodeCrypto().hash("sha256", data, "hex");
}

/**
 * A SHA-256 of pieces, as if they were joined.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { Sha256, sha256Hex } from "./hash.ts";
 *
 * const hash = new Sha256();
 * hash.add("a");
 * hash.add("bc");
 * strictEqual(hash.end(), sha256Hex("abc"));
 * ```
 */
export class Sha256 {
  readonly #hash: Hash = nodeCrypto().createHash("sha256");

  /** Adds bytes, or a text that is encoded as UTF-8. */
  add(piece: Uint8Array | string): void {
    this.#hash.update(piece);
  }

  /** Returns the hash in lower-case hex; nothing can be added after that. */
  end(): string {
    return this.#hash.digest("hex");
  }
}

/**
 * Computes an HMAC-SHA256 (RFC 2104) as 32 bytes.
 *
 * @param key secret key
 * @param data bytes, or text that is encoded as UTF-8
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { hmacSha256 } from "./hash.ts";
 *
 * strictEqual(hmacSha256("key", "text").length, 32);
 * ```
 */
export function hmacSha256(key: Uint8Array | string, data: Uint8Array | string): Uint8Array {
  return new Uint8Array(nodeCrypto().createHmac("sha256", key).update(data).digest());
}

/**
 * Compares two secrets in a time that depends on neither. Both are hashed first, so the time does
 * not reveal their lengths either.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isSameSecret } from "./hash.ts";
 *
 * strictEqual(isSameSecret("secret", "secret"), true);
 * strictEqual(isSameSecret("secret", "other"), false);
 * ```
 */
export function isSameSecret(a: string, b: string): boolean {
  const { createHash, timingSafeEqual } = nodeCrypto();
  return timingSafeEqual(
    createHash("sha256").update(a).digest(),
    createHash("sha256").update(b).digest(),
  );
}

/**
 * Assigns a name to one of `count` parts, always the same one. Not a cryptographic hash.
 *
 * @param name any text
 * @param count number of parts, at least 1
 * @returns a whole number from 0 to `count - 1`
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * import { shardOf } from "./hash.ts";
 *
 * equal(shardOf("home/x", 1), 0);
 * equal(shardOf("home/x", 7), shardOf("home/x", 7));
 * ```
 */
export function shardOf(name: string, count: number): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
  return hash % count;
}
