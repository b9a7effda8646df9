/**
 * Cross-site request protection: rejects requests in which a page of another site uses the
 * authority of a browser (that it runs on loopback, or its stored Basic credentials). Programs send
 * neither Origin nor Fetch Metadata and are not affected. The headers are never used as a
 * credential.
 */

import type { IterableHeaders } from "./header_snapshot.ts";
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

/**
 * Checks whether a page of another origin caused a request, for example with an image, a script, a
 * frame or `fetch`. Its request must not have rights only because the browser runs on this computer or
 * has stored Basic credentials. A top-level navigation does not count, because the page cannot read
 * the result (Fetch Metadata §2). A browser without Fetch Metadata sends Origin or Referer.
 *
 * @param host the Host header, or null if it was not sent
 * @param headers the headers of the request
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isFromForeignPage } from "./origin.ts";
 *
 * const image = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
 * strictEqual(isFromForeignPage("localhost", new Headers(image)), true);
 * strictEqual(isFromForeignPage("localhost", new Headers()), false);
 * ```
 */
export function isFromForeignPage(host: string | null, headers: IterableHeaders): boolean {
  const origin = headers.get("origin");
  if (origin !== null && !isOwn(origin, host)) return true;
  const site = headers.get("sec-fetch-site");
  if (site === "same-origin" || site === "none") return false;
  if (site !== null) return !isTopLevelNavigation(headers);
  const referer = headers.get("referer");
  return referer !== null && !isOwn(originOf(referer), host);
}

function isTopLevelNavigation(headers: IterableHeaders): boolean {
  return headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document" &&
    // The page decides when its browser loads a page in advance; the user has not navigated.
    !headers.has("sec-purpose") && !headers.has("purpose") && !headers.has("x-moz");
}

/** The origin of a Referer (RFC 9110 §10.1.3): scheme and authority, without userinfo. */
function originOf(referer: string): string {
  return URL.parse(referer)?.origin ?? referer;
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
