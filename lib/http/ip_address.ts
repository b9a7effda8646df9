/**
 * IP addresses as numbers, so that all spellings of one address compare equal, and address ranges.
 * An IPv4 address and its IPv4-mapped IPv6 form (RFC 4291 §2.5.5.2) are the same address here.
 * Names are never resolved, and lenient spellings (`127.1`, octal, a zone) are rejected.
 */

/** A parsed IP address. */
export interface IpAddress {
  /** Eight groups of 16 bits; an IPv4 address is in its IPv6-mapped form. */
  readonly groups: readonly number[];
  readonly v4: boolean;
  /** Dotted decimal for IPv4, mapped or not; otherwise the parsed text in lower case. */
  readonly text: string;
}

/** Returns whether an address is in the range. */
export type IpRange = (address: IpAddress) => boolean;

const MAPPED_BITS = 96;

/**
 * Parses an IPv4 or IPv6 address.
 *
 * @returns the address, or undefined if the text is malformed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { parseIp } from "./ip_address.ts";
 *
 * strictEqual(parseIp("192.0.2.7")?.v4, true);
 * strictEqual(parseIp("192.0.2.007"), undefined);
 * ```
 */
export function parseIp(text: string): IpAddress | undefined {
  const packed = packV4(text);
  if (packed >= 0) return { groups: mappedGroups(packed), v4: true, text };
  if (!isV6(text)) return undefined;
  const groups = v6Groups(text);
  if (!isMapped(groups)) return { groups, v4: false, text: text.toLowerCase() };
  const [high = 0, low = 0] = groups.slice(6);
  return { groups, v4: true, text: `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` };
}

/**
 * Checks whether an address is in 127.0.0.0/8 or is ::1.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isLoopback, parseIp } from "./ip_address.ts";
 *
 * const address = parseIp("127.0.0.1");
 * strictEqual(address !== undefined && isLoopback(address), true);
 * ```
 */
export function isLoopback({ v4, groups }: IpAddress): boolean {
  if (v4) return (groups[6] ?? 0) >> 8 === 127;
  return groups.every((group, at) => group === (at === 7 ? 1 : 0));
}

/**
 * Parses an address or a CIDR block (RFC 4632 §3.1, RFC 4291 §2.3). Bits beyond the prefix length
 * are ignored. An IPv6 block contains IPv4 addresses only if it is an IPv4-mapped block.
 *
 * @returns a test for addresses, or undefined if the text is malformed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { parseIp, parseIpRange } from "./ip_address.ts";
 *
 * const contains = parseIpRange("192.0.2.0/24");
 * const address = parseIp("192.0.2.7");
 * strictEqual(address !== undefined && contains?.(address), true);
 * strictEqual(parseIpRange("192.0.2.0/33"), undefined);
 * ```
 */
export function parseIpRange(text: string): IpRange | undefined {
  const slash = text.indexOf("/");
  const base = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (base === undefined) return undefined;
  const written = slash < 0 ? undefined : text.slice(slash + 1);
  const dotted = !text.includes(":");
  const length = written === undefined ? 128 : Number(written) + (dotted ? MAPPED_BITS : 0);
  if (written !== undefined && String(Number(written)) !== written) return undefined;
  const minLength = base.v4 ? MAPPED_BITS : 0;
  if (!Number.isInteger(length) || length < minLength || length > 128) return undefined;
  return (address) => address.v4 === base.v4 && samePrefix(address.groups, base.groups, length);
}

function samePrefix(a: readonly number[], b: readonly number[], bits: number): boolean {
  for (let at = 0, left = bits; left > 0; at++, left -= 16) {
    const differ = (a[at] ?? 0) ^ (b[at] ?? 0);
    if ((left >= 16 ? differ : differ >> (16 - left)) !== 0) return false;
  }
  return true;
}

/**
 * Parses dotted decimal into one number; -1 if malformed. A loop, because it runs for every proxied
 * request.
 */
function packV4(text: string): number {
  if (text.length < 7 || text.length > 15) return -1;
  let packed = 0;
  let dots = 0;
  let value = -1;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit === -2) {
      if (value < 0 || ++dots > 3) return -1;
      packed = packed * 256 + value;
      value = -1;
      continue;
    }
    if (digit < 0 || digit > 9 || value === 0) return -1;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return -1;
  }
  return dots === 3 && value >= 0 ? packed * 256 + value : -1;
}

function mappedGroups(packed: number): number[] {
  return [0, 0, 0, 0, 0, 0xffff, packed >>> 16, packed & 0xffff];
}

function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.every((group, at) => at >= 5 || group === 0);
}

/**
 * The URL parser has the grammar (WHATWG URL §3.5) and is always loaded; `node:net` would cost
 * megabytes.
 */
function isV6(text: string): boolean {
  return text.includes(":") && /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]`);
}

/** The groups of a text that `isV6` accepted. */
function v6Groups(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const first = groupsOf(head);
  if (tail === undefined) return first;
  const last = groupsOf(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return parseInt(group, 16);
    return mappedGroups(packV4(group)).slice(6);
  });
}
