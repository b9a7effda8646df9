/**
 * Conditional requests (RFC 9110 §13). For GET and HEAD the headers are evaluated here and decide
 * between 200, 304 and 412. For PUT, POST and DELETE they are only parsed into a `Precondition`:
 * the store must check it in the transaction of the change, because the world can change before.
 */

import type { Precondition, VersionTag } from "../world/store.ts";
import { isTagOf, parseEntityTags, parseWorldTags, type TagFault } from "./etag.ts";
import { parseHttpDate, toWholeSeconds } from "./http_date.ts";
import { Problem } from "./problem.ts";

/** The part of `Headers` that this module reads. */
export type HeaderReader = Pick<Headers, "get">;

/** The two headers that can lead to a 304; null if not sent. */
export interface CacheValidators {
  readonly ifNoneMatch: string | null;
  readonly ifModifiedSince: string | null;
}

/**
 * Decides whether a GET or HEAD is answered with 304 because the client has the current
 * representation (RFC 9110 §13.2.2, steps 3 and 4). A malformed list of tags matches nothing, so
 * the representation is sent.
 *
 * @param current entity tag of the representation, quoted
 * @param lastModified time of the last change, Unix milliseconds; undefined if the resource has no
 * such time
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isNotModified } from "./conditional.ts";
 *
 * const headers = { ifNoneMatch: '"3-2c26b46b68ffc68f.raw"', ifModifiedSince: null };
 * strictEqual(isNotModified(headers, '"3-2c26b46b68ffc68f.raw"', undefined), true);
 * strictEqual(isNotModified(headers, '"4-7d865e959b2466f0.raw"', undefined), false);
 * ```
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
 * Evaluates the four conditional headers of a GET or HEAD in the order of RFC 9110 §13.2.2.
 * If-Range, the last step, is evaluated by `selectRange`.
 *
 * @param headers the request headers
 * @param current entity tag of the representation, quoted
 * @param lastModified time of the last change, Unix milliseconds; undefined if the resource has no
 * such time
 * @returns `send` for a 200 or 206, `not-modified` for a 304
 * @throws {Problem} `precondition-failed` (412) if If-Match or If-Unmodified-Since is false;
 * `bad-header` (400) if If-Match is malformed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { evaluateConditions } from "./conditional.ts";
 *
 * const headers = new Headers({ "if-none-match": "*" });
 * strictEqual(evaluateConditions(headers, '"3-2c26b46b68ffc68f.raw"', undefined), "not-modified");
 * ```
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
        throw failed("the resource changed after the date in If-Unmodified-Since", current);
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
 * Reads the entity tags of a header as versions.
 *
 * @throws {Problem} `bad-header` if it is neither `*` nor a list of entity tags
 */
export type ReadTags = (
  name: string,
  header: string,
  comparison: "strong" | "weak",
) => "*" | readonly VersionTag[];

/**
 * Parses the conditional headers of a PUT, POST or DELETE for the store to check. A malformed
 * header is an error and never ignored: its sender wants protection against overwriting.
 *
 * @param headers the request headers
 * @param readTags how tags name versions; by default the tags of worlds
 * @returns the precondition, or undefined if no conditional header was sent
 * @throws {Problem} `bad-header` if If-Match or If-None-Match is neither `*` nor a list of entity
 * tags
 *
 * @example
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 * import { parsePrecondition } from "./conditional.ts";
 *
 * strictEqual(parsePrecondition(new Headers()), undefined);
 * throws(() => parsePrecondition(new Headers({ "if-match": "3" })), { type: "bad-header" });
 * ```
 */
export function parsePrecondition(
  headers: HeaderReader,
  readTags: ReadTags = readWorldTags,
): Precondition | undefined {
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
    ...(ifMatch !== null && { match: readTags("If-Match", ifMatch, "strong") }),
    // §13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags for
    // If-None-Match".
    ...(ifNoneMatch !== null && { noneMatch: readTags("If-None-Match", ifNoneMatch, "weak") }),
    // A date covers a whole second and worlds have times in milliseconds, so the comparison uses
    // the last millisecond of that second.
    ...(since !== undefined && { unmodifiedSince: since + 999 }),
  };
}

/**
 * Checks whether a list of entity tags names the representation. A malformed If-Match throws; a
 * malformed If-None-Match names nothing.
 */
function hasTag(header: string, current: string, comparison: "strong" | "weak"): boolean {
  const parsed = parseEntityTags(header);
  // §13.1.1, §13.1.2: `*` matches any current representation.
  if (parsed === "*") return true;
  if ("fault" in parsed) {
    if (comparison === "strong") throw unreadable("If-Match", parsed);
    return false;
  }
  for (const { weak, opaque } of parsed) {
    // §8.8.3.2: strong comparison requires that both tags are strong; weak comparison does not. The
    // tags of this server are always strong.
    if (weak && comparison === "strong") continue;
    if (isTagOf(opaque, current)) return true;
  }
  return false;
}

function readWorldTags(
  name: string,
  header: string,
  comparison: "strong" | "weak",
): "*" | readonly VersionTag[] {
  const tags = parseWorldTags(header, comparison);
  if (tags !== "*" && "fault" in tags) throw unreadable(name, tags);
  return tags;
}

function unreadable(header: string, { fault }: TagFault): Problem {
  return new Problem(
    "bad-header",
    `Cannot parse ${header}: ${fault}; send * or quoted tags such as "3", separated by commas`,
  );
}

function failed(found: string, current: string): Problem {
  return new Problem(
    "precondition-failed",
    `Cannot send the representation: ${found}; the current entity tag is ${current}`,
    { etag: current },
  );
}
