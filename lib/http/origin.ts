/**
 * Tells a page of another site that borrows a browser's standing (a loopback place, remembered Basic
 * credentials) from everyone else. Programs send neither Origin nor Fetch Metadata and are left alone;
 * what a browser says is never taken for a credential.
 */

import { type Authority, parseAuthority } from "./host.ts";

/** Longest piece of a stranger's header that is repeated to it, in characters. */
const SHOWN = 100;

/**
 * Says why an unsafe request comes from a foreign page, or `undefined` when it does not. Schemes are
 * not compared, since a proxy may end TLS; a port left out is the default of the Origin's scheme.
 *
 * @param method as sent; GET, HEAD and OPTIONS are safe
 * @param host the Host header
 * @param origin the Origin header (RFC 6454 §7)
 * @param secFetchSite the Sec-Fetch-Site header (Fetch Metadata §2.3)
 */
export function foreignOriginFault(
  method: string,
  host: string | null,
  origin: string | null,
  secFetchSite: string | null,
): string | undefined {
  if (method === "GET" || method === "HEAD" || method === "OPTIONS") return undefined;
  if (secFetchSite !== null && secFetchSite !== "same-origin" && secFetchSite !== "none") {
    return `the browser says Sec-Fetch-Site: ${secFetchSite.slice(0, SHOWN)}`;
  }
  if (origin === null || isOwn(origin, host)) return undefined;
  return `the Origin ${origin.slice(0, SHOWN)} is not the Host the request was sent to`;
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
