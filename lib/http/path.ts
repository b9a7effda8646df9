/**
 * The one function that turns a request target into a canonical path. Everything that compares,
 * routes or authorises uses its result; nobody else may decode or split a URL. Runtime and router
 * disagree about dot segments and encoded slashes, so whatever has two readings is refused here.
 */

import { MAX_URL_BYTES } from "../limits.ts";
import { Problem } from "./problem.ts";

/** A request target in its only spelling. */
export interface RequestTarget {
  /** Absolute path, percent-decoded, NFC, no trailing slash: `/home/findings/x`; the root is `/`. */
  readonly path: string;
  /** `path` without its leading slash: `home/findings/x`; the root is `""`. */
  readonly name: string;
  /** The URL's path ended in a slash, so its collection is meant. True for the root. */
  readonly isCollection: boolean;
  /** The query without `?`, still encoded; `""` when there is none. */
  readonly query: string;
}

const PLAIN = /^(?:\/[A-Za-z0-9_~@!$&'()+,;=.-]+)*\/?$/;
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/;
const DELIMITER = /[?#]/;
const ENCODED_SLASH = /%2f/i;
// deno-lint-ignore no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

function refuse(found: string): never {
  throw new Problem(
    "bad-path",
    `Cannot read the path: ${found}; send one canonical path, percent-encoded UTF-8 without dot or empty segments`,
  );
}

/**
 * Reads the canonical path and the query of a request.
 *
 * @param url the request's absolute URL as the server received it, not normalised
 * @throws {Problem} `uri-too-long` past {@link MAX_URL_BYTES}; `bad-path` for bad escapes, bytes
 * that are not UTF-8, encoded slashes, backslashes, control characters, dot or empty segments, and a
 * `#`, which no request target holds (RFC 9112 §3.2) and which cuts the URL short in other readers
 */
export function parseTarget(url: string): RequestTarget {
  const authority = url.indexOf("://") + 3;
  const start = url.indexOf("/", authority);
  const mark = url.indexOf("?", authority);
  if (mark >= 0 && (start < 0 || mark < start)) refuse("it does not begin with a slash");
  if (start < 0) return { path: "/", name: "", isCollection: true, query: "" };
  if (url.length - start > MAX_URL_BYTES) {
    throw new Problem(
      "uri-too-long",
      `Cannot read a request target of ${url.length - start} bytes; ${MAX_URL_BYTES} is the most`,
    );
  }
  const raw = mark < 0 ? url.slice(start) : url.slice(start, mark);
  const query = mark < 0 ? "" : url.slice(mark + 1);
  if (query.includes("#")) refuse("its query holds a number sign that is not encoded (%23)");
  const path = canonicalizePath(raw);
  const collection = path.endsWith("/");
  const bare = collection ? path.slice(0, -1) : path;
  return { path: bare === "" ? "/" : bare, name: bare.slice(1), isCollection: collection, query };
}

/**
 * Decodes and normalises one absolute path, keeping a trailing slash.
 *
 * @param raw a percent-encoded path that begins with `/`; a path that was decoded before (a query
 * parameter) goes through {@link encodePath} first, lest it be decoded twice
 * @throws {Problem} `bad-path`
 */
export function canonicalizePath(raw: string): string {
  let path = raw;
  if (!PLAIN.test(raw)) {
    if (!raw.startsWith("/")) refuse("it does not begin with a slash");
    if (DELIMITER.test(raw)) refuse("it holds a ? or # that is not encoded (%3F, %23)");
    if (ENCODED_SLASH.test(raw)) refuse("it holds an encoded slash (%2F)");
    try {
      path = decodeURIComponent(raw).normalize("NFC");
    } catch {
      refuse("it holds a broken percent escape or bytes that are not UTF-8");
    }
    const fault = decodedFault(path);
    if (fault !== undefined) refuse(fault);
  } else if (path === "") {
    refuse("it does not begin with a slash");
  }
  if (path.includes("/.") && DOT_SEGMENT.test(path)) refuse("it holds a dot segment");
  return path;
}

function decodedFault(path: string): string | undefined {
  if (!path.isWellFormed()) return "it holds half a surrogate pair";
  if (CONTROL.test(path)) return "it holds a control character";
  if (path.includes("\\")) return "it holds a backslash";
  if (path.includes("//")) return "it holds an empty segment";
  return undefined;
}

/**
 * Whether a decoded path is in the spelling {@link parseTarget} gives: absolute, NFC, no trailing
 * slash but the root's, nothing that it refuses. For paths that arrive by other ways than a URL.
 */
export function isCanonicalPath(path: string): boolean {
  if (!path.startsWith("/") || (path.endsWith("/") && path !== "/")) return false;
  if (path.includes("/.") && DOT_SEGMENT.test(path)) return false;
  return PLAIN.test(path) || (decodedFault(path) === undefined && path.normalize("NFC") === path);
}

/** Encodes a canonical path for a Location or Link header; slashes stay. */
export function encodePath(path: string): string {
  return path.split("/").map((segment) => encodeURIComponent(segment)).join("/");
}

/**
 * The path of a request's URL for the server log: without its query, which may hold a secret, and at most
 * 200 characters long.
 *
 * @param url absolute URL as the server received it
 */
export function pathForLog(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const end = url.slice(start).search(/[?#]/);
  return url.slice(start, end < 0 ? undefined : start + end).slice(0, 200);
}
