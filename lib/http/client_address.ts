/**
 * Finds the client behind the connection: the peer itself, or, where the operator trusts a proxy, the
 * address that proxy names. A header is believed from a trusted peer alone, and a reverse proxy on
 * this very machine must never make the whole internet local.
 */

import { parseForwarded, parseForwardedFor } from "./forwarded.ts";
import { type IpAddress, type IpRange, isLoopback, parseIp, parseIpRange } from "./ip_address.ts";

/** Where a request comes from. */
export interface ClientAddress {
  /** The client's address; the peer's where the client cannot be told. Not a credential. */
  readonly address: string;
  /** The client is a program on this machine, with nobody forwarding for someone else. */
  readonly loopback: boolean;
}

/** What the operator believes. */
export interface ProxyTrust {
  /** `ELASTIK_TRUST_PROXY_HEADER`: `Forwarded`, `X-Forwarded-For`, `X-Real-IP` or one like the last two. */
  readonly trustHeader?: string;
  /** `ELASTIK_TRUST_PROXY_FROM`: addresses or CIDR blocks of the proxies. */
  readonly trustFrom?: readonly string[];
}

/** Finds the client of one request from its peer's address and its headers. */
export type ClientFinder = (peer: string, headers: Headers) => ClientAddress;

/** By these a proxy that is not configured shows itself. */
const PROXY_HEADERS = ["x-forwarded-for", "forwarded", "x-real-ip", "via"] as const;
const LOCAL_V4: ClientAddress = Object.freeze({ address: "127.0.0.1", loopback: true });
const LOCAL_V6: ClientAddress = Object.freeze({ address: "::1", loopback: true });

/**
 * Makes the function that finds clients.
 *
 * @throws {TypeError} when a trusted address cannot be read, or only one of the two settings is there
 */
export function createClientFinder({ trustHeader, trustFrom = [] }: ProxyTrust): ClientFinder {
  const ranges = trustFrom.map(rangeOf);
  if (trustHeader === undefined || trustHeader === "") {
    if (ranges.length === 0) return directClient;
    throw new TypeError(
      "Cannot trust a proxy without its header: set ELASTIK_TRUST_PROXY_HEADER beside ELASTIK_TRUST_PROXY_FROM",
    );
  }
  if (ranges.length === 0) {
    throw new TypeError(
      `Cannot trust ${trustHeader} from everyone: set ELASTIK_TRUST_PROXY_FROM to the proxy's address`,
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
    `Cannot trust the proxy ${JSON.stringify(text)}: write an IP address or a CIDR block`,
  );
}

/** The client when no header is believed. */
function directClient(peer: string, headers: Headers): ClientAddress {
  if (peer === "127.0.0.1") return hasProxyHeader(headers) ? remote(peer) : LOCAL_V4;
  if (peer === "::1") return hasProxyHeader(headers) ? remote(peer) : LOCAL_V6;
  if (!couldBeLoopback(peer)) return remote(peer);
  const ip = parseIp(peer);
  if (ip === undefined) return remote(peer);
  return { address: ip.text, loopback: isLoopback(ip) && !hasProxyHeader(headers) };
}

/** Spares most remote peers the parsing: every spelling of a loopback address begins like this. */
function couldBeLoopback(peer: string): boolean {
  return peer.startsWith("127.") || peer.startsWith(":") || peer.startsWith("0");
}

function remote(address: string): ClientAddress {
  return { address, loopback: false };
}

function hasProxyHeader(headers: Headers): boolean {
  for (const name of PROXY_HEADERS) {
    if (headers.has(name)) return true;
  }
  return false;
}

/**
 * Walks from the trusted peer outwards to the first hop that is not trusted. Where all are, the
 * outermost is the client; it is local only if every hop is, since another machine's loopback is not
 * ours. What cannot be read is somebody unknown, so the last hop that could be read stands in.
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
