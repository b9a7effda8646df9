/** Headers that many requests and responses share. */

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

/** Response header that names the pages that may load a response (WHATWG Fetch §3.7). */
export const RESOURCE_POLICY = "cross-origin-resource-policy";

/**
 * Forbids pages of other origins to load a response as a script, an image or a media file, which a
 * browser allows by default. A response that has its own policy keeps it.
 *
 * @returns the same response
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * import { withResourcePolicy } from "./headers.ts";
 *
 * const response = withResourcePolicy(new Response("x"));
 * equal(response.headers.get("cross-origin-resource-policy"), "same-origin");
 * ```
 */
export function withResourcePolicy(response: Response): Response {
  if (!response.headers.has(RESOURCE_POLICY)) response.headers.set(RESOURCE_POLICY, "same-origin");
  return response;
}

/**
 * Explains why the content of a request is encoded (RFC 9110 §8.4). The server stores the bytes that
 * it receives, so it accepts none but `identity`.
 *
 * @param contentEncoding value of Content-Encoding, or null if it was not sent
 * @returns a clause for an error message, or undefined if the content is not encoded
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { contentEncodingFault } from "./headers.ts";
 *
 * strictEqual(contentEncodingFault("identity"), undefined);
 * strictEqual(typeof contentEncodingFault("identity, gzip"), "string");
 * ```
 */
export function contentEncodingFault(contentEncoding: string | null): string | undefined {
  if (contentEncoding === null) return undefined;
  const codings = contentEncoding.split(",").map((coding) => coding.trim());
  const encoded = codings.find((coding) => coding !== "" && coding.toLowerCase() !== "identity");
  return encoded === undefined
    ? undefined
    : `the content is encoded as ${encoded.slice(0, MAX_QUOTED_CHARS)}`;
}

/** Characters of an untrusted header that an error message quotes. */
const MAX_QUOTED_CHARS = 40;
