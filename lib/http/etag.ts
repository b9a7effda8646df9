/**
 * Entity tags (RFC 9110 §8.8.3): formats the version of a world as a tag and parses the lists in
 * If-Match and If-None-Match. A tag consists of the version and the hash of the body, so it
 * identifies a state and not a time. This module does not know which version is current.
 */

import type { ContentCoding } from "./content_coding.ts";
import { MAX_ENTITY_TAGS, MAX_ENTITY_TAGS_CHARS } from "../limits.ts";
import type { VersionTag } from "../world/store.ts";

/** One entity tag of a list, without its quotes. */
export interface EntityTag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** Why a header does not match its grammar, as a clause for the middle of a sentence. */
export interface TagFault {
  readonly fault: string;
}

/** Hex digits of the body's hash in a tag: 64 bits, enough to distinguish versions. */
const HASH_DIGITS = 16;

// opaque-tag = DQUOTE *etagc DQUOTE; etagc = %x21 / %x23-7E / obs-text. White space matches in two
// places that never touch, so the pattern cannot backtrack over it.
const LIST_ITEM = /(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)[ \t]*/y;
/** What {@link toCodedTag} appends, with or without the closing quote. */
const CODING = /-(?:br|gzip)(?="?$)/;
const SHORT_FORM = /^\d{1,15}$/;
const WORLD_TAG = /^(0|[1-9]\d{0,14})(?:-([0-9a-f]{16})\.[a-z0-9-]+)?$/;

/**
 * Formats the strong entity tag of one representation of one version: `"3-2c26b46b68ffc68f.json"`.
 *
 * @param version version of the world, at least 0
 * @param sha256 SHA-256 of the body in lower-case hex
 * @param rep name of the representation: `raw`, `json`, `text`, `html`, `list`, …; lower-case
 * letters, digits and hyphens
 * @returns the tag with its quotes
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { formatEtag } from "./etag.ts";
 *
 * const sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
 * strictEqual(formatEtag(3, sha256, "json"), '"3-2c26b46b68ffc68f.json"');
 * ```
 */
export function formatEtag(version: number, sha256: string, rep: string): string {
  return `"${version}-${sha256.slice(0, HASH_DIGITS)}.${rep}"`;
}

/**
 * The entity tag of an encoded representation. It is a strong tag of its own, because its bytes are
 * other bytes (RFC 9110 §8.8.3.3).
 *
 * @param etag entity tag of the representation without a coding, quoted
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { toCodedTag } from "./etag.ts";
 *
 * strictEqual(toCodedTag('"3-2c26b46b68ffc68f.raw"', "br"), '"3-2c26b46b68ffc68f.raw-br"');
 * ```
 */
export function toCodedTag(etag: string, coding: ContentCoding): string {
  return `${etag.slice(0, -1)}-${coding}"`;
}

/**
 * The entity tag of the representation that an encoded one was created from. Other tags are returned
 * as they are.
 *
 * @param etag an entity tag, quoted
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { toUncodedTag } from "./etag.ts";
 *
 * strictEqual(toUncodedTag('"3-2c26b46b68ffc68f.raw-br"'), '"3-2c26b46b68ffc68f.raw"');
 * strictEqual(toUncodedTag('"3"'), '"3"');
 * ```
 */
export function toUncodedTag(etag: string): string {
  return etag.replace(CODING, "");
}

/**
 * Parses the value of If-Match or If-None-Match. The opaque part of a tag may contain commas. Empty
 * list elements are skipped (RFC 9110 §5.6.1.2).
 *
 * @param header the header value
 * @returns `*`, the tags in order, or a fault if the value is malformed, has more than
 * {@link MAX_ENTITY_TAGS} tags or more than {@link MAX_ENTITY_TAGS_CHARS} characters
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { parseEntityTags } from "./etag.ts";
 *
 * deepStrictEqual(parseEntityTags('"a", W/"b"'), [
 *   { opaque: "a", weak: false },
 *   { opaque: "b", weak: true },
 * ]);
 * strictEqual(parseEntityTags("*"), "*");
 * ```
 */
export function parseEntityTags(header: string): "*" | readonly EntityTag[] | TagFault {
  if (header.length > MAX_ENTITY_TAGS_CHARS) {
    return {
      fault: `it has ${header.length} characters; at most ${MAX_ENTITY_TAGS_CHARS} are allowed`,
    };
  }
  const text = header.trim();
  if (text === "*") return "*";
  const tags: EntityTag[] = [];
  LIST_ITEM.lastIndex = 0;
  while (LIST_ITEM.lastIndex < text.length) {
    const item = LIST_ITEM.exec(text);
    if (item === null) return { fault: 'it is neither * nor a list of tags such as "3"' };
    if (item[2] === undefined) continue;
    if (tags.length === MAX_ENTITY_TAGS) {
      return { fault: `it lists more than ${MAX_ENTITY_TAGS} entity tags` };
    }
    tags.push({ weak: item[1] !== undefined, opaque: item[2] });
  }
  return tags;
}

/**
 * Parses the versions that If-Match or If-None-Match names. A tag of any representation names its
 * version; the short form `"3"` names version 3. Tags in another format name no version and are
 * skipped, so a list of only such tags is empty and matches nothing.
 *
 * @param header the header value
 * @param comparison `strong` skips weak tags, as If-Match requires; `weak` includes them (RFC 9110
 * §8.8.3.2)
 * @returns `*`, the versions in order, or a fault
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseWorldTags } from "./etag.ts";
 *
 * const header = 'W/"3-2c26b46b68ffc68f.raw", "other"';
 * deepStrictEqual(parseWorldTags(header, "strong"), []);
 * deepStrictEqual(parseWorldTags("*", "strong"), "*");
 * ```
 */
export function parseWorldTags(
  header: string,
  comparison: "strong" | "weak",
): "*" | readonly VersionTag[] | TagFault {
  const parsed = parseEntityTags(header);
  if (parsed === "*" || "fault" in parsed) return parsed;
  const tags: VersionTag[] = [];
  for (const { weak, opaque } of parsed) {
    if (weak && comparison === "strong") continue;
    const found = WORLD_TAG.exec(opaque);
    if (found === null) continue;
    const version = Number(found[1]);
    tags.push(found[2] === undefined ? { version } : { version, sha256: found[2] });
  }
  return tags;
}

/**
 * Checks whether a tag from a client identifies this representation: by its own tag, by that of its
 * form with a content coding, or by the short form of its version. The caller decides whether a weak tag counts.
 *
 * @param opaque the client's tag without quotes
 * @param current entity tag of the representation, as {@link formatEtag} returns it
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isTagOf } from "./etag.ts";
 *
 * strictEqual(isTagOf("3-2c26b46b68ffc68f.raw", '"3-2c26b46b68ffc68f.raw"'), true);
 * strictEqual(isTagOf("3", '"3-2c26b46b68ffc68f.raw"'), true);
 * strictEqual(isTagOf("4", '"3-2c26b46b68ffc68f.raw"'), false);
 * ```
 */
export function isTagOf(opaque: string, current: string): boolean {
  if (opaque.length === current.length - 2) return current.slice(1, -1) === opaque;
  if (CODING.test(opaque)) return opaque.replace(CODING, "") === current.slice(1, -1);
  return SHORT_FORM.test(opaque) && current.startsWith(`"${opaque}-`);
}
