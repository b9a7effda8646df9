/**
 * Entity tags in If-Match and If-None-Match (RFC 9110 §8.8.3). The grammar and the limits are those
 * of `lib/http/etag.ts`; one table of cases tests both.
 */

/** Longest list of entity tags: tags, and characters. */
const MAX_TAGS = 64;
const MAX_TAGS_LENGTH = 8192;

/** One element of the list: a tag, or nothing between two commas. */
const TAG_LIST_ITEM = /(?:((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)[ \t]*/y;

/**
 * Parses the value of If-Match or If-None-Match.
 *
 * @returns `*`, or the tags as they were sent, quotes and `W/` included; undefined if the value is
 * neither, or longer than 64 tags or 8192 characters
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { parseEntityTags } from "./entity_tag.ts";
 *
 * deepStrictEqual(parseEntityTags('"a,b", W/"c"'), ['"a,b"', 'W/"c"']);
 * strictEqual(parseEntityTags("*"), "*");
 * strictEqual(parseEntityTags("abc"), undefined);
 * ```
 */
export function parseEntityTags(header: string): "*" | readonly string[] | undefined {
  if (header.length > MAX_TAGS_LENGTH) return undefined;
  const text = header.trim();
  if (text === "*") return "*";
  const tags: string[] = [];
  TAG_LIST_ITEM.lastIndex = 0;
  while (TAG_LIST_ITEM.lastIndex < text.length) {
    const item = TAG_LIST_ITEM.exec(text);
    if (item === null || tags.length > MAX_TAGS) return undefined;
    if (item[1] !== undefined) tags.push(item[1]);
  }
  return tags.length > MAX_TAGS ? undefined : tags;
}

/**
 * Tests whether a list of entity tags names a representation.
 *
 * @param tags as {@link parseEntityTags} returns it; undefined names nothing
 * @param current entity tag of the representation with its quotes; undefined if it has none
 * @param comparison RFC 9110 §8.8.3.2: `strong` for If-Match, `weak` for If-None-Match
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { includesTag } from "./entity_tag.ts";
 *
 * strictEqual(includesTag(['W/"a"'], '"a"', "weak"), true);
 * strictEqual(includesTag(['W/"a"'], '"a"', "strong"), false);
 * ```
 */
export function includesTag(
  tags: "*" | readonly string[] | undefined,
  current: string | undefined,
  comparison: "strong" | "weak",
): boolean {
  if (tags === undefined || current === undefined) return false;
  if (tags === "*") return true;
  if (comparison === "strong") return !current.startsWith("W/") && tags.includes(current);
  const opaque = current.replace(/^W\//, "");
  return tags.some((tag) => tag.replace(/^W\//, "") === opaque);
}
