/**
 * The id of a signing key: a short name that can be shown and compared, and from which the key cannot
 * be computed. It is derived from the key; a shared database stores the ids of retired keys.
 */

import { hmacSha256 } from "../base/hash.ts";

/** Length of an id in bytes. */
const ID_BYTES = 8;

/**
 * Returns the id of a signing key.
 *
 * @param key the signing key
 * @returns 16 lower-case hexadecimal digits
 */
export function toKeyId(key: string): string {
  return hmacSha256(key, "elastik key id").subarray(0, ID_BYTES).toHex();
}
