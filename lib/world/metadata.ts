/**
 * `X-Meta-*` pairs: taken from a request, written to a world's file and read back. Only what passes
 * here is ever stored or replayed as response headers, and it is checked both ways, because the file
 * may have been edited by hand: no value may end its header or be any other header.
 */

import { MAX_META_TOTAL_BYTES, MAX_META_VALUE_BYTES } from "../limits.ts";
import type { Meta } from "./store.ts";

/** What {@link parseMetaHeaders} found: the pairs, or the sentence that says which header does not fit. */
export type MetaResult = { readonly meta: Meta } | { readonly fault: string };

const NO_META: Meta = Object.freeze([]);
const NONE: MetaResult = Object.freeze({ meta: NO_META });

const PREFIX = "x-meta-";
// token = 1*tchar (RFC 9110 §5.6.2), lower-cased, behind the prefix.
const NAME = /^x-meta-[a-z0-9!#$%&'*+.^_`|~-]+$/;
// field-value of visible ASCII, spaces inside only (RFC 9110 §5.5); it may be empty.
const VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;

/**
 * Takes the `X-Meta-*` pairs from a request's headers; every other header is passed over. The order
 * in which they were sent cannot be known: the runtime hands headers over sorted by name, lower-cased
 * and with repeated ones joined by a comma. Pairs are therefore stored sorted by name.
 *
 * @param headers name and value, each name once, as `Headers` iterates them
 * @returns a fault that names the header, what was found and what would fit; nothing is ever dropped
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
        fault: `${name} brings the X-Meta headers to more than ${MAX_META_TOTAL_BYTES} bytes, ` +
          "names and values together",
      };
    }
    (pairs ??= []).push([name, value]);
  }
  if (pairs === undefined) return NONE;
  return { meta: pairs.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0) };
}

/**
 * What may be replayed of pairs that come from a file. Pairs that do not fit, repeat a name or pass
 * the total are left out: the file is not a caller who could be told.
 *
 * @param stored parsed JSON, of any shape
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

/** The pairs as the world's file keeps them: `[["x-meta-author","codex"]]`. */
export function stringifyMeta(meta: Meta): string {
  return JSON.stringify(meta);
}

/** Reads what {@link stringifyMeta} wrote; no pairs when it is no JSON. */
export function parseMeta(text: string | null): Meta {
  if (text === null || text === "" || text === "[]") return NO_META;
  try {
    return filterMeta(JSON.parse(text));
  } catch {
    // A hand-edited column must not keep the world's bytes from being read.
    return NO_META;
  }
}

function pairFault(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return "is no name; X-Meta- and a token such as Author would be";
  if (value.length > MAX_META_VALUE_BYTES) {
    return `has a value of ${value.length} bytes and ${MAX_META_VALUE_BYTES} is the most`;
  }
  if (!VALUE.test(value)) {
    return "holds something else than visible ASCII and spaces between; " +
      "percent-encode the rest or put it in the body";
  }
  return undefined;
}

/** A name from a stranger, fit for a sentence. */
function printable(name: string): string {
  return name.slice(0, 100).replace(/[^\x21-\x7e]/g, "?");
}
