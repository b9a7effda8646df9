/**
 * Capability tokens. A capability allows its holder what its lines state, and the holder can derive
 * a narrower one without the server.
 *
 * - A token is `<base64url(lines)>.<base64url(signature)>`; a line is `prefix|exp|mode`.
 * - The first line is signed (HMAC-SHA256) with the server's key; each further line is signed with
 *   the signature before it. Any holder can add a line; removing one needs the key.
 * - The lines intersect: the path must be inside every prefix, the earliest expiry counts, and one
 *   `r` makes the token read-only. A line can therefore never widen the lines before it.
 * - Each token has one valid spelling. Any other text is rejected, and no text makes the check
 *   throw.
 *
 * The same key signs the event chain, whose HMACs readers can see. A capability line starts with
 * `/` and no text that the chain signs does, so an HMAC of an event is never a valid signature
 * here.
 */

import { timingSafeEqual } from "node:crypto";
import { hmacSha256 } from "../base/hash.ts";
import { isCanonicalPath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { MAX_CAPABILITY_CHARS, MAX_CAPABILITY_LINES } from "../limits.ts";
import type { Scope } from "./caller.ts";

/** One line of a capability: what it allows, or how it narrows the lines before it. */
export interface CapabilityLine {
  /** Canonical absolute path without a trailing slash; `/` is the whole tree. */
  readonly prefix: string;
  readonly mode: "r" | "rw";
  /** Unix time in seconds at which the line expires. */
  readonly exp: number;
}

const SIGNATURE_CHARS = 43;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Creates a capability.
 *
 * @param grant the signing key and the first line
 * @returns the token
 * @throws {Problem} `bad-query` if a field is not canonical or the token would be longer than
 * {@link MAX_CAPABILITY_CHARS}
 * @throws {TypeError} if the key is empty, because any client could then sign capabilities
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { mint, verify } from "./capability.ts";
 *
 * const token = mint({ key: "signing key", prefix: "/home", mode: "rw", exp: 2000000000 });
 * strictEqual(verify("signing key", token, 1900000000)?.mode, "rw");
 * ```
 */
export function mint(grant: CapabilityLine & { readonly key: string }): string {
  if (grant.key === "") throw new TypeError("Cannot mint a capability: the signing key is empty");
  const line = formatLine(grant);
  return formatToken(line, hmacSha256(grant.key, line));
}

/**
 * Derives a narrower capability. Needs no key and no server.
 *
 * @param token a token from `mint` or `narrow`; its signature is not checked
 * @param grant the line to add; it cannot allow more than the lines before it
 * @returns the new token
 * @throws {Problem} `bad-query` if the token is malformed, a field is not canonical, or the result
 * would be longer than {@link MAX_CAPABILITY_CHARS} or have more than {@link MAX_CAPABILITY_LINES}
 * lines
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { mint, narrow, verify } from "./capability.ts";
 *
 * const wide = mint({ key: "signing key", prefix: "/home", mode: "rw", exp: 2000000000 });
 * const token = narrow(wide, { prefix: "/home/notes", mode: "r", exp: 1950000000 });
 * strictEqual(verify("signing key", token, 1900000000)?.mode, "r");
 * strictEqual(verify("signing key", token, 1960000000), undefined);
 * ```
 */
export function narrow(token: string, grant: CapabilityLine): string {
  const parts = parseToken(token);
  if (parts === undefined) {
    throw new Problem(
      "bad-query",
      "Cannot narrow the capability: it is malformed; send a complete token",
    );
  }
  if (parts.lines.length >= MAX_CAPABILITY_LINES) {
    throw new Problem(
      "bad-query",
      `Cannot narrow the capability: it has ${parts.lines.length} lines; at most ${MAX_CAPABILITY_LINES} are allowed`,
    );
  }
  const line = formatLine(grant);
  return formatToken(`${parts.text}\n${line}`, hmacSha256(parts.signature, line));
}

/**
 * Verifies a token: signature, every line, expiry.
 *
 * @param key signing key of the server; an empty key verifies nothing
 * @param token untrusted input
 * @param nowSeconds current time in Unix seconds
 * @returns what all lines together allow, or undefined if the token is malformed, forged or expired
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { mint, verify } from "./capability.ts";
 *
 * const token = mint({ key: "signing key", prefix: "/home", mode: "r", exp: 2000000000 });
 * strictEqual(verify("signing key", token, 1900000000)?.mode, "r");
 * strictEqual(verify("another key", token, 1900000000), undefined);
 * strictEqual(verify("signing key", token, 2000000001), undefined);
 * ```
 */
export function verify(key: string, token: string, nowSeconds: number): Scope | undefined {
  const parts = parseToken(token);
  if (parts === undefined || key === "") return undefined;
  let expected: Uint8Array | string = key;
  for (const line of parts.lines) expected = hmacSha256(expected, line);
  if (typeof expected === "string" || !timingSafeEqual(expected, parts.signature)) return undefined;
  const prefixes: string[] = [];
  let exp = Number.MAX_SAFE_INTEGER;
  let mode: CapabilityLine["mode"] = "rw";
  for (const line of parts.lines) {
    const grant = parseLine(line);
    if (grant === undefined) return undefined;
    prefixes.push(grant.prefix);
    if (grant.exp < exp) exp = grant.exp;
    if (grant.mode === "r") mode = "r";
  }
  const root = parts.lines[0] ?? "";
  return exp > nowSeconds ? { prefixes, mode, exp, root } : undefined;
}

/**
 * Checks whether a path is at or below every prefix of a scope, by whole segments.
 *
 * @param path canonical absolute path, as `parseTarget` returns it
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isInside, mint, verify } from "./capability.ts";
 *
 * const token = mint({ key: "signing key", prefix: "/home", mode: "r", exp: 2000000000 });
 * const scope = verify("signing key", token, 1900000000);
 * strictEqual(scope !== undefined && isInside(scope, "/home/x"), true);
 * strictEqual(scope !== undefined && isInside(scope, "/homes"), false);
 * ```
 */
export function isInside(scope: Scope, path: string): boolean {
  for (const prefix of scope.prefixes) {
    if (!isBelow(path, prefix)) return false;
  }
  return true;
}

function isBelow(path: string, prefix: string): boolean {
  if (prefix === "/") return true;
  return path.startsWith(prefix) &&
    (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f);
}

/**
 * Checks whether a text looks like a token. Verifies nothing.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isCapabilityShaped } from "./capability.ts";
 *
 * strictEqual(isCapabilityShaped("t2-token"), false);
 * ```
 */
export function isCapabilityShaped(text: string): boolean {
  return text.length <= MAX_CAPABILITY_CHARS && text.length > SIGNATURE_CHARS + 1 &&
    text.charCodeAt(text.length - SIGNATURE_CHARS - 1) === 0x2e;
}

interface ParsedToken {
  readonly text: string;
  readonly lines: readonly string[];
  readonly signature: Uint8Array;
}

function parseToken(token: string): ParsedToken | undefined {
  if (!isCapabilityShaped(token)) return undefined;
  const dot = token.length - SIGNATURE_CHARS - 1;
  const payload = decodeBase64url(token.slice(0, dot));
  const signature = decodeBase64url(token.slice(dot + 1));
  if (payload === undefined || signature === undefined) return undefined;
  const text = decodeUtf8(payload);
  if (text === undefined) return undefined;
  const lines = text.split("\n", MAX_CAPABILITY_LINES + 1);
  return lines.length > MAX_CAPABILITY_LINES ? undefined : { text, lines, signature };
}

function formatToken(text: string, signature: Uint8Array): string {
  const token = `${base64url(encoder.encode(text))}.${base64url(signature)}`;
  if (token.length > MAX_CAPABILITY_CHARS) {
    throw new Problem(
      "bad-query",
      `Cannot create the capability: it needs ${token.length} characters; at most ${MAX_CAPABILITY_CHARS} are allowed`,
    );
  }
  return token;
}

function formatLine({ prefix, exp, mode }: CapabilityLine): string {
  const line = `${prefix}|${exp}|${mode}`;
  if (parseLine(line) === undefined) {
    throw new Problem(
      "bad-query",
      `Cannot create the capability line ${JSON.stringify(line)}: it needs a canonical absolute ` +
        "prefix without |, whole seconds of Unix time, and the mode r or rw",
    );
  }
  return line;
}

/** Parses one line. Returns undefined for any spelling that is not canonical. */
function parseLine(line: string): CapabilityLine | undefined {
  const [prefix, time, mode, ...more] = line.split("|");
  if (prefix === undefined || time === undefined || more.length > 0) return undefined;
  if (mode !== "r" && mode !== "rw") return undefined;
  const exp = Number(time);
  if (!Number.isSafeInteger(exp) || exp <= 0 || String(exp) !== time) return undefined;
  return isCanonicalPath(prefix) ? { prefix, exp, mode } : undefined;
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Decodes base64url without padding (RFC 4648 §5). The decoder permits padding, white space and
 * unused bits that are not zero, so the result must encode to the same text.
 */
function decodeBase64url(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return base64url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined; // not base64url: the caller rejects the token
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // not UTF-8: the caller rejects the token
  }
}
