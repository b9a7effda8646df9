/**
 * Capability tokens. A capability allows its holder what its lines state, and the holder can derive
 * a narrower one without the server.
 *
 * - A token is `<base64url(lines)>.<base64url(signature)>`. A minted line is
 *   `prefix|exp|mode|name|id`; the name may be empty. A line that a holder adds is `prefix|exp|mode`
 *   or `prefix|exp|mode|name`. Earlier versions minted `prefix|exp|mode`, which stays valid. A
 *   first line with four fields was never minted and is rejected.
 * - The first line is signed (HMAC-SHA256) with the server's key; each further line is signed with
 *   the signature before it. Any holder can add a line; removing one needs the key.
 * - The prefix of each line is at or below the prefix of the line before. The earliest expiry and the
 *   narrowest mode of all lines count. A line can therefore never widen the lines before it.
 * - A holder adds a name under its own. If the minted line has no name, its id takes that place, so
 *   that the holders of two capabilities never have one name.
 * - Each token has one valid spelling. Any other text is rejected, and no text makes the check
 *   throw.
 *
 * The same key signs the event chain, whose HMACs readers can see. A capability line starts with
 * `/` and no text that the chain signs does, so an HMAC of an event is never a valid signature
 * here.
 */

import { hmacSha256, sha256Hex } from "../base/hash.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { isCanonicalPath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { MAX_CAPABILITY_CHARS, MAX_CAPABILITY_LINES } from "../limits.ts";
import { isCapabilityId, isCapabilityName } from "../world/revoked_list.ts";
import type { CapabilityMode, Scope } from "./caller.ts";

/** One line of a capability: what it allows, or how it narrows the lines before it. */
export interface CapabilityLine {
  /** Canonical absolute path without a trailing slash; `/` is the whole tree. */
  readonly prefix: string;
  readonly mode: CapabilityMode;
  /** Unix time in seconds at which the line expires. */
  readonly exp: number;
  /** Name of the holder: `[A-Za-z0-9._-]{1,64}`, not `.` or `..`; absent without a name. */
  readonly name?: string;
}

/** The first line of a capability. */
export interface MintedLine extends CapabilityLine {
  /**
   * Id from {@link createCapabilityId}. Without it the line has the form of earlier versions, which
   * has no name either.
   */
  readonly id?: string;
}

const SIGNATURE_CHARS = 43;
/** Random bytes of an id. */
const ID_BYTES = 8;
/** Hexadecimal digits of the hash that identifies a capability without an id. */
const HASH_DIGITS = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Checks whether a text is a mode.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isCapabilityMode } from "./capability.ts";
 *
 * strictEqual(isCapabilityMode("rwd"), true);
 * strictEqual(isCapabilityMode("d"), false);
 * ```
 */
export function isCapabilityMode(text: string): text is CapabilityMode {
  return text === "r" || text === "rw" || text === "rwd";
}

/**
 * Creates the id of a new capability: its mint time and randomness, so that two capabilities of one
 * moment differ.
 *
 * @param now mint time in Unix milliseconds
 * @param random at least 8 random bytes
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { createCapabilityId } from "./capability.ts";
 *
 * const random = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255);
 * strictEqual(createCapabilityId(1764293412345, random), "1764293412345-01020304050607ff");
 * ```
 */
export function createCapabilityId(now: number, random: Uint8Array): string {
  if (random.length < ID_BYTES) throw new TypeError(`An id needs ${ID_BYTES} random bytes`);
  return `${Math.floor(now)}-${random.subarray(0, ID_BYTES).toHex()}`;
}

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
export function mint(grant: MintedLine & { readonly key: string }): string {
  if (grant.key === "") throw new TypeError("Cannot mint a capability: the signing key is empty");
  const line = formatLine(grant, true);
  return formatToken(line, hmacSha256(grant.key, line));
}

/**
 * Derives a narrower capability. Needs no key and no server.
 *
 * @param token a token from `mint` or `narrow`; its signature is not checked
 * @param grant the line to add; it cannot allow more than the lines before it
 * @returns the new token
 * @throws {Problem} `bad-query` if the token is malformed, a field is not canonical, the prefix is not
 * inside the prefix of the last line, or the result would be longer than
 * {@link MAX_CAPABILITY_CHARS} or have more than {@link MAX_CAPABILITY_LINES} lines
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
  const [outer = ""] = parts.lines.at(-1)?.split("|", 1) ?? [];
  if (!isBelow(grant.prefix, outer)) {
    throw new Problem(
      "bad-query",
      `Cannot narrow the capability: ${grant.prefix} is not inside its prefix ${outer}`,
    );
  }
  const line = formatLine(grant, false);
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
  if (typeof expected === "string") return undefined;
  if (!nodeCrypto().timingSafeEqual(expected, parts.signature)) return undefined;
  const prefixes: string[] = [];
  const names: string[] = [];
  const root = parts.lines[0] ?? "";
  let exp = Number.MAX_SAFE_INTEGER;
  let mode: CapabilityMode = "rwd";
  let outer = "/";
  let id: string | undefined;
  for (const [at, line] of parts.lines.entries()) {
    const grant = parseLine(line, at === 0);
    if (grant === undefined || !isBelow(grant.prefix, outer)) return undefined;
    prefixes.push(outer = grant.prefix);
    if (grant.exp < exp) exp = grant.exp;
    // Each mode is the beginning of the wider ones.
    if (grant.mode.length < mode.length) mode = grant.mode;
    if (at === 0) id = grant.id;
    if (grant.name === undefined) continue;
    // Without a name of the minted line, two holders of different capabilities could take one name.
    if (at > 0 && names.length === 0) names.push(`~${id ?? hashOf(root)}`);
    names.push(grant.name);
  }
  if (exp <= nowSeconds) return undefined;
  return {
    prefixes,
    mode,
    exp,
    root,
    ...(id === undefined ? {} : { id }),
    ...(names.length === 0 ? {} : { names }),
  };
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

function formatLine({ prefix, exp, mode, name, id }: MintedLine, isFirst: boolean): string {
  const fields = [prefix, exp, mode];
  if (id !== undefined) fields.push(name ?? "", id);
  else if (name !== undefined) fields.push(name);
  const line = fields.join("|");
  if (parseLine(line, isFirst) === undefined) {
    throw new Problem(
      "bad-query",
      `Cannot create the capability line ${JSON.stringify(line)}: it needs a canonical absolute ` +
        `prefix without |, whole seconds of Unix time, the mode r, rw or rwd, and a name of ` +
        "1 to 64 letters, digits, dots, underscores and hyphens",
    );
  }
  return line;
}

/**
 * Parses one line. Returns undefined for any spelling that is not canonical.
 *
 * @param isFirst whether it is the minted line, which has five fields, or three in an old token
 */
function parseLine(line: string, isFirst: boolean): MintedLine | undefined {
  const fields = line.split("|");
  const { length } = fields;
  const isKnown = length === 3 || length === (isFirst ? 5 : 4);
  const [prefix, time, mode, name = "", id] = fields;
  if (!isKnown || prefix === undefined || time === undefined || mode === undefined) {
    return undefined;
  }
  if (!isCapabilityMode(mode)) return undefined;
  const exp = Number(time);
  if (!Number.isSafeInteger(exp) || exp <= 0 || String(exp) !== time) return undefined;
  if (id !== undefined && !isCapabilityId(id)) return undefined;
  // Only a minted line can have an empty name.
  if (name === "" ? length === 4 : !isCapabilityName(name)) return undefined;
  if (!isCanonicalPath(prefix)) return undefined;
  return {
    prefix,
    exp,
    mode,
    ...(name === "" ? {} : { name }),
    ...(id === undefined ? {} : { id }),
  };
}

/** Identifies a capability without an id: equal tokens of earlier versions are one capability. */
function hashOf(root: string): string {
  return sha256Hex(root).slice(0, HASH_DIGITS);
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
