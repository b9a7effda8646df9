/**
 * Content negotiation (RFC 9110 §12.5.1): q-values, specificity and refusal with q=0, by the
 * `negotiator` library. It chooses among what the caller offers it and decides nothing else.
 */

import { Negotiator } from "../deps.ts";

/**
 * The offered media types that the Accept header allows, best first; all of them, in the order
 * offered, when there is no header.
 */
export function acceptable(accept: string | null, offered: readonly string[]): string[] {
  return new Negotiator({ headers: { accept: accept ?? undefined } }).mediaTypes([...offered]);
}

/** Whether a caller would rather read words than JSON: browsers, and `Accept: text/plain`. */
export function prefersText(accept: string | null): boolean {
  if (accept === null || accept === "*/*") return false;
  const best = acceptable(accept, [
    "application/problem+json",
    "application/json",
    "text/plain",
    "text/html",
  ])[0];
  return best === "text/plain" || best === "text/html";
}
