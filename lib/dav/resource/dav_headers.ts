/**
 * Parses the headers Depth, Overwrite, Timeout and Lock-Token of WebDAV (RFC 4918 §10). A value
 * that is not valid is refused, except in Timeout: a guess at its meaning could delete the wrong
 * resource.
 */

import { Problem } from "../../http/problem.ts";
import { DAV_LOCK_SECONDS, MAX_DAV_LOCK_SECONDS } from "../../dav_limits.ts";

/** WebDAV headers of an OPTIONS response (RFC 4918 §18); Windows requires `ms-author-via`. */
export const DAV_HEADERS: Readonly<Record<string, string>> = {
  "dav": "1, 2",
  "ms-author-via": "DAV",
};

/**
 * Values of the Depth header: the resource, with its members, or the whole tree (RFC 4918 §10.2).
 */
export type Depth = "0" | "1" | "infinity";

/**
 * Reads the Depth header.
 *
 * @param absent result if the header was not sent
 * @param allowed values that the method allows
 * @throws {Problem} `bad-header` if the value is not allowed
 */
export function readDepth<D extends Depth>(
  headers: Headers,
  absent: D,
  allowed: readonly D[],
): D {
  const sent = headers.get("depth");
  if (sent === null) return absent;
  const found = allowed.find((depth) => depth === sent.trim().toLowerCase());
  if (found !== undefined) return found;
  throw new Problem(
    "bad-header",
    `Cannot read Depth: it is ${sent.slice(0, 40)}; this method allows ${allowed.join(" or ")}`,
  );
}

/**
 * Reads the Overwrite header: whether COPY and MOVE may replace the destination (RFC 4918 §10.6).
 *
 * @returns true if the header was not sent
 * @throws {Problem} `bad-header` if the value is neither T nor F
 */
export function readOverwrite(headers: Headers): boolean {
  const sent = headers.get("overwrite");
  if (sent === null || /^\s*t\s*$/i.test(sent)) return true;
  if (/^\s*f\s*$/i.test(sent)) return false;
  throw new Problem("bad-header", `Cannot read Overwrite: it is ${sent.slice(0, 40)}; send T or F`);
}

/**
 * Reads the Timeout header: the first value that is valid (RFC 4918 §10.7). A client only requests
 * a timeout, so values that are not valid are ignored.
 *
 * @returns duration of the lock in seconds, from 1 to {@link MAX_DAV_LOCK_SECONDS}
 */
export function readTimeout(headers: Headers): number {
  for (const value of (headers.get("timeout") ?? "").slice(0, 400).split(",")) {
    if (/^\s*infinite\s*$/i.test(value)) return MAX_DAV_LOCK_SECONDS;
    const seconds = /^\s*second-(\d{1,10})\s*$/i.exec(value)?.[1];
    if (seconds !== undefined) return Math.min(Math.max(Number(seconds), 1), MAX_DAV_LOCK_SECONDS);
  }
  return DAV_LOCK_SECONDS;
}

/**
 * Reads the lock token of an UNLOCK request from its Lock-Token header (RFC 4918 §10.5).
 *
 * @throws {Problem} `bad-header` if the header is absent or not valid
 */
export function readLockToken(headers: Headers): string {
  const token = /^\s*<([^<>\s]{1,200})>\s*$/.exec(headers.get("lock-token") ?? "")?.[1];
  if (token !== undefined) return token;
  throw new Problem(
    "bad-header",
    "Cannot unlock: the Lock-Token header is missing or not valid; send the <urn:uuid:...> of LOCK",
  );
}
