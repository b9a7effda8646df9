/**
 * The Host header (RFC 9110 §7.2): whether it is well-formed and whether it names this server. Deno
 * copies the header into the URL of the request, so `Host: a/b` would move the path. And only the
 * header distinguishes the server's own page from a page whose name was rebound to 127.0.0.1 (DNS
 * rebinding). This module never resolves names.
 */

/** The two parts of `host[:port]`. */
export interface Authority {
  /** Name or address in lower case; an IPv6 address keeps its brackets. */
  readonly host: string;
  /** The port as sent, without its colon; `""` if absent. */
  readonly port: string;
}

const COLON = 0x3a;
const MAX_NAME_LENGTH = 255;

/**
 * Returns the authority that a request was sent to. Over HTTP/1.1 this is the Host header. Over
 * HTTP/2 it is a pseudo-header (RFC 9113 §8.3.1), which Deno puts into the URL only. An HTTP/1.0
 * client without Host gets `localhost` from Deno; browsers always send it, so this does not allow
 * DNS rebinding.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { readHost } from "./host.ts";
 *
 * strictEqual(readHost(new Request("https://example.org:8443/x")), "example.org:8443");
 * ```
 */
export function readHost(
  { headers, url }: { readonly headers: Pick<Headers, "get">; readonly url: string },
): string {
  const host = headers.get("host");
  if (host !== null) return host;
  const start = url.indexOf("://") + 3;
  const end = url.slice(start).search(/[/?#]/);
  return end < 0 ? url.slice(start) : url.slice(start, start + end);
}

/**
 * Explains why a Host header is malformed (RFC 9110 §7.2). Such a request must be answered with
 * 400.
 *
 * @param header the Host header, or null if it was not sent, as over HTTP/2
 * @returns a clause for an error message, or undefined if the header is absent or well-formed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { hostFault } from "./host.ts";
 *
 * strictEqual(hostFault("example.org:8443"), undefined);
 * strictEqual(typeof hostFault("a/b"), "string");
 * ```
 */
export function hostFault(header: string | null): string | undefined {
  if (header === null || portStart(header) >= 0) return undefined;
  return "the Host header is not a name or address with an optional port";
}

/**
 * Checks whether the Host header names a server on loopback: `localhost`, an address of 127.0.0.0/8
 * or `[::1]`, each with any port, or a configured name. A missing, repeated or malformed header is
 * not known.
 *
 * @param header the Host header, or null if it was not sent
 * @param allowed configured names in lower case: `name` (any port) or `name:port`
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isKnownHost } from "./host.ts";
 *
 * strictEqual(isKnownHost("localhost:8000", new Set()), true);
 * strictEqual(isKnownHost("example.org", new Set()), false);
 * strictEqual(isKnownHost("example.org", new Set(["example.org"])), true);
 * ```
 */
export function isKnownHost(header: string | null, allowed: ReadonlySet<string>): boolean {
  if (header === null) return false;
  const end = portStart(header);
  if (end < 0) return false;
  const host = header.slice(0, end).toLowerCase();
  return host === "localhost" || host === "[::1]" || isLoopbackV4(host) || allowed.has(host) ||
    allowed.has(header.toLowerCase());
}

/**
 * Parses `host[:port]`.
 *
 * @returns the parts, or undefined if the text is malformed
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { parseAuthority } from "./host.ts";
 *
 * deepStrictEqual(parseAuthority("Example.org:80"), { host: "example.org", port: "80" });
 * strictEqual(parseAuthority("a b"), undefined);
 * ```
 */
export function parseAuthority(authority: string): Authority | undefined {
  const end = portStart(authority);
  if (end < 0) return undefined;
  return { host: authority.slice(0, end).toLowerCase(), port: authority.slice(end + 1) };
}

/**
 * Index of the colon before the port, or of the end if there is no port; -1 if the text is
 * malformed.
 */
function portStart(text: string): number {
  const end = text.charCodeAt(0) === 0x5b ? addressEnd(text) : nameEnd(text);
  if (end <= 0 || end > MAX_NAME_LENGTH) return -1;
  return end === text.length || isPort(text, end) ? end : -1;
}

function nameEnd(text: string): number {
  let at = 0;
  while (at < text.length && isNameChar(text.charCodeAt(at))) at++;
  return at;
}

function addressEnd(text: string): number {
  let at = 1;
  while (at < text.length && isAddressChar(text.charCodeAt(at))) at++;
  return at > 2 && text.charCodeAt(at) === 0x5d ? at + 1 : -1;
}

function isPort(text: string, colon: number): boolean {
  const digits = text.length - colon - 1;
  if (text.charCodeAt(colon) !== COLON || digits < 1 || digits > 5) return false;
  let port = 0;
  for (let at = colon + 1; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isNameChar(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || isDigit(code) ||
    code === 0x2d || code === 0x2e || code === 0x5f;
}

function isAddressChar(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x66) || isDigit(code) || code === COLON || code === 0x2e;
}

/**
 * Accepts four plain decimal numbers, as browsers send them. `127.1` and `0177.0.0.1` mean
 * different addresses to different parsers.
 */
function isLoopbackV4(host: string): boolean {
  if (!host.startsWith("127.")) return false;
  const parts = host.split(".");
  return parts.length === 4 && parts.every((part) => {
    const value = Number(part);
    return String(value) === part && Number.isInteger(value) && value >= 0 && value <= 255;
  });
}
