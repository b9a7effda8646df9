/**
 * Finds the address of the client: the peer of the connection or, if the operator trusts a proxy,
 * the address that the proxy reports (RFC 7239 or X-Forwarded-For). A header counts only if a
 * trusted peer sent it. Requests through a reverse proxy on this computer must never count as
 * local.
 */

import { parseForwarded, parseForwardedFor } from "./forwarded.ts";
import type { IterableHeaders } from "./header_snapshot.ts";
import { hasProxyTrace } from "./proxy_trace.ts";
import { type IpAddress, type IpRange, isLoopback, parseIp, parseIpRange } from "./ip_address.ts";

/** The origin of a request. */
export interface ClientAddress {
  /**
   * Address of the client, or of the nearest known hop if the client's is unknown. It is not a
   * credential.
   */
  readonly address: string;
  /** The client runs on this computer and no proxy forwarded the request. */
  readonly loopback: boolean;
}

/** The proxies that the operator trusts. */
export interface ProxyTrust {
  /**
   * `ELASTIK_TRUST_PROXY_HEADER`: `Forwarded`, `X-Forwarded-For`, `X-Real-IP`, or another header
   * with a list of addresses.
   */
  readonly trustHeader?: string;
  /** `ELASTIK_TRUST_PROXY_FROM`: IP addresses or CIDR blocks of the proxies. */
  readonly trustFrom?: readonly string[];
}

/** Finds the client of one request from the address of its peer and its headers. */
export type ClientFinder = (peer: string, headers: IterableHeaders) => ClientAddress;

const LOCAL_V4: ClientAddress = Object.freeze({ address: "127.0.0.1", loopback: true });
const LOCAL_V6: ClientAddress = Object.freeze({ address: "::1", loopback: true });

/**
 * Creates the function that finds clients.
 *
 * @param trust the trusted header and the proxies that may send it; both or neither
 * @returns a function that never throws
 * @throws {TypeError} if a trusted address is malformed, or if only one of the two settings is
 * given
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { createClientFinder } from "./client_address.ts";
 *
 * const find = createClientFinder({ trustHeader: "x-forwarded-for", trustFrom: ["10.0.0.0/8"] });
 * const headers = new Headers({ "x-forwarded-for": "192.0.2.7, 10.0.0.2" });
 * strictEqual(find("10.0.0.1", headers).address, "192.0.2.7");
 * ```
 */
export function createClientFinder({ trustHeader, trustFrom = [] }: ProxyTrust): ClientFinder {
  const ranges = trustFrom.map(rangeOf);
  if (trustHeader === undefined || trustHeader === "") {
    if (ranges.length === 0) return directClient;
    throw new TypeError(
      "Cannot trust a proxy: ELASTIK_TRUST_PROXY_HEADER is not set; set it together with ELASTIK_TRUST_PROXY_FROM",
    );
  }
  if (ranges.length === 0) {
    throw new TypeError(
      `Cannot trust ${trustHeader}: ELASTIK_TRUST_PROXY_FROM is not set; set it to the proxy's address`,
    );
  }
  const header = trustHeader.toLowerCase();
  const read = header === "forwarded" ? parseForwarded : parseForwardedFor;
  return function proxiedClient(peer, headers) {
    const ip = parseIp(peer);
    const value = headers.get(header);
    if (ip === undefined || value === null || !isTrusted(ip, ranges)) {
      return directClient(peer, headers);
    }
    return nearestUntrusted(ip, read(value), ranges);
  };
}

function rangeOf(text: string): IpRange {
  const range = parseIpRange(text);
  if (range !== undefined) return range;
  throw new TypeError(
    `Cannot trust the proxy ${
      JSON.stringify(text)
    }: it is not an address; use an IP address or a CIDR block`,
  );
}

/** The client if no header is trusted. */
function directClient(peer: string, headers: IterableHeaders): ClientAddress {
  if (peer === "127.0.0.1") return hasProxyTrace(headers) ? remote(peer) : LOCAL_V4;
  if (peer === "::1") return hasProxyTrace(headers) ? remote(peer) : LOCAL_V6;
  if (!couldBeLoopback(peer)) return remote(peer);
  const ip = parseIp(peer);
  if (ip === undefined) return remote(peer);
  return { address: ip.text, loopback: isLoopback(ip) && !hasProxyTrace(headers) };
}

/**
 * A cheap test that avoids parsing most peers: every spelling of a loopback address starts like
 * this.
 */
function couldBeLoopback(peer: string): boolean {
  return peer.startsWith("127.") || peer.startsWith(":") || peer.startsWith("0");
}

function remote(address: string): ClientAddress {
  return { address, loopback: false };
}

/**
 * Follows the hops from the trusted peer outwards to the first that is not trusted. If all are
 * trusted, the outermost is the client. The client is local only if every hop is a loopback address:
 * the loopback address of another computer is not this computer. A hop that cannot be parsed ends the search, and the last
 * parsed hop is used.
 */
function nearestUntrusted(
  peer: IpAddress,
  hops: Iterable<string>,
  ranges: readonly IpRange[],
): ClientAddress {
  let client = peer;
  let loopback = isLoopback(peer);
  for (const hop of hops) {
    const ip = parseIp(hop);
    if (ip === undefined) return remote(client.text);
    client = ip;
    loopback &&= isLoopback(ip);
    if (!isTrusted(ip, ranges)) break;
  }
  return { address: client.text, loopback };
}

function isTrusted(ip: IpAddress, ranges: readonly IpRange[]): boolean {
  return ranges.some((range) => range(ip));
}
