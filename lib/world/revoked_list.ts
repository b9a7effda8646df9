/**
 * The content of `/etc/revoked`: which capabilities are no longer accepted. Each line is the id of a
 * capability, `name:<name>`, or `prefix:<path> before:<RFC 3339>`. Empty lines and lines that begin
 * with `#` are comments. A list with a malformed line is refused as a whole: ignoring the line would
 * leave a capability valid that the operator meant to revoke. Pure.
 */

import { decodeText, splitLines } from "../base/decode_text.ts";
import { parseRfc3339 } from "../base/rfc3339.ts";
import { MAX_REVOKED_LINES, MAX_URL_BYTES } from "../limits.ts";

/** The parsed list. */
export interface RevokedList {
  /** Ids of capabilities. */
  readonly ids: ReadonlySet<string>;
  /** Names, each of which revokes every capability that has it. */
  readonly names: ReadonlySet<string>;
  /**
   * By canonical path: the time in Unix milliseconds before which capabilities for this path and below
   * were minted that are revoked.
   */
  readonly prefixes: ReadonlyMap<string, number>;
}

/** The list that revokes nothing. */
export const NOTHING_REVOKED: RevokedList = {
  ids: new Set(),
  names: new Set(),
  prefixes: new Map(),
};

/** Name of the world with the list. */
export const REVOKED_WORLD = "etc/revoked";

const ID = /^([1-9]\d{0,15})-[0-9a-f]{16}$/;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const PREFIX_LINE = /^prefix:(\/.*?)[ \t]+before:(\S+)$/u;
// deno-lint-ignore no-control-regex -- the expression finds control characters
const NOT_IN_PATH = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\|]/;
/** Prefixes are written decoded, and a second `before:` would become a part of the path. */
const NOT_DECODED = /%[0-9A-Fa-f]{2}|[ \t]before:/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;

/**
 * Checks whether a text has the form of a capability's id: the mint time in Unix milliseconds, a
 * hyphen, and 16 lower-case hexadecimal digits.
 */
export function isCapabilityId(text: string): boolean {
  const match = ID.exec(text);
  return match !== null && Number.isSafeInteger(Number(match[1]));
}

/** Returns the mint time of an id that {@link isCapabilityId} accepts, in Unix milliseconds. */
export function mintTimeOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

/** Checks whether a text can be the name of a capability's holder. */
export function isCapabilityName(text: string): boolean {
  return NAME.test(text) && text !== "." && text !== "..";
}

/**
 * Parses the list.
 *
 * @param body content of `/etc/revoked`: UTF-8, or UTF-16 with a byte order mark
 * @returns the list, or why it is refused, as the end of a sentence
 */
export function parseRevokedList(body: Uint8Array): RevokedList | { readonly fault: string } {
  const text = decodeText(body);
  if (text === undefined) {
    return { fault: "the content is not text in UTF-8, or in UTF-16 with a byte order mark" };
  }
  const ids = new Set<string>();
  const names = new Set<string>();
  const prefixes = new Map<string, number>();
  const lines = splitLines(text);
  if (lines.length > MAX_REVOKED_LINES) {
    return { fault: `it has ${lines.length} lines; at most ${MAX_REVOKED_LINES} are allowed` };
  }
  for (const [at, raw] of lines.entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (isCapabilityId(line)) {
      ids.add(line);
      continue;
    }
    if (line.startsWith("name:") && isCapabilityName(line.slice(5))) {
      names.add(line.slice(5));
      continue;
    }
    const rule = parsePrefixLine(line);
    if (rule === undefined) return { fault: describeLine(at + 1) };
    const { path, before } = rule;
    prefixes.set(path, Math.max(before, prefixes.get(path) ?? before));
  }
  return { ids, names, prefixes };
}

/** Returns why the content cannot be stored as `/etc/revoked`; undefined if it can. */
export function revokedListFault(body: Uint8Array): string | undefined {
  const parsed = parseRevokedList(body);
  return "fault" in parsed ? parsed.fault : undefined;
}

function parsePrefixLine(
  line: string,
): { readonly path: string; readonly before: number } | undefined {
  const [, written, time] = PREFIX_LINE.exec(line) ?? [];
  if (written === undefined || time === undefined) return undefined;
  const path = toCanonicalPrefix(written);
  const before = parseRfc3339(time);
  if (path === undefined || before === undefined) return undefined;
  return { path, before: Date.parse(before) };
}

/**
 * Returns a path as capabilities spell it; undefined if no world can be at or below it. A trailing slash
 * has no effect.
 */
export function toCanonicalPrefix(written: string): string | undefined {
  // No capability has such a path, and NFC of a long sequence of marks would take seconds.
  if (written.length > MAX_URL_BYTES) return undefined;
  const path = written.normalize("NFC");
  if (path === "/") return path;
  const whole = path.endsWith("/") ? path.slice(0, -1) : path;
  const isFaulty = whole.endsWith("/") || whole.includes("//") || NOT_IN_PATH.test(whole) ||
    NOT_DECODED.test(whole) || DOT_SEGMENT.test(whole) || !whole.isWellFormed();
  return isFaulty ? undefined : whole;
}

/** Does not quote the line: the text can get into the log, and the line may be a token. */
function describeLine(number: number): string {
  return `line ${number} is neither the id of a capability, nor name:<name>, nor ` +
    "prefix:<path> before:<time of RFC 3339>, with the path not percent-encoded";
}
