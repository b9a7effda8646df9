/**
 * What a request waits for if several servers share the store. Their memory follows the database: a
 * plain read can be a moment behind another server, and a server that has lost the database answers no
 * request, because its accounts and grants are in memory too. Requests about the server itself are
 * always answered.
 */

import { wantsFresh } from "../http/cache_control.ts";
import { type Store, StoreError } from "../world/store.ts";
import type { RequestContext } from "./request_context.ts";

/** Paths about the server itself. */
const ABOUT_SERVER: ReadonlySet<string> = new Set([
  "/proc/health",
  "/proc/metrics",
  "/proc/status",
  "/proc/uptime",
  "/proc/version",
]);

/** Methods that only read. */
const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "PROPFIND"]);

/**
 * Returns what a request must wait for before it is answered; undefined if nothing.
 *
 * @throws {StoreError} `unreachable` if the server has lost the database; the promise also rejects so
 */
export function waitForStore(
  store: Pick<Store, "readable" | "refresh">,
  { request, headers = request.headers, target: { path } }: RequestContext,
): Promise<void> | undefined {
  if (ABOUT_SERVER.has(path)) return undefined;
  if (!store.readable) {
    throw new StoreError("unreachable", "Cannot answer: the database is not followed any more");
  }
  const wantsRefresh = wantsFresh(headers.get("cache-control")) && READS.has(request.method);
  return wantsRefresh ? store.refresh() : undefined;
}
