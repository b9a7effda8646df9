/** The `Cache-Control` header of requests (RFC 9111 §5.2.1). */

const NO_CACHE = /(?:^|,)[ \t]*no-cache[ \t]*(?:,|$)/i;

/**
 * Whether a client wants a response that is not older than its request (RFC 9111 §5.2.1.4).
 *
 * @param value value of the Cache-Control header, or null if it was not sent
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { wantsFresh } from "./cache_control.ts";
 *
 * strictEqual(wantsFresh("max-age=0, no-cache"), true);
 * strictEqual(wantsFresh("max-age=0"), false);
 * strictEqual(wantsFresh(null), false);
 * ```
 */
export function wantsFresh(value: string | null): boolean {
  return value !== null && NO_CACHE.test(value);
}
