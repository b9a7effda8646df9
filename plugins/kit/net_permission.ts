/** Network permissions of a plugin: which hosts can be named, and how. */

const HOST_NAME =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;

/**
 * Tests whether a host can be named in a permission: a domain name, an IPv4 address, or an IPv6
 * address in brackets.
 *
 * @param hostname as `URL.hostname` has it
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isPermittedHost } from "./net_permission.ts";
 *
 * strictEqual(isPermittedHost("api.example.org"), true);
 * strictEqual(isPermittedHost("*.example.org"), false);
 * ```
 */
export function isPermittedHost(hostname: string): boolean {
  return HOST_NAME.test(hostname);
}

/**
 * Returns the host of a URL as a permission names it, with the default port of the scheme if the URL
 * has none.
 *
 * @param url an `http` or `https` URL
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { hostAndPort } from "./net_permission.ts";
 *
 * strictEqual(hostAndPort(new URL("https://api.example.org/v1")), "api.example.org:443");
 * ```
 */
export function hostAndPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`;
}
