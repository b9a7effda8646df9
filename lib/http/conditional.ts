/**
 * Conditional requests (RFC 9110 §13): what a reader already has is not sent again, and a writer
 * who says what they saw overwrites nothing else. For reads the answer is made here; for writes the
 * headers only become a `Precondition`, because the store alone may check it, in the transaction of
 * the change.
 */

import type { Precondition, VersionTag } from "../world/store.ts";
import { isTagOf, parseEntityTags, parseWorldTags, type TagFault } from "./etag.ts";
import { parseHttpDate, toWholeSeconds } from "./http_date.ts";
import { Problem } from "./problem.ts";

/** As much of `Headers` as is read here. */
export type HeaderReader = Pick<Headers, "get">;

/** The two headers that ask for a 304. */
export interface CacheValidators {
  readonly ifNoneMatch: string | null;
  readonly ifModifiedSince: string | null;
}

/**
 * Whether a GET or HEAD is answered 304 because the client has this representation already (RFC
 * 9110 §13.2.2, steps 3 and 4). A list of tags that cannot be parsed matches nothing: the worst of
 * it is bytes sent twice.
 *
 * @param current the representation's entity tag, quoted
 * @param lastModified when it changed last, Unix milliseconds; undefined when it has no such time
 */
export function isNotModified(
  { ifNoneMatch, ifModifiedSince }: CacheValidators,
  current: string,
  lastModified: number | undefined,
): boolean {
  // §13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match
  // header field".
  if (ifNoneMatch !== null) {
    return ifNoneMatch === current || hasTag(ifNoneMatch, current, "weak");
  }
  // §13.1.3: "A recipient MUST ignore the If-Modified-Since header field if the resource does not
  // have a modification date available."
  if (ifModifiedSince === null || lastModified === undefined) return false;
  // §13.1.3: "A recipient MUST ignore the If-Modified-Since header field if the received field value
  // is not a valid HTTP-date".
  const since = parseHttpDate(ifModifiedSince);
  // §13.1.3: "If the selected representation's last modification date is earlier or equal to the
  // date provided in the field value, the condition is false."
  return since !== undefined && toWholeSeconds(lastModified) <= since;
}

/**
 * Judges the four conditional headers of a GET or HEAD in the order of RFC 9110 §13.2.2. If-Range,
 * its last step, belongs to `selectRange`.
 *
 * @param headers the request's
 * @param current the representation's entity tag, quoted
 * @param lastModified when it changed last, Unix milliseconds; undefined when it has no such time
 * @throws {Problem} `precondition-failed` (412); `bad-header` when If-Match is no list of tags
 */
export function evaluateConditions(
  headers: HeaderReader,
  current: string,
  lastModified: number | undefined,
): "send" | "not-modified" {
  const ifMatch = headers.get("if-match");
  // Step 1: "When recipient is the origin server and If-Match is present, evaluate the If-Match
  // precondition"; if false, 412.
  if (ifMatch !== null) {
    if (ifMatch !== current && !hasTag(ifMatch, current, "strong")) {
      throw failed("If-Match names other versions", current);
    }
  } else {
    // Step 2: "When recipient is the origin server, If-Match is not present, and If-Unmodified-Since
    // is present, evaluate the If-Unmodified-Since precondition"; if false, 412.
    const ifUnmodifiedSince = headers.get("if-unmodified-since");
    // §13.1.4: "A recipient MUST ignore the If-Unmodified-Since header field if the resource does not
    // have a modification date available."
    if (ifUnmodifiedSince !== null && lastModified !== undefined) {
      const since = parseHttpDate(ifUnmodifiedSince);
      if (since !== undefined && toWholeSeconds(lastModified) > since) {
        throw failed("it changed after the date in If-Unmodified-Since", current);
      }
    }
  }
  // Step 3: "When If-None-Match is present, evaluate the If-None-Match precondition"; step 4: "When
  // the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present,
  // evaluate the If-Modified-Since precondition"; if false, 304.
  const ifNoneMatch = headers.get("if-none-match");
  const ifModifiedSince = ifNoneMatch === null ? headers.get("if-modified-since") : null;
  if (ifNoneMatch === null && ifModifiedSince === null) return "send";
  return isNotModified({ ifNoneMatch, ifModifiedSince }, current, lastModified)
    ? "not-modified"
    : "send";
}

/**
 * What a PUT, POST or DELETE demands of the current version, for the store to check; `undefined`
 * when it demands nothing. A header that cannot be read is refused and never ignored: its sender
 * wanted protection.
 *
 * @throws {Problem} `bad-header` when If-Match or If-None-Match is neither `*` nor a list of tags
 */
export function parsePrecondition(headers: HeaderReader): Precondition | undefined {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  // §13.1.4: "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header
  // field".
  const ifUnmodifiedSince = ifMatch === null ? headers.get("if-unmodified-since") : null;
  // §13.1.4: "A recipient MUST ignore the If-Unmodified-Since header field if the received field
  // value is not a valid HTTP-date".
  const since = ifUnmodifiedSince === null ? undefined : parseHttpDate(ifUnmodifiedSince);
  if (ifMatch === null && ifNoneMatch === null && since === undefined) return undefined;
  return {
    // §13.1.1: "An origin server MUST use the strong comparison function when comparing entity tags
    // for If-Match".
    ...(ifMatch !== null && { match: demanded("If-Match", parseWorldTags(ifMatch, "strong")) }),
    // §13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags for
    // If-None-Match".
    ...(ifNoneMatch !== null && {
      noneMatch: demanded("If-None-Match", parseWorldTags(ifNoneMatch, "weak")),
    }),
    // The date means its whole second and worlds are stamped in milliseconds, so what they are
    // compared with is the second's last one.
    ...(since !== undefined && { unmodifiedSince: since + 999 }),
  };
}

/** Whether a list names the representation; a list that cannot be parsed fails as its header must. */
function hasTag(header: string, current: string, comparison: "strong" | "weak"): boolean {
  const parsed = parseEntityTags(header);
  // §13.1.1, §13.1.2: `*` is "any current representation", and this one is current.
  if (parsed === "*") return true;
  if ("fault" in parsed) {
    if (comparison === "strong") throw unreadable("If-Match", parsed);
    return false;
  }
  for (const { weak, opaque } of parsed) {
    // §8.8.3.2: strong comparison needs both tags not weak; weak comparison looks at neither. Ours
    // are always strong.
    if (weak && comparison === "strong") continue;
    if (isTagOf(opaque, current)) return true;
  }
  return false;
}

function demanded(
  header: string,
  tags: "*" | readonly VersionTag[] | TagFault,
): "*" | readonly VersionTag[] {
  if (tags !== "*" && "fault" in tags) throw unreadable(header, tags);
  return tags;
}

function unreadable(header: string, { fault }: TagFault): Problem {
  return new Problem(
    "bad-header",
    `Cannot read ${header}: ${fault}; send * or quoted tags such as "3", parted by commas`,
  );
}

function failed(found: string, current: string): Problem {
  return new Problem(
    "precondition-failed",
    `Cannot send what was asked: ${found}; the current entity tag is ${current}`,
    { etag: current },
  );
}
