/**
 * The only parser of request targets. It returns the canonical path that routing, comparison and
 * authorization use; no other module may decode or split a URL. Deno and Hono treat dot segments
 * and encoded slashes differently, so an ambiguous path is rejected here (RFC 3986 §6, RFC 9112
 * §3.2).
 */

import { MAX_URL_BYTES } from "../limits.ts";
import { Problem } from "./problem.ts";

/** A request target in its canonical spelling. */
export interface RequestTarget {
  /**
   * Absolute path, percent-decoded, NFC, without a trailing slash: `/home/findings/x`; the root is
   * `/`.
   */
  readonly path: string;
  /** `path` without its leading slash: `home/findings/x`; the root is `""`. */
  readonly name: string;
  /** The path of the URL ended in a slash and names a collection. True for the root. */
  readonly isCollection: boolean;
  /** The query without `?`, still encoded; `""` if absent. */
  readonly query: string;
}

const PLAIN = /^(?:\/[A-Za-z0-9_~@!$&'()+,;=.-]+)*\/?$/;
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/;
const DELIMITER = /[?#]/;
const ENCODED_SLASH = /%2f/i;
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

function refuse(found: string): never {
  throw new Problem(
    "bad-path",
    `Cannot parse the path: ${found}; send a canonical path, percent-encoded UTF-8 without dot or empty segments`,
  );
}

/**
 * Parses the canonical path and the query of a request.
 *
 * @param url absolute URL of the request as the server received it, not normalized
 * @throws {Problem} `uri-too-long` if the target has more than {@link MAX_URL_BYTES} bytes;
 * `bad-path` for broken escapes, bytes that are not UTF-8, encoded slashes, backslashes, control
 * characters, dot or empty segments, and for a `#`, which no request target contains (RFC 9112
 * §3.2) and at which other parsers cut the URL
 *
 * @example
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 * import { parseTarget } from "./path.ts";
 *
 * const { path, query } = parseTarget("http://localhost/home/a%20b?raw");
 * strictEqual(path, "/home/a b");
 * strictEqual(query, "raw");
 * throws(() => parseTarget("http://localhost/home/../etc/x"), { type: "bad-path" });
 * ```
 */
export function parseTarget(url: string): RequestTarget {
  const authority = url.indexOf("://") + 3;
  const start = url.indexOf("/", authority);
  const mark = url.indexOf("?", authority);
  if (mark >= 0 && (start < 0 || mark < start)) refuse("it does not start with a slash");
  if (start < 0) return { path: "/", name: "", isCollection: true, query: "" };
  if (url.length - start > MAX_URL_BYTES) {
    throw new Problem(
      "uri-too-long",
      `Cannot parse the request target: it has ${
        url.length - start
      } bytes; at most ${MAX_URL_BYTES} are allowed`,
    );
  }
  const raw = mark < 0 ? url.slice(start) : url.slice(start, mark);
  const query = mark < 0 ? "" : url.slice(mark + 1);
  if (query.includes("#")) refuse("the query contains a # that is not encoded (%23)");
  const path = canonicalizePath(raw);
  const collection = path.endsWith("/");
  const withoutSlash = collection ? path.slice(0, -1) : path;
  return {
    path: withoutSlash === "" ? "/" : withoutSlash,
    name: withoutSlash.slice(1),
    isCollection: collection,
    query,
  };
}

/**
 * Decodes and normalizes one absolute path. Keeps a trailing slash.
 *
 * @param raw percent-encoded path that starts with `/`; encode a decoded path (from a query
 * parameter) with {@link encodePath} first, or it is decoded twice
 * @returns the canonical path, with a trailing slash if `raw` has one
 * @throws {Problem} `bad-path` if the path is ambiguous or malformed
 *
 * @example
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 * import { canonicalizePath } from "./path.ts";
 *
 * strictEqual(canonicalizePath("/home/caf%C3%A9/"), "/home/café/");
 * throws(() => canonicalizePath("/home//x"), { type: "bad-path" });
 * ```
 */
export function canonicalizePath(raw: string): string {
  let path = raw;
  if (!PLAIN.test(raw)) {
    if (!raw.startsWith("/")) refuse("it does not start with a slash");
    if (DELIMITER.test(raw)) refuse("it contains a ? or # that is not encoded (%3F, %23)");
    if (ENCODED_SLASH.test(raw)) refuse("it contains an encoded slash (%2F)");
    try {
      path = decodeURIComponent(raw).normalize("NFC");
    } catch {
      refuse("it contains a broken percent escape or bytes that are not UTF-8");
    }
    const fault = decodedFault(path);
    if (fault !== undefined) refuse(fault);
  } else if (path === "") {
    refuse("it does not start with a slash");
  }
  if (path.includes("/.") && DOT_SEGMENT.test(path)) refuse("it contains a dot segment");
  return path;
}

function decodedFault(path: string): string | undefined {
  if (!path.isWellFormed()) return "it contains an unpaired surrogate";
  if (CONTROL.test(path)) return "it contains a control character";
  if (path.includes("\\")) return "it contains a backslash";
  if (path.includes("//")) return "it contains an empty segment";
  return undefined;
}

/**
 * Checks whether a decoded path has the spelling that {@link parseTarget} returns: absolute, NFC,
 * without a trailing slash except for the root, without anything that `parseTarget` rejects. For
 * paths that do not come from a URL.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isCanonicalPath } from "./path.ts";
 *
 * strictEqual(isCanonicalPath("/home/x"), true);
 * strictEqual(isCanonicalPath("/home/x/"), false);
 * strictEqual(isCanonicalPath("/home/../x"), false);
 * ```
 */
export function isCanonicalPath(path: string): boolean {
  if (!path.startsWith("/") || (path.endsWith("/") && path !== "/")) return false;
  if (path.includes("/.") && DOT_SEGMENT.test(path)) return false;
  return PLAIN.test(path) || (decodedFault(path) === undefined && path.normalize("NFC") === path);
}

/**
 * Percent-encodes a canonical path for a Location or Link header. Slashes are kept.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { encodePath } from "./path.ts";
 *
 * strictEqual(encodePath("/home/a b"), "/home/a%20b");
 * ```
 */
export function encodePath(path: string): string {
  return path.split("/").map((segment) => encodeURIComponent(segment)).join("/");
}

/**
 * Returns the path of a URL for the server log: without the query, which may contain a secret, and
 * at most 200 characters.
 *
 * @param url absolute URL of the request as the server received it
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { pathForLog } from "./path.ts";
 *
 * strictEqual(pathForLog("http://localhost/home/x?token=secret"), "/home/x");
 * ```
 */
export function pathForLog(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const end = url.slice(start).search(/[?#]/);
  return url.slice(start, end < 0 ? undefined : start + end).slice(0, 200);
}
