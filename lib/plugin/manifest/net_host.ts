/**
 * Parses one network permission: `host` or `host:port`. There must be one spelling of each host, the
 * one that the runtime compares with, so that the operator approves what the plugin can reach, and so
 * that the server finds its own address in every notation.
 */

/** A permission in its only spelling, or why it cannot be granted. */
export type NetHost = { readonly host: string } | { readonly fault: string };

/** Longest name of a host, and of one of its labels, in characters (RFC 1035 §2.3.4). */
const MAX_NAME_CHARS = 253;
const MAX_LABEL_CHARS = 63;
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/**
 * Parses an entry of `permissions.net`. Upper case, IPv6 addresses in any notation and zeros before a
 * port are accepted and put in one spelling; nothing is accepted that could mean more than one host
 * and one port or all ports of it.
 *
 * @param value a name, an IPv4 address, or an IPv6 address in brackets; a port can follow
 */
export function parseNetHost(value: string): NetHost {
  const fault = (reason: string): NetHost => ({ fault: `${printable(value)} ${reason}` });
  if (value.includes("*")) return fault("contains a wildcard; name each host");
  if (value.includes("/")) {
    return fault("contains a scheme, a path or a range; give host or host:port");
  }
  const [, name = "", port] = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,9}))?$/.exec(value.toLowerCase()) ??
    [];
  if (name === "") return fault("is not of the form host, host:port or [IPv6]:port");
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    return fault("has a port that is not 1 to 65535");
  }
  const host = name.startsWith("[") ? canonicalAddress(name) : name;
  if (host === undefined) return fault("is not a valid IPv6 address");
  const nameFault = host.startsWith("[") || host !== name ? undefined : hostNameFault(host);
  if (nameFault !== undefined) return fault(nameFault);
  return { host: port === undefined ? host : `${host}:${Number(port)}` };
}

/**
 * The spelling of an IPv6 address in RFC 5952; IPv4-mapped addresses (RFC 4291 §2.5.5.2) become the IPv4
 * address, as the runtime compares them.
 */
function canonicalAddress(address: string): string | undefined {
  if (!/^\[[0-9a-f:.]+\]$/.test(address) || !URL.canParse(`http://${address}`)) return undefined;
  const { hostname } = new URL(`http://${address}`);
  const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname);
  if (mapped === null) return hostname;
  const bits = mapped.slice(1).map((group) => parseInt(group, 16));
  return bits.flatMap((group) => [group >> 8, group & 255]).join(".");
}

function hostNameFault(name: string): string | undefined {
  if (/[\p{C}\s?#@\\%,]/u.test(name)) return "contains a character that no host has";
  if (name.endsWith(".")) return "ends in a dot; leave it out";
  if (!URL.canParse(`http://${name}`)) return "is not a valid host";
  const { hostname } = new URL(`http://${name}`);
  // Another notation of an address, or a name that is not ASCII: fetch would use the other spelling.
  if (hostname !== name) return `is another spelling of ${hostname}; use that`;
  const labels = name.split(".");
  const isValid = name.length <= MAX_NAME_CHARS &&
    labels.every((label) => label.length <= MAX_LABEL_CHARS && LABEL.test(label));
  return isValid ? undefined : "is not a valid host";
}

/** The text in quotes and in ASCII: an invisible character must not hide in the message. */
function printable(text: string): string {
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
