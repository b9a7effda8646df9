/**
 * Parses the chain of clients that proxies write into a header, nearest hop first. Everything left
 * of what a trusted proxy appended is untrusted input. The text is therefore parsed lazily from the
 * right: a malformed left part cannot hide a valid right part.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
/** A quoted string without escapes. No address contains an escape. */
const PLAIN_QUOTED = /^"[^"\\]*"$/;

/**
 * Yields the addresses of `X-Forwarded-For`, `X-Real-IP` and similar headers, rightmost first,
 * without ports and brackets. The addresses are not validated.
 *
 * @param value the header value
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseForwardedFor } from "./forwarded.ts";
 *
 * deepStrictEqual([...parseForwardedFor("192.0.2.7, [2001:db8::1]:443")], [
 *   "2001:db8::1",
 *   "192.0.2.7",
 * ]);
 * ```
 */
export function* parseForwardedFor(value: string): Generator<string> {
  let end = value.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : value.lastIndexOf(",", end - 1);
    yield withoutPort(value.slice(comma + 1, end).trim());
    end = comma;
  }
}

/**
 * Yields the `for` nodes of `Forwarded` (RFC 7239 §4), rightmost first, without ports and brackets.
 * An element without a readable `for` yields `""`, because it still counts as a hop.
 *
 * @param value the header value
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseForwarded } from "./forwarded.ts";
 *
 * deepStrictEqual([...parseForwarded('for=192.0.2.7;proto=https, for="[2001:db8::1]:443"')], [
 *   "2001:db8::1",
 *   "192.0.2.7",
 * ]);
 * ```
 */
export function* parseForwarded(value: string): Generator<string> {
  for (const element of fromRight(value, COMMA)) yield withoutPort(forNode(element));
}

/** Yields the parts between separators outside quoted strings, from the right. */
function* fromRight(text: string, separator: number): Generator<string> {
  let end = text.length;
  let quoted = false;
  for (let at = end - 1; at >= 0; at--) {
    const char = text.charCodeAt(at);
    if (char === QUOTE && !isEscaped(text, at)) quoted = !quoted;
    if (char !== separator || quoted) continue;
    yield text.slice(at + 1, end);
    end = at;
  }
  yield text.slice(0, end);
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && text.charCodeAt(before) === BACKSLASH) before--;
  return (at - before) % 2 === 0;
}

function forNode(element: string): string {
  let node: string | undefined;
  for (const pair of fromRight(element, SEMICOLON)) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, Math.max(equals, 0)).trim().toLowerCase() !== "for") continue;
    if (node !== undefined) return ""; // RFC 7239 §4: each parameter occurs at most once
    node = pair.slice(equals + 1).trim();
  }
  if (node === undefined || !node.includes('"')) return node ?? "";
  return PLAIN_QUOTED.test(node) ? node.slice(1, -1) : "";
}

/** Removes the port of `192.0.2.1:80` or `[2001:db8::1]:80`. A bare IPv6 address stays as it is. */
function withoutPort(node: string): string {
  if (node.startsWith("[")) {
    const close = node.indexOf("]");
    return close > 0 && /^(?::[\w.-]*)?$/.test(node.slice(close + 1)) ? node.slice(1, close) : "";
  }
  const colon = node.indexOf(":");
  return colon >= 0 && colon === node.lastIndexOf(":") ? node.slice(0, colon) : node;
}
