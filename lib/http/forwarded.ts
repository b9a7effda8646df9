/**
 * Reads the chain of clients that proxies write into a header, nearest first. Everything left of what
 * a trusted proxy appended comes from strangers, so the text is read from its right end and never
 * further than asked; what is broken on the left cannot hide what stands on the right.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
/** A quoted string without escapes; no address needs one. */
const PLAIN_QUOTED = /^"[^"\\]*"$/;

/**
 * The addresses of `X-Forwarded-For`, `X-Real-IP` and their like, right-most first, without ports and
 * brackets. They are not validated here.
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
 * The `for` nodes of `Forwarded` (RFC 7239 §4), right-most first, without ports and brackets. An
 * element without one, or one that cannot be read, gives `""`; it still stands for a hop.
 */
export function* parseForwarded(value: string): Generator<string> {
  for (const element of fromRight(value, COMMA)) yield withoutPort(forNode(element));
}

/** The pieces between separators that stand in no quoted string, as seen from the right. */
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
    if (node !== undefined) return ""; // RFC 7239 §4: a parameter occurs once
    node = pair.slice(equals + 1).trim();
  }
  if (node === undefined || !node.includes('"')) return node ?? "";
  return PLAIN_QUOTED.test(node) ? node.slice(1, -1) : "";
}

/** `192.0.2.1:80` and `[2001:db8::1]:80` without the port; a bare IPv6 address as it is. */
function withoutPort(node: string): string {
  if (node.startsWith("[")) {
    const close = node.indexOf("]");
    return close > 0 && /^(?::[\w.-]*)?$/.test(node.slice(close + 1)) ? node.slice(1, close) : "";
  }
  const colon = node.indexOf(":");
  return colon >= 0 && colon === node.lastIndexOf(":") ? node.slice(0, colon) : node;
}
