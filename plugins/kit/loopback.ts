/** Checks whether the host of a URL is the computer that the server runs on. */

/**
 * Tests whether a host name can only mean this computer. `x.localhost` is not accepted, because a
 * resolver can map it to any address.
 *
 * @param hostname as `URL.hostname` has it: lower case, IPv6 in brackets
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isLoopback } from "./loopback.ts";
 *
 * strictEqual(isLoopback("127.0.0.1"), true);
 * strictEqual(isLoopback("[::1]"), true);
 * strictEqual(isLoopback("example.org"), false);
 * ```
 */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
}
