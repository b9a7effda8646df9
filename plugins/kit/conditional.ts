/**
 * Conditional requests (RFC 9110 §13) for representations that a plugin makes: 304 for a reader that
 * has the representation already, 412 for a writer whose copy is out of date. The results are those
 * of `lib/http/conditional.ts`.
 */

import { includesTag, parseEntityTags } from "./entity_tag.ts";
import { parseHttpDate, wholeSeconds } from "./http_date.ts";
import { Problem } from "./problem.ts";

/** What distinguishes one state of a resource from another. */
export interface Validators {
  /** Entity tag with its quotes. */
  readonly etag?: string | undefined;
  /** Time of the last change in Unix milliseconds. */
  readonly modified?: number | undefined;
}

/**
 * Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 §13.2.2. If-Range is not
 * among them; see `selectRange`.
 *
 * @param headers headers of the request
 * @param current validators of the representation
 * @param action start of the error message, such as `Cannot GET /mnt/x`
 * @returns whether the representation is sent, or 304
 * @throws {Problem} `precondition-failed`; `bad-header` if If-Match is not a list of entity tags
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { evaluateRead } from "./conditional.ts";
 *
 * const headers = new Headers({ "if-none-match": '"3", "4"' });
 * strictEqual(evaluateRead(headers, { etag: '"4"' }, "Cannot GET /x"), "not-modified");
 * strictEqual(evaluateRead(headers, { etag: '"5"' }, "Cannot GET /x"), "send");
 * ```
 */
export function evaluateRead(
  headers: Headers,
  current: Validators,
  action: string,
): "send" | "not-modified" {
  assertUnchanged(headers, current, action);
  const { etag, modified } = current;
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) {
    // A list that cannot be parsed names no tag: the client then gets the representation again.
    return includesTag(parseEntityTags(ifNoneMatch), etag, "weak") ? "not-modified" : "send";
  }
  const since = parseHttpDate(headers.get("if-modified-since") ?? "");
  return since !== undefined && modified !== undefined && wholeSeconds(modified) <= since
    ? "not-modified"
    : "send";
}

/**
 * Evaluates the preconditions of a PUT, POST or DELETE (RFC 9110 §13.2.2).
 *
 * @param headers headers of the request
 * @param current validators of what is stored; undefined if nothing is stored
 * @param action start of the error message, such as `Cannot PUT /mnt/x`
 * @throws {Problem} `precondition-failed`; `bad-header` if If-Match or If-None-Match is not a list of
 * entity tags
 *
 * @example
 * ```ts
 * import { doesNotThrow, throws } from "node:assert/strict";
 * import { assertWritable } from "./conditional.ts";
 *
 * const headers = new Headers({ "if-none-match": "*" });
 * doesNotThrow(() => assertWritable(headers, undefined, "Cannot PUT /mnt/x"));
 * throws(() => assertWritable(headers, { etag: '"1"' }, "Cannot PUT /mnt/x"), { status: 412 });
 * ```
 */
export function assertWritable(
  headers: Headers,
  current: Validators | undefined,
  action: string,
): void {
  assertUnchanged(headers, current, action);
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch === null) return;
  const tags = parseEntityTags(ifNoneMatch);
  if (tags === undefined) throw unreadable("If-None-Match", action);
  // `*` requires that nothing is stored, with or without an entity tag.
  if (tags === "*" ? current !== undefined : includesTag(tags, current?.etag, "weak")) {
    throw failed("If-None-Match names the current version", current, action);
  }
}

/** If-Match and, without it, If-Unmodified-Since: the first two steps of RFC 9110 §13.2.2. */
function assertUnchanged(
  headers: Headers,
  current: Validators | undefined,
  action: string,
): void {
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    const tags = parseEntityTags(ifMatch);
    if (tags === undefined) throw unreadable("If-Match", action);
    if (tags === "*" ? current === undefined : !includesTag(tags, current?.etag, "strong")) {
      throw failed("If-Match names other versions", current, action);
    }
    return;
  }
  const since = parseHttpDate(headers.get("if-unmodified-since") ?? "");
  const modified = current?.modified;
  if (since !== undefined && modified !== undefined && wholeSeconds(modified) > since) {
    throw failed("it changed after the date in If-Unmodified-Since", current, action);
  }
}

function unreadable(header: string, action: string): Problem {
  return new Problem(
    "bad-header",
    `${action}: ${header} is not a list of entity tags; send * or quoted tags such as "3"`,
  );
}

function failed(found: string, current: Validators | undefined, action: string): Problem {
  const etag = current?.etag;
  const state = current === undefined
    ? "nothing is stored"
    : etag === undefined
    ? "it has no entity tag"
    : `the current entity tag is ${etag}`;
  return new Problem(
    "precondition-failed",
    `${action}: ${found}; ${state}`,
    etag === undefined ? {} : { etag },
  );
}
