/**
 * `X-Meta-*` pairs: parsed from a request, written to a world's file and read back. Pairs are
 * validated before they are stored and again before they are sent as response headers, because the
 * file may have been edited outside the server. A value must never end its header line, and a name
 * must never be another header (RFC 9110 §5).
 */

import { MAX_META_TOTAL_BYTES, MAX_META_VALUE_BYTES } from "../limits.ts";
import type { Meta } from "./store.ts";

/** Result of {@link parseMetaHeaders}: the pairs, or which header is not valid and why. */
export type MetaResult = { readonly meta: Meta } | { readonly fault: string };

const NO_META: Meta = Object.freeze([]);
const NONE: MetaResult = Object.freeze({ meta: NO_META });

const PREFIX = "x-meta-";
// token = 1*tchar (RFC 9110 §5.6.2), in lower case, after the prefix.
const NAME = /^x-meta-[a-z0-9!#$%&'*+.^_`|~-]+$/;
// field-value of visible ASCII, spaces only between characters (RFC 9110 §5.5); may be empty.
const VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;

/**
 * Parses the `X-Meta-*` pairs of a request and ignores all other headers. The order in which they
 * were sent is not available: Deno returns headers sorted by name, in lower case, with repeated
 * headers joined by a comma. Pairs are therefore stored sorted by name.
 *
 * @param headers name and value, each name once, as `Headers` iterates them
 * @returns the pairs, or a fault if one of them is not valid; no pair is dropped
 */
export function parseMetaHeaders(headers: Iterable<readonly [string, string]>): MetaResult {
  let pairs: [string, string][] | undefined;
  let total = 0;
  for (const [sent, value] of headers) {
    if (sent.length < PREFIX.length) continue;
    const name = sent.toLowerCase();
    if (!name.startsWith(PREFIX)) continue;
    const fault = pairFault(name, value);
    if (fault !== undefined) return { fault: `${printable(name)} ${fault}` };
    total += name.length + value.length;
    if (total > MAX_META_TOTAL_BYTES) {
      return {
        fault: `${name} makes the names and values of the X-Meta headers longer than ` +
          `${MAX_META_TOTAL_BYTES} bytes`,
      };
    }
    (pairs ??= []).push([name, value]);
  }
  if (pairs === undefined) return NONE;
  return { meta: sortPairs(pairs) };
}

function sortPairs(pairs: (readonly [string, string])[]): Meta {
  return pairs.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}

/**
 * Returns the valid pairs of stored metadata. Pairs that are not valid, repeat a name or exceed the
 * total length are left out, because a read has no caller who could correct the file.
 *
 * @param stored parsed JSON of any shape
 */
export function filterMeta(stored: unknown): Meta {
  if (!Array.isArray(stored) || stored.length === 0) return NO_META;
  const kept = new Map<string, string>();
  let total = 0;
  const pairs: readonly unknown[] = stored;
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) continue;
    const [name, value]: readonly unknown[] = pair;
    if (typeof name !== "string" || typeof value !== "string") continue;
    if (kept.has(name) || pairFault(name, value) !== undefined) continue;
    if (total + name.length + value.length > MAX_META_TOTAL_BYTES) continue;
    total += name.length + value.length;
    kept.set(name, value);
  }
  return [...kept];
}

/**
 * Merges pairs that were sent into those of a world: a pair replaces that of the same name, and an empty
 * value removes it.
 *
 * @returns undefined if the result is longer than `MAX_META_TOTAL_BYTES`
 */
export function mergeMeta(before: Meta, sent: Meta): Meta | undefined {
  if (sent.length === 0) return before;
  const merged = new Map(before);
  for (const [name, value] of sent) {
    if (value === "") merged.delete(name);
    else merged.set(name, value);
  }
  const pairs = sortPairs([...merged]);
  const total = pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return total > MAX_META_TOTAL_BYTES ? undefined : pairs;
}

/** Formats pairs as stored in a world's file: `[["x-meta-author","codex"]]`. */
export function stringifyMeta(meta: Meta): string {
  return JSON.stringify(meta);
}

/** Parses what {@link stringifyMeta} wrote; returns no pairs if the text is not JSON. */
export function parseMeta(text: string | null): Meta {
  if (text === null || text === "" || text === "[]") return NO_META;
  try {
    return filterMeta(JSON.parse(text));
  } catch {
    // A column that was edited outside the server must not prevent a read of the world's bytes.
    return NO_META;
  }
}

function pairFault(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return "is not a valid name; send X-Meta- and a token such as Author";
  if (value.length > MAX_META_VALUE_BYTES) {
    return `has a value of ${value.length} bytes; at most ${MAX_META_VALUE_BYTES} are allowed`;
  }
  if (!VALUE.test(value)) {
    return "has a value with other characters than visible ASCII and inner spaces; " +
      "percent-encode them or put them in the body";
  }
  return undefined;
}

/** Shortens a name that a client sent and replaces characters that are not visible ASCII. */
function printable(name: string): string {
  return name.slice(0, 100).replace(/[^\x21-\x7e]/g, "?");
}
