/**
 * Entity tags (RFC 9110 §8.8.3): how a world's version is written as one, and how the lists in
 * If-Match and If-None-Match are read back. Tags are made of the version and the body's hash, so
 * they name a state of the world and not a moment; nothing here knows what is current.
 */

import { MAX_ENTITY_TAGS, MAX_ENTITY_TAGS_CHARS } from "../limits.ts";
import type { VersionTag } from "../world/store.ts";

/** One entity tag of a list, without its quotes. */
export interface EntityTag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** Why a header does not fit its grammar, as the middle of a sentence. */
export interface TagFault {
  readonly fault: string;
}

/** Hex digits of the body's hash that a tag carries: 64 bits, enough to tell versions apart. */
const HASH_DIGITS = 16;

// opaque-tag = DQUOTE *etagc DQUOTE; etagc = %x21 / %x23-7E / obs-text. White space is taken in two
// places that never touch, so a run of it cannot be split in more than one way.
const LIST_ITEM = /(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)[ \t]*/y;
const SHORT_FORM = /^\d{1,15}$/;
const WORLD_TAG = /^(0|[1-9]\d{0,14})(?:-([0-9a-f]{16})\.[a-z0-9-]+)?$/;

/**
 * The strong entity tag of one representation of one version, `"3-2c26b46b68ffc68f.json"`.
 *
 * @param version the world's version
 * @param sha256 lower-case hex SHA-256 of its body
 * @param rep which representation: `raw`, `json`, `text`, `html`, `list`…; lower-case letters,
 * digits and hyphens
 */
export function formatEtag(version: number, sha256: string, rep: string): string {
  return `"${version}-${sha256.slice(0, HASH_DIGITS)}.${rep}"`;
}

/**
 * Reads the value of If-Match or If-None-Match: `*`, or a list of entity tags whose opaque part may
 * hold commas. Empty list elements are skipped (RFC 9110 §5.6.1.2).
 *
 * @returns a fault for anything else, and past {@link MAX_ENTITY_TAGS} tags or
 * {@link MAX_ENTITY_TAGS_CHARS} characters
 */
export function parseEntityTags(header: string): "*" | readonly EntityTag[] | TagFault {
  if (header.length > MAX_ENTITY_TAGS_CHARS) {
    return {
      fault: `it is ${header.length} characters long and ${MAX_ENTITY_TAGS_CHARS} is the most`,
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
 * The versions that If-Match or If-None-Match names. The tag of any representation names its
 * version, and the short form `"3"` names version 3 alone. Tags that are not ours name nothing and
 * are left out, so a list of strangers' tags is an empty list: it matches no version.
 *
 * @param comparison `strong` leaves weak tags out, as If-Match must; `weak` takes them (RFC 9110
 * §8.8.3.2)
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
 * Whether a tag a client sent names this very representation: its own tag, or the short form of its
 * version. The caller decides whether weakness counts.
 *
 * @param opaque the client's tag without quotes
 * @param current the representation's entity tag, quoted, as {@link formatEtag} makes it
 */
export function isTagOf(opaque: string, current: string): boolean {
  if (opaque.length === current.length - 2) return current.slice(1, -1) === opaque;
  return SHORT_FORM.test(opaque) && current.startsWith(`"${opaque}-`);
}
