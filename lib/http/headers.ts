/** Response headers that many responses share. */

/**
 * Headers of a response that must not be stored, and whose media type a browser must not guess
 * (RFC 9111 §5.2.2.5, WHATWG Fetch, `X-Content-Type-Options`).
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * import { UNCACHED_HEADERS } from "./headers.ts";
 *
 * const response = new Response("now", { headers: UNCACHED_HEADERS });
 * equal(response.headers.get("cache-control"), "no-store");
 * ```
 */
export const UNCACHED_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
} as const;
