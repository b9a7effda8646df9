/**
 * The small headers of WebDAV: Depth, Overwrite, Timeout, Lock-Token. Each is read whole or refused;
 * a guess at what a client meant could delete the wrong thing.
 */

import { Problem } from "../../http/problem.ts";
import { DAV_LOCK_SECONDS, MAX_DAV_LOCK_SECONDS } from "../../limits.ts";

/** What an OPTIONS tells of WebDAV; Windows asks for the second line (RFC 4918 §18). */
export const DAV_HEADERS: Readonly<Record<string, string>> = {
  "dav": "1, 2",
  "ms-author-via": "DAV",
};

/** How far a method reaches (RFC 4918 §10.2). */
export type Depth = "0" | "1" | "infinity";

/**
 * The Depth header, or what its absence means.
 *
 * @param allowed depths this method knows
 * @throws {Problem} `bad-header`
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
    `Cannot read Depth: ${sent.slice(0, 40)}; ${allowed.join(" or ")} is what this method takes`,
  );
}

/**
 * Whether COPY and MOVE may replace what is there (RFC 4918 §10.6); absent is yes.
 *
 * @throws {Problem} `bad-header`
 */
export function readOverwrite(headers: Headers): boolean {
  const sent = headers.get("overwrite");
  if (sent === null || /^\s*t\s*$/i.test(sent)) return true;
  if (/^\s*f\s*$/i.test(sent)) return false;
  throw new Problem("bad-header", `Cannot read Overwrite: ${sent.slice(0, 40)}; T or F is needed`);
}

/**
 * The seconds a lock is granted for: the first of the Timeout header that can be read (RFC 4918
 * §10.7), never more than {@link MAX_DAV_LOCK_SECONDS}. Wishes are no promises, so none is refused.
 */
export function readTimeout(headers: Headers): number {
  for (const wish of (headers.get("timeout") ?? "").slice(0, 400).split(",")) {
    if (/^\s*infinite\s*$/i.test(wish)) return MAX_DAV_LOCK_SECONDS;
    const seconds = /^\s*second-(\d{1,10})\s*$/i.exec(wish)?.[1];
    if (seconds !== undefined) return Math.min(Math.max(Number(seconds), 1), MAX_DAV_LOCK_SECONDS);
  }
  return DAV_LOCK_SECONDS;
}

/**
 * The token of UNLOCK's Lock-Token header (RFC 4918 §10.5).
 *
 * @throws {Problem} `bad-header`
 */
export function readLockToken(headers: Headers): string {
  const token = /^\s*<([^<>\s]{1,200})>\s*$/.exec(headers.get("lock-token") ?? "")?.[1];
  if (token !== undefined) return token;
  throw new Problem(
    "bad-header",
    "Cannot unlock: no Lock-Token that can be read was sent; <urn:uuid:...> as LOCK gave it is needed",
  );
}
