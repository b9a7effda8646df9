/**
 * The request header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07). The draft
 * defines a string of RFC 8941 (§3.3.3), in double quotes. Many clients send the key without them, so
 * both forms are read, and `"a"` and `a` are the same key.
 */

import { MAX_IDEMPOTENCY_KEY_CHARS } from "../limits.ts";

const VISIBLE = /^[\x21-\x7e]+$/;
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;

/**
 * Parses the header.
 *
 * @param header value of the header, without white space at its ends
 * @returns the key, or why it is refused, as the end of a sentence
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseIdempotencyKey } from "./idempotency_key.ts";
 *
 * deepStrictEqual(parseIdempotencyKey('"8e03978e-40d5"'), { key: "8e03978e-40d5" });
 * deepStrictEqual(parseIdempotencyKey("8e03978e-40d5"), { key: "8e03978e-40d5" });
 * ```
 */
export function parseIdempotencyKey(header: string): { key: string } | { fault: string } {
  const isQuoted = header.startsWith('"');
  const [, quoted = ""] = QUOTED.exec(header) ?? [];
  const key = isQuoted ? quoted.replaceAll(/\\(.)/g, "$1") : header;
  if (key.length > MAX_IDEMPOTENCY_KEY_CHARS) {
    return {
      fault: `Idempotency-Key has ${key.length} characters; at most ${MAX_IDEMPOTENCY_KEY_CHARS} ` +
        "are allowed",
    };
  }
  // A header that was sent twice arrives joined by a comma and a space.
  if (key !== "" && (isQuoted || VISIBLE.test(key))) return { key };
  return {
    fault:
      "Idempotency-Key is not one key of visible ASCII characters, in double quotes or without",
  };
}
