/**
 * Content negotiation (RFC 9110 §12.5.1): q-values, specificity and refusal with q=0, by the
 * `negotiator` library. It chooses among what the caller offers it and decides nothing else. Every
 * request passes here, so a choice once made is remembered; what is remembered is bounded.
 */

import { Negotiator } from "../deps/negotiator.ts";
import { ACCEPT_CACHE_ENTRIES, MAX_ACCEPT_CHARS, MAX_CACHED_ACCEPT_CHARS } from "../limits.ts";

/**
 * The offered media types that the Accept header allows, best first; all of them, in the order
 * offered, when there is no header. A blank header, and one longer than {@link MAX_ACCEPT_CHARS},
 * counts as none: RFC 9110 lets a server disregard Accept, and negotiating a list costs time
 * proportional to its length.
 *
 * @param accept the request's Accept header
 * @param offered media types without parameters, in the server's order of preference
 */
export function negotiateTypes(accept: string | null, offered: readonly string[]): string[] {
  if (accept === null || accept.length > MAX_ACCEPT_CHARS || accept.trim() === "") {
    return [...offered];
  }
  // Text is always sent as UTF-8. Offering it so lets `text/plain;charset=utf-8` match, which the
  // library would otherwise take for a parameter that is not there.
  const sent = offered.map((type) => type.startsWith("text/") ? `${type};charset=utf-8` : type);
  const chosen = new Negotiator({ headers: { accept } }).mediaTypes(sent);
  return chosen.flatMap((type) => offered[sent.indexOf(type)] ?? []);
}

/**
 * Makes a function that maps an Accept header to the one media type to send. Its answers are kept
 * in a map that is emptied when it holds {@link ACCEPT_CACHE_ENTRIES}, so that the browsers and
 * clients in use cost one look-up a request and strangers' inventions cannot fill the memory.
 *
 * @param offered media types in the server's order of preference; the first answers no header
 * @param fallback what is sent when nothing offered is acceptable (RFC 9110 §12.5.1 allows it)
 */
export function createTypeChooser(
  offered: readonly string[],
  fallback: string,
): (accept: string | null) => string {
  const memo = new Map<string, string>();
  const unasked = offered[0] ?? fallback;

  return function choose(accept: string | null): string {
    if (accept === null) return unasked;
    const known = memo.get(accept);
    if (known !== undefined) return known;
    const chosen = negotiateTypes(accept, offered)[0] ?? fallback;
    if (accept.length <= MAX_CACHED_ACCEPT_CHARS) {
      if (memo.size >= ACCEPT_CACHE_ENTRIES) memo.clear();
      memo.set(accept, chosen);
    }
    return chosen;
  };
}

const chooseWords = createTypeChooser(
  ["application/problem+json", "application/json", "text/plain", "text/html"],
  "application/problem+json",
);

/** Whether a caller would rather read words than JSON: browsers, and `Accept: text/plain`. */
export function prefersText(accept: string | null): boolean {
  const best = chooseWords(accept);
  return best === "text/plain" || best === "text/html";
}
