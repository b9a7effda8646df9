/**
 * Checks whether a host that a plugin declares is this server. Deno denies the server's port to a
 * cell that is a process, but cannot deny it to a Worker of the server. So a Worker must not be
 * granted it: from this host the plugin would be a local caller, whatever its grants are.
 */

import { isLoopback, parseIp } from "../../http/ip_address.ts";

/**
 * Returns why a Worker must not be granted a host, or undefined if it may be granted. A name that
 * DNS resolves to this host is not detected (documented in `/usr/share/doc/plugins.md`).
 *
 * @param host `host` or `host:port` in lower case, as a plugin declares it
 * @param port port of this server
 * @param own address on which this server listens
 */
export function ownPortFault(host: string, port: number, own: string): string | undefined {
  const declaredPort = /:(\d+)$/.exec(host.replace(/^\[[^\]]*\]/, ""))?.[1];
  if (declaredPort !== undefined && Number(declaredPort) !== port) return undefined;
  const name = (declaredPort === undefined ? host : host.slice(0, -declaredPort.length - 1))
    .replace(/^\[|\]$/g, "");
  if (!isLocalHost(name) && name !== own.toLowerCase()) return undefined;
  return declaredPort === undefined
    ? `${host} without a port includes this server; name the port`
    : `${host} is this server`;
}

function isLocalHost(name: string): boolean {
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  const ip = parseIp(name);
  if (ip === undefined) return false;
  return isLoopback(ip) || ip.text === "0.0.0.0" || ip.groups.every((group) => group === 0);
}
