/**
 * IP addresses as bytes, so that every spelling of one address compares equal, and address ranges.
 * An IPv4 address and its IPv4-mapped IPv6 form (RFC 4291 §2.5.5.2) are the same address here. No
 * name is ever resolved, and no lenient spelling (`127.1`, octal, a zone) is an address.
 */

import { isIPv6 } from "node:net";

/** One address, in its 16-byte form. */
export interface IpAddress {
  readonly bytes: Uint8Array;
  readonly v4: boolean;
  /** Dotted for IPv4, mapped or not; else the lower-case text it was read from. */
  readonly text: string;
}

/** Whether an address lies in a range. */
export type IpRange = (address: IpAddress) => boolean;

const MAPPED_BITS = 96;

/** Reads an address, or says `undefined`. */
export function parseIp(text: string): IpAddress | undefined {
  const mapped = v4Bytes(text);
  if (mapped !== undefined) return { bytes: mapped, v4: true, text };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const bytes = v6Bytes(text);
  if (!isMapped(bytes)) return { bytes, v4: false, text: text.toLowerCase() };
  return { bytes, v4: true, text: bytes.subarray(12).join(".") };
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback({ v4, bytes }: IpAddress): boolean {
  if (v4) return bytes[12] === 127;
  return bytes[15] === 1 && bytes.subarray(0, 15).every((byte) => byte === 0);
}

/**
 * Reads an address or a CIDR block (RFC 4632 §3.1, RFC 4291 §2.3); bits beyond its length are not
 * looked at. A block of IPv6 holds no IPv4 address unless it is itself a mapped one.
 *
 * @returns `undefined` when the text is neither
 */
export function parseRange(text: string): IpRange | undefined {
  const slash = text.indexOf("/");
  const base = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (base === undefined) return undefined;
  const written = slash < 0 ? undefined : text.slice(slash + 1);
  const dotted = !text.includes(":");
  const length = written === undefined ? 128 : Number(written) + (dotted ? MAPPED_BITS : 0);
  if (written !== undefined && String(Number(written)) !== written) return undefined;
  const least = base.v4 ? MAPPED_BITS : 0;
  if (!Number.isInteger(length) || length < least || length > 128) return undefined;
  return (address) => address.v4 === base.v4 && samePrefix(address.bytes, base.bytes, length);
}

function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let at = 0, left = bits; left > 0; at++, left -= 8) {
    const differ = (a[at] ?? 0) ^ (b[at] ?? 0);
    if ((left >= 8 ? differ : differ >> (8 - left)) !== 0) return false;
  }
  return true;
}

/** The mapped bytes of four plain decimal numbers; a loop, since every proxied request comes by. */
function v4Bytes(text: string): Uint8Array | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  let packed = 0;
  let dots = 0;
  let value = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x2e) {
      if (value < 0 || ++dots > 3) return undefined;
      packed = packed * 256 + value;
      value = -1;
    } else {
      if (code < 0x30 || code > 0x39 || value === 0) return undefined;
      value = Math.max(value, 0) * 10 + code - 0x30;
      if (value > 255) return undefined;
    }
  }
  if (dots !== 3 || value < 0) return undefined;
  const bytes = new Uint8Array(16);
  bytes[10] = bytes[11] = 0xff;
  bytes[12] = packed >> 16;
  bytes[13] = packed >> 8;
  bytes[14] = packed;
  bytes[15] = value;
  return bytes;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff &&
    bytes.subarray(0, 10).every((byte) => byte === 0);
}

/** The bytes of a text that `isIPv6` has accepted. */
function v6Bytes(text: string): Uint8Array {
  const [head = "", tail] = text.split("::");
  const bytes = new Uint8Array(16);
  bytes.set(groupBytes(head));
  if (tail !== undefined) {
    const end = groupBytes(tail);
    bytes.set(end, 16 - end.length);
  }
  return bytes;
}

function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
