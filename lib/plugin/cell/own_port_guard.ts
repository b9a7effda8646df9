/**
 * Whether a host that a plugin asks for is the machine itself. A cell that is a process is denied the
 * machine's own port by the runtime; one that is a Worker of the server is not, so there it must not be
 * granted in the first place: from this host a plugin would be a local caller, whatever its grants.
 */

import { isLoopback, parseIp } from "../../http/ip_address.ts";

/**
 * Says why a Worker of the server may not be granted a host, or `undefined` when it may. A name that
 * merely resolves to this host is not found out; `/usr/share/doc/plugins.md` says so.
 *
 * @param host `host` or `host:port`, lower case, as a plugin declares it
 * @param port the machine's own
 * @param own the address the machine listens on
 */
export function ownPortFault(host: string, port: number, own: string): string | undefined {
  const asked = /:(\d+)$/.exec(host.replace(/^\[[^\]]*\]/, ""))?.[1];
  if (asked !== undefined && Number(asked) !== port) return undefined;
  const name = (asked === undefined ? host : host.slice(0, -asked.length - 1))
    .replace(/^\[|\]$/g, "");
  if (!isHere(name) && name !== own.toLowerCase()) return undefined;
  return asked === undefined
    ? `${host} without a port is the machine itself as well; name the port`
    : `${host} is the machine itself`;
}

function isHere(name: string): boolean {
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  const ip = parseIp(name);
  if (ip === undefined) return false;
  return isLoopback(ip) || ip.text === "0.0.0.0" || ip.groups.every((group) => group === 0);
}
