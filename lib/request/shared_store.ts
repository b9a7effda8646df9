/**
 * What a request waits for if several servers share the store. Their memory follows the database: a
 * plain read can be a moment behind another server, and a server that has lost the database answers no
 * request, because its accounts and grants are in memory too. Requests about the server itself are
 * always answered.
 */

import { wantsFresh } from "../http/cache_control.ts";
import { Problem } from "../http/problem.ts";
import type { Store } from "../world/store.ts";
import type { RequestContext } from "./request_context.ts";

/** Paths about the server itself. */
const ABOUT_SERVER: ReadonlySet<string> = new Set([
  "/proc/health",
  "/proc/metrics",
  "/proc/status",
  "/proc/uptime",
  "/proc/version",
]);

/** Methods that read worlds. */
const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "PROPFIND"]);
/** Methods that change nothing. */
const WITHOUT_CHANGES: ReadonlySet<string> = new Set([...READS, "OPTIONS"]);

const HEADER = "elastik-at";
/** A position, as `Store.position` returns it. */
const POSITION = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * Returns what a request must wait for before it is answered; undefined if nothing. A server that did
 * not follow the database for a moment, because its process was stopped, asks it before it refuses.
 *
 * @param isLinearizable whether every request must see what any server acknowledged before it
 * @throws {Problem} `bad-header` for an invalid `Elastik-At`
 * @throws {StoreError} `unreachable`: the promise rejects if the server has lost the database
 */
export function waitForStore(
  store: Pick<Store, "readable" | "refresh" | "reached">,
  { request, headers = request.headers, target: { path } }: RequestContext,
  isLinearizable = false,
): Promise<void> | undefined {
  if (ABOUT_SERVER.has(path)) return undefined;
  const isRead = READS.has(request.method);
  const position = isRead ? headers.get(HEADER) : null;
  if (position !== null && !POSITION.test(position)) {
    throw new Problem(
      "bad-header",
      `Cannot ${request.method} ${path}: Elastik-At is not the value of a response header Elastik-At`,
    );
  }
  // What a change keeps of a world, such as its extension, is read from memory too.
  const wantsRefresh = isLinearizable || isRead && wantsFresh(headers.get("cache-control"));
  // A refresh shows everything, also what the position covers.
  if (!store.readable || wantsRefresh) return store.refresh();
  return position === null ? undefined : store.reached(position);
}

/**
 * Adds to the response of a request that may have changed something the position that covers the
 * changes, for reads at other servers.
 */
export function addPosition(
  { position }: Pick<Store, "position">,
  { request }: RequestContext,
  response: Response,
): Response {
  if (position !== undefined && response.ok && !WITHOUT_CHANGES.has(request.method)) {
    response.headers.set(HEADER, position);
  }
  return response;
}
