/**
 * Cross-site request protection: rejects requests in which a page of another site uses the
 * authority of a browser (that it runs on loopback, or its stored Basic credentials). Programs send
 * neither Origin nor Fetch Metadata and are not affected. The headers are never used as a
 * credential.
 */

import { type Authority, parseAuthority } from "./host.ts";

/** Characters of an untrusted header that an error message quotes. */
const MAX_QUOTED_CHARS = 100;

/**
 * Explains why an unsafe request comes from a page of another site. Schemes are not compared,
 * because a proxy may end TLS. A missing port means the default port of the Origin's scheme.
 *
 * @param method method as sent; GET, HEAD and OPTIONS are safe
 * @param host the Host header, or null if it was not sent
 * @param origin the Origin header (RFC 6454 §7), or null if it was not sent
 * @param secFetchSite the Sec-Fetch-Site header (Fetch Metadata §2.3), or null if it was not sent
 * @returns a clause for an error message, or undefined if the request is not cross-site
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { foreignOriginFault } from "./origin.ts";
 *
 * strictEqual(foreignOriginFault("PUT", "a.example", "https://a.example", null), undefined);
 * strictEqual(typeof foreignOriginFault("PUT", "a.example", "https://b.example", null), "string");
 * strictEqual(foreignOriginFault("GET", "a.example", "https://b.example", null), undefined);
 * ```
 */
export function foreignOriginFault(
  method: string,
  host: string | null,
  origin: string | null,
  secFetchSite: string | null,
): string | undefined {
  if (method === "GET" || method === "HEAD" || method === "OPTIONS") return undefined;
  if (secFetchSite !== null && secFetchSite !== "same-origin" && secFetchSite !== "none") {
    return `the browser sent Sec-Fetch-Site: ${secFetchSite.slice(0, MAX_QUOTED_CHARS)}`;
  }
  if (origin === null || isOwn(origin, host)) return undefined;
  return `the Origin ${origin.slice(0, MAX_QUOTED_CHARS)} does not match the Host header`;
}

function isOwn(origin: string, host: string | null): boolean {
  const own = host === null ? undefined : parseAuthority(host);
  if (own === undefined) return false;
  if (origin.startsWith("http://")) return isSame(origin.slice(7), "80", own);
  if (origin.startsWith("https://")) return isSame(origin.slice(8), "443", own);
  return false;
}

function isSame(authority: string, defaultPort: string, own: Authority): boolean {
  const page = parseAuthority(authority);
  return page !== undefined && page.host === own.host &&
    (page.port || defaultPort) === (own.port || defaultPort);
}
