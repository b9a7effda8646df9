/**
 * Content negotiation (RFC 9110 §12.5.1) with q-values, specificity and exclusion by q=0, by the
 * `negotiator` library. It chooses among the media types that the caller offers. Every request
 * negotiates, so choices are cached in a bounded map.
 */

import { Negotiator } from "../deps/negotiator.ts";
import { ACCEPT_CACHE_ENTRIES, MAX_ACCEPT_CHARS, MAX_CACHED_ACCEPT_CHARS } from "../limits.ts";

/** `*` as a whole element of the header, which is not a media range of RFC 9110 but is sent. */
const BARE_ASTERISK = /(?<=^|,)([ \t]*)\*(?=[ \t]*(?:[,;]|$))/g;

/**
 * Returns the offered media types that Accept allows, best first. Without a header, with a blank
 * one, and with one longer than {@link MAX_ACCEPT_CHARS}, all are returned in the offered order:
 * RFC 9110 §12.5.1 allows a server to disregard Accept, and the cost of negotiation grows with its
 * length. `*` counts as a range for all types.
 *
 * @param accept value of the Accept header, or null if it was not sent
 * @param offered media types without parameters, in the server's order of preference
 * @returns a subset of `offered`; empty if none is acceptable
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { negotiateTypes } from "./negotiate.ts";
 *
 * const offered = ["application/json", "text/plain"];
 * deepStrictEqual(negotiateTypes("text/*, application/json;q=0.1", offered), ["text/plain", "application/json"]);
 * deepStrictEqual(negotiateTypes("image/png", offered), []);
 * deepStrictEqual(negotiateTypes(null, offered), offered);
 * ```
 */
export function negotiateTypes(accept: string | null, offered: readonly string[]): string[] {
  if (accept === null || accept.length > MAX_ACCEPT_CHARS || accept.trim() === "") {
    return [...offered];
  }
  // Text is always sent as UTF-8. The parameter lets `text/plain;charset=utf-8` match, which the
  // library would otherwise reject.
  const sent = offered.map((type) => type.startsWith("text/") ? `${type};charset=utf-8` : type);
  const chosen = new Negotiator({ headers: { accept: accept.replace(BARE_ASTERISK, "$1*/*") } })
    .mediaTypes(sent);
  return chosen.flatMap((type) => offered[sent.indexOf(type)] ?? []);
}

/**
 * Creates a function that maps an Accept header to the one media type to send. Its results are
 * cached in a map that is cleared at {@link ACCEPT_CACHE_ENTRIES} entries: the headers of common
 * clients cost one look-up, and untrusted headers cannot fill the memory.
 *
 * @param offered media types in the server's order of preference; the first is sent if Accept is
 * absent
 * @param fallback media type to send if no offered type is acceptable (RFC 9110 §12.5.1 allows
 * this)
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { createTypeChooser } from "./negotiate.ts";
 *
 * const choose = createTypeChooser(["application/json", "text/plain"], "application/json");
 * strictEqual(choose("text/plain"), "text/plain");
 * strictEqual(choose("image/png"), "application/json");
 * ```
 */
export function createTypeChooser(
  offered: readonly string[],
  fallback: string,
): (accept: string | null) => string {
  const memo = new Map<string, string>();
  const defaultType = offered[0] ?? fallback;

  return function choose(accept: string | null): string {
    if (accept === null) return defaultType;
    const cached = memo.get(accept);
    if (cached !== undefined) return cached;
    const chosen = negotiateTypes(accept, offered)[0] ?? fallback;
    if (accept.length <= MAX_CACHED_ACCEPT_CHARS) {
      if (memo.size >= ACCEPT_CACHE_ENTRIES) memo.clear();
      memo.set(accept, chosen);
    }
    return chosen;
  };
}

const chooseProblemType = createTypeChooser(
  ["application/problem+json", "application/json", "text/plain", "text/html"],
  "application/problem+json",
);

/**
 * Checks whether a client prefers text to JSON: a browser, or a client with `Accept: text/plain`.
 *
 * @param accept value of the Accept header, or null if it was not sent
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { prefersText } from "./negotiate.ts";
 *
 * strictEqual(prefersText("text/html, application/json;q=0.8"), true);
 * strictEqual(prefersText("application/json"), false);
 * strictEqual(prefersText(null), false);
 * ```
 */
export function prefersText(accept: string | null): boolean {
  const best = chooseProblemType(accept);
  return best === "text/plain" || best === "text/html";
}
