/**
 * Entity tags of worlds in WebDAV responses. PROPFIND returns hundreds of them, so a tag is made
 * from the version and the time in the catalog. A tag with a hash, as on plain paths, would require
 * to read every world of a directory. PROPFIND, GET and PUT below `/dav` use the same tags.
 */

import { parsePrecondition } from "../../http/conditional.ts";
import { isRedacted } from "../../auth/policy.ts";
import type { Caller } from "../../auth/caller.ts";
import { parseEntityTags, parseWorldTags } from "../../http/etag.ts";
import { Problem } from "../../http/problem.ts";
import type { ChangeResult, Precondition, VersionTag, WorldEntry } from "../../world/store.ts";

type VersionTime = Pick<WorldEntry, "version" | "updatedAt">;

/**
 * Number of hexadecimal digits for a time in milliseconds; twelve are enough until the year 10889.
 */
const TIME_DIGITS = 12;

/**
 * Returns the strong entity tag of a world's current version, such as `"3-018f3a2b4c5d.dav"`.
 *
 * @param isRedacted whether the response has redacted bytes, which need a tag of their own
 */
export function davEtag({ version, updatedAt }: VersionTime, isRedacted = false): string {
  const time = (Date.parse(updatedAt) || 0).toString(16).padStart(TIME_DIGITS, "0");
  return `"${version}-${time}.${isRedacted ? "dav-seen" : "dav"}"`;
}

/** Returns the entity tag of a world in responses to a caller. */
export function davEtagFor(caller: Caller, entry: VersionTime & { readonly name: string }): string {
  return davEtag(entry, isRedacted(caller, `/${entry.name}`));
}

/** Returns the entity tag of a version that was just written. */
export function writtenEtag(written: ChangeResult): string {
  return davEtag(written);
}

/**
 * Parses the conditional headers of a change (RFC 9110 §13.1) to a precondition, which the store
 * checks in the transaction of the change. Tags of this module are compared with `entry` now and
 * become the version number; tags of plain paths are accepted too.
 *
 * @param entry catalog entry of the current version; `undefined` if the world does not exist
 * @returns `undefined` if the request has no conditional header
 * @throws {Problem} `bad-header` if a header is not a list of entity tags
 */
export function parseDavPrecondition(
  headers: Headers,
  entry: VersionTime | undefined,
): Precondition | undefined {
  return parsePrecondition(
    headers,
    (name, header, comparison) => readTags(name, header, comparison, entry),
  );
}

function readTags(
  name: string,
  header: string,
  comparison: "strong" | "weak",
  entry: VersionTime | undefined,
): "*" | readonly VersionTag[] {
  const plain = parseWorldTags(header, comparison);
  const parsed = parseEntityTags(header);
  if (plain === "*" || parsed === "*") return "*";
  if ("fault" in plain || "fault" in parsed) {
    throw new Problem(
      "bad-header",
      `Cannot read ${name}: ${"fault" in plain ? plain.fault : ""}; send * or quoted tags`,
    );
  }
  if (entry === undefined) return plain;
  const own = [davEtag(entry), davEtag(entry, true)];
  const named = parsed.some(({ weak, opaque }) =>
    !(weak && comparison === "strong") && own.includes(`"${opaque}"`)
  );
  return named ? [...plain, { version: entry.version }] : plain;
}
