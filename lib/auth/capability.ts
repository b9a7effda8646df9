/**
 * Capability tokens: who holds one may do what its lines say, and may narrow it without asking the
 * server. A token is `<base64url(lines)>.<base64url(sig)>`; a line is `prefix|exp|mode`; the first is
 * signed with the machine's key and every further one with the signature before it, so lines can be
 * added by anyone and taken away by nobody. This room must never throw at a stranger's token, never
 * accept a second spelling of a token, and never let a line widen what the lines before it allow.
 *
 * The key also signs the event chain, whose HMACs readers may see. A line begins with `/`, and no
 * text the chain signs does, so an event's HMAC is never a capability's signature.
 */

import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { hmac } from "../base/hash.ts";
import { isCanonical } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { MAX_CAPABILITY_LENGTH, MAX_CAPABILITY_LINES } from "../limits.ts";
import type { Scope } from "./caller.ts";

/** What one line of a capability grants, or what it narrows the lines before it to. */
export interface Grant {
  /** Canonical absolute path without a trailing slash; `/` is the whole tree. */
  readonly prefix: string;
  readonly mode: "r" | "rw";
  /** Unix time in seconds at which the line ends. */
  readonly exp: number;
}

const SIGNATURE_CHARS = 43;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Makes a new capability.
 *
 * @param grant the machine's signing key and the first line
 * @throws {Problem} `bad-query` when a field has no canonical spelling or the token would be longer
 * than {@link MAX_CAPABILITY_LENGTH}
 * @throws {TypeError} when the key is empty, which would let anyone sign
 */
export function mint(grant: Grant & { readonly key: string }): string {
  if (grant.key === "") throw new TypeError("Cannot mint a capability: the signing key is empty");
  const line = lineOf(grant);
  return join(line, hmac(grant.key, line));
}

/**
 * Makes a lesser capability from one at hand. Needs no key, so it may run anywhere.
 *
 * @param token a token as `mint` or `narrow` made it; its signature is not checked here
 * @param grant the line to add; it binds only as far as the lines before it reach
 * @throws {Problem} `bad-query` when the token is not one, a field has no canonical spelling, or the
 * result would be longer than {@link MAX_CAPABILITY_LENGTH} or have more lines than
 * {@link MAX_CAPABILITY_LINES}
 */
export function narrow(token: string, grant: Grant): string {
  const parts = split(token);
  if (parts === undefined) {
    throw new Problem("bad-query", "Cannot narrow the capability: it is malformed, send one whole");
  }
  if (parts.lines.length >= MAX_CAPABILITY_LINES) {
    throw new Problem(
      "bad-query",
      `Cannot narrow the capability: it has ${parts.lines.length} lines and ${MAX_CAPABILITY_LINES} is the most`,
    );
  }
  const line = lineOf(grant);
  return join(`${parts.text}\n${line}`, hmac(parts.signature, line));
}

/**
 * Reads a token and checks every line of it.
 *
 * @param key the machine's signing key; an empty one verifies nothing
 * @param token what a stranger sent
 * @param nowSeconds Unix time in seconds
 * @returns what all lines together allow, or `undefined` for whatever is not a capability of this
 * machine that holds now
 */
export function verify(key: string, token: string, nowSeconds: number): Scope | undefined {
  const parts = split(token);
  if (parts === undefined || key === "") return undefined;
  let expected: Uint8Array | string = key;
  for (const line of parts.lines) expected = hmac(expected, line);
  if (typeof expected === "string" || !timingSafeEqual(expected, parts.signature)) return undefined;
  const prefixes: string[] = [];
  let exp = Number.MAX_SAFE_INTEGER;
  let mode: Grant["mode"] = "rw";
  for (const line of parts.lines) {
    const grant = grantOf(line);
    if (grant === undefined) return undefined;
    prefixes.push(grant.prefix);
    if (grant.exp < exp) exp = grant.exp;
    if (grant.mode === "r") mode = "r";
  }
  return exp > nowSeconds ? { prefixes, mode, exp } : undefined;
}

/**
 * Whether a path lies at or below every prefix of a scope, on segment boundaries.
 *
 * @param path canonical and absolute, as `parseTarget` gives it
 */
export function within(scope: Scope, path: string): boolean {
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

/** Whether a text has the outer shape of a token; says nothing of its truth. */
export function looksLikeCapability(text: string): boolean {
  return text.length <= MAX_CAPABILITY_LENGTH && text.length > SIGNATURE_CHARS + 1 &&
    text.charCodeAt(text.length - SIGNATURE_CHARS - 1) === 0x2e;
}

interface Parts {
  readonly text: string;
  readonly lines: readonly string[];
  readonly signature: Uint8Array;
}

function split(token: string): Parts | undefined {
  if (!looksLikeCapability(token)) return undefined;
  const dot = token.length - SIGNATURE_CHARS - 1;
  const payload = bytesOf(token.slice(0, dot));
  const signature = bytesOf(token.slice(dot + 1));
  if (payload === undefined || signature === undefined) return undefined;
  const text = textOf(payload);
  if (text === undefined) return undefined;
  const lines = text.split("\n", MAX_CAPABILITY_LINES + 1);
  return lines.length > MAX_CAPABILITY_LINES ? undefined : { text, lines, signature };
}

function join(text: string, signature: Uint8Array): string {
  const token = `${base64url(Buffer.from(text))}.${base64url(signature)}`;
  if (token.length > MAX_CAPABILITY_LENGTH) {
    throw new Problem(
      "bad-query",
      `Cannot make the capability: it needs ${token.length} characters and ${MAX_CAPABILITY_LENGTH} is the most`,
    );
  }
  return token;
}

function lineOf({ prefix, exp, mode }: Grant): string {
  const line = `${prefix}|${exp}|${mode}`;
  if (grantOf(line) === undefined) {
    throw new Problem(
      "bad-query",
      `Cannot make the capability line ${JSON.stringify(line)}: it needs a canonical absolute ` +
        "prefix without |, whole seconds of Unix time, and the mode r or rw",
    );
  }
  return line;
}

/** Reads one line, or says `undefined` for every spelling but the canonical one. */
function grantOf(line: string): Grant | undefined {
  const [prefix, time, mode, ...more] = line.split("|");
  if (prefix === undefined || time === undefined || more.length > 0) return undefined;
  if (mode !== "r" && mode !== "rw") return undefined;
  const exp = Number(time);
  if (!Number.isSafeInteger(exp) || exp <= 0 || String(exp) !== time) return undefined;
  return isCanonical(prefix) ? { prefix, exp, mode } : undefined;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** Buffer's decoder skips what is no base64url, so only what encodes back to itself counts. */
function bytesOf(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // bytes that are not UTF-8: the caller refuses the token
  }
}
