/**
 * Content codings of responses (RFC 9110 §8.4.1): which one a client accepts, and which media types
 * are worth one. This module is pure; it encodes nothing.
 */

import { Negotiator } from "../deps/negotiator.ts";
import { ACCEPT_CACHE_ENTRIES, MAX_ACCEPT_CHARS, MAX_CACHED_ACCEPT_CHARS } from "../limits.ts";

/** A coding that the server sends. */
export type ContentCoding = "br" | "gzip";

/** Content in each coding, by the SHA-256 of the content in lower-case hex. */
export type Precompressed = ReadonlyMap<
  string,
  Readonly<Record<ContentCoding, Uint8Array<ArrayBuffer>>>
>;

const TEXT_TYPE =
  /^(?:text\/(?!event-stream)|image\/svg\+xml|application\/(?:javascript|json|xml|openmetrics-text|.+\+(?:json|xml))(?:;|$))/;

/**
 * Checks whether content of a media type becomes smaller by a coding: text does, compressed images
 * and archives do not. An event stream is text, but its events must not wait in an encoder.
 *
 * @param mediaType value of Content-Type, or null if there is none
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isCompressible } from "./content_coding.ts";
 *
 * strictEqual(isCompressible("text/html; charset=utf-8"), true);
 * strictEqual(isCompressible("image/png"), false);
 * strictEqual(isCompressible("text/event-stream"), false);
 * ```
 */
export function isCompressible(mediaType: string | null): boolean {
  return mediaType !== null && TEXT_TYPE.test(mediaType.toLowerCase());
}

/**
 * Creates a function that chooses the coding of a response from Accept-Encoding (RFC 9110 §12.5.3).
 * Its results are cached in a map that is cleared at {@link ACCEPT_CACHE_ENTRIES} entries.
 *
 * @param offered codings in the server's order of preference
 * @returns a function of the header's value that returns undefined if the content is to be sent as
 * it is: without a header, if the client prefers that, and for a header longer than
 * {@link MAX_ACCEPT_CHARS}
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { createCodingChooser } from "./content_coding.ts";
 *
 * const choose = createCodingChooser(["br", "gzip"]);
 * strictEqual(choose("gzip, deflate, br"), "br");
 * strictEqual(choose("gzip, br;q=0"), "gzip");
 * strictEqual(choose("identity, gzip;q=0.5"), undefined);
 * strictEqual(choose(null), undefined);
 * ```
 */
export function createCodingChooser(
  offered: readonly ContentCoding[],
): (acceptEncoding: string | null) => ContentCoding | undefined {
  const memo = new Map<string, ContentCoding | undefined>();
  const all = [...offered, "identity"];

  return function choose(header: string | null): ContentCoding | undefined {
    if (header === null || header.length > MAX_ACCEPT_CHARS) return undefined;
    if (memo.has(header)) return memo.get(header);
    const accepted = new Negotiator({ headers: { "accept-encoding": header } }).encodings(all);
    // Best first; `identity` is acceptable unless the header excludes it.
    const better = accepted.slice(0, (accepted.indexOf("identity") + 1 || Infinity) - 1);
    const chosen = offered.find((coding) => better.includes(coding));
    if (header.length <= MAX_CACHED_ACCEPT_CHARS) {
      if (memo.size >= ACCEPT_CACHE_ENTRIES) memo.clear();
      memo.set(header, chosen);
    }
    return chosen;
  };
}
