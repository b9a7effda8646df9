/**
 * Entity tags of worlds as WebDAV shows them. PROPFIND gives hundreds at once, so a tag is made of
 * what a listing knows, version and time, and names the same state that GET and PUT name; opening
 * every world for a hash would make a directory cost as much as its contents.
 */

import { isRedacted } from "../../auth/policy.ts";
import type { Caller } from "../../auth/caller.ts";
import { parseEntityTags, parseWorldTags } from "../../http/etag.ts";
import { Problem } from "../../http/problem.ts";
import { parseHttpDate } from "../../http/http_date.ts";
import type { ChangeResult, Precondition, VersionTag, WorldEntry } from "../../world/store.ts";

type Dated = Pick<WorldEntry, "version" | "updatedAt">;

/** Milliseconds as twelve hex digits reach to the year 10889. */
const TIME_DIGITS = 12;

/**
 * The strong entity tag of a world's current version, `"3-018f3a2b4c5d.dav"`.
 *
 * @param seen whether its reader gets the bytes with secrets struck out, which are other bytes
 */
export function davEtag({ version, updatedAt }: Dated, seen = false): string {
  const time = (Date.parse(updatedAt) || 0).toString(16).padStart(TIME_DIGITS, "0");
  return `"${version}-${time}.${seen ? "dav-seen" : "dav"}"`;
}

/** The tag of a world for a caller. */
export function davEtagFor(caller: Caller, entry: Dated & { readonly name: string }): string {
  return davEtag(entry, isRedacted(caller, `/${entry.name}`));
}

/** The tag of a version that was just written. */
export function writtenEtag(written: ChangeResult): string {
  return davEtag(written);
}

/**
 * What a change demands of the current version, for the store to check in its transaction. Tags made
 * here are compared with the entry now and then named by version; tags of the plain paths count too.
 *
 * @param entry what is there now
 * @throws {Problem} `bad-header`
 */
export function parseDavPrecondition(
  headers: Headers,
  entry: Dated | undefined,
): Precondition | undefined {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  // RFC 9110 §13.1.4: If-Unmodified-Since is ignored beside If-Match.
  const date = ifMatch === null ? headers.get("if-unmodified-since") : null;
  const since = date === null ? undefined : parseHttpDate(date);
  if (ifMatch === null && ifNoneMatch === null && since === undefined) return undefined;
  return {
    ...(ifMatch !== null && { match: tags("If-Match", ifMatch, "strong", entry) }),
    ...(ifNoneMatch !== null && { noneMatch: tags("If-None-Match", ifNoneMatch, "weak", entry) }),
    ...(since !== undefined && { unmodifiedSince: since + 999 }),
  };
}

function tags(
  name: string,
  header: string,
  comparison: "strong" | "weak",
  entry: Dated | undefined,
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
