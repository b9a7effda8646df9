/**
 * Hashes and keyed hashes as bytes and hex, synchronous because the event chain and the capability
 * check sit on paths that cannot wait. Thin names over `node:crypto`; no keys live here.
 */

import { createHash, createHmac, hash, timingSafeEqual } from "node:crypto";

/** Lower-case hex SHA-256. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash("sha256", data, "hex");
}

/** HMAC-SHA256 as bytes (RFC 2104). */
export function hmac(key: Uint8Array | string, data: Uint8Array | string): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(data).digest());
}

/**
 * Compares two secrets in time that depends on neither: both are hashed first, so lengths do not
 * show either.
 */
export function equalSecret(a: string, b: string): boolean {
  return timingSafeEqual(
    createHash("sha256").update(a).digest(),
    createHash("sha256").update(b).digest(),
  );
}
