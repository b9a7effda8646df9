/**
 * What a request waits for if several servers share the store. Their memory follows the database: a
 * plain read can be a moment behind another server, and a server that has lost the database answers no
 * request, because its accounts and grants are in memory too. Requests about the server itself are
 * always answered.
 *
 * The gate authenticates with memory too. So memory follows before the caller counts: a credential that
 * another server withdrew ends with the lease at the latest, and none is refused that another server has
 * given before.
 */

import { wantsFresh } from "../http/cache_control.ts";
import { Problem } from "../http/problem.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import type { Caller } from "../auth/caller.ts";
import { assertAllowed, CHALLENGE, decideCredential } from "../auth/policy.ts";
import { type Store, StoreError } from "../world/store.ts";
import type { CallerCheck } from "../world/write_checks.ts";
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

/** Folders that can contain config worlds, and methods that name a second path. */
const CONFIG_PATH = /^\/(?:dav\/)?(?:etc|usr|var)\//;
const TWO_PATHS: ReadonlySet<string> = new Set(["COPY", "MOVE"]);

const HEADER = "elastik-at";
/** A position, as `Store.position` of any server returns it: a UUID in lower case. */
const POSITION = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Returns what a request must wait for before it is answered; undefined if nothing. A server that did
 * not follow the database for a moment, because its process was stopped, asks it before it refuses.
 *
 * @param isLinearizable whether every request must see what any server acknowledged before it
 * @throws {Problem} `bad-header` for an invalid `Elastik-At`
 * @throws {StoreError} `unreachable`: the promise rejects if the server has lost the database
 */
export function waitForStore(
  store: Pick<Store, "readable" | "refresh" | "reached" | "position">,
  { request, headers = request.headers, target: { path }, caller }:
    & Omit<RequestContext, "caller">
    & Partial<Pick<RequestContext, "caller">>,
  isLinearizable = false,
): Promise<void> | undefined {
  if (ABOUT_SERVER.has(path)) return undefined;
  const isRead = READS.has(request.method);
  const position = headers.get(HEADER);
  if (position !== null && !POSITION.test(position)) {
    throw new Problem(
      "bad-header",
      `Cannot ${request.method} ${path}: Elastik-At is not the value of a response header Elastik-At`,
    );
  }
  // What a change keeps of a world, such as its extension, is read from memory too.
  const wantsRefresh = isLinearizable || isRead && wantsFresh(headers.get("cache-control")) ||
    isConfigChange(request.method, path, caller);
  // A refresh shows everything, also what the position covers.
  if (!store.readable || wantsRefresh) return store.refresh();
  if (position === null) return undefined;
  if (isRead) return store.reached(position);
  // What waits for everything is judged once; see judge_again.ts.
  return position === store.position ? undefined : store.refresh();
}

/**
 * Whether a plugin can change a config world with the rights of its caller. Another server may have
 * approved a plugin of which it is one a moment ago, and then the change is refused.
 */
function isConfigChange(method: string, path: string, caller: Caller | undefined): boolean {
  return caller?.delegation !== undefined && !WITHOUT_CHANGES.has(method) &&
    (TWO_PATHS.has(method) || CONFIG_PATH.test(path));
}

/**
 * Returns what must be waited for before the caller of a request counts, and everything that
 * {@link waitForStore} returns; undefined if the caller counts already. Then it must be authenticated
 * again. A refusal always waits.
 *
 * @param context the request
 * @param caller who sent it, as memory says
 * @throws {Problem} as {@link waitForStore}
 * @throws {StoreError} `unreachable`, as a rejection: the server has lost the database, so it does not
 * know the accounts and the revoked capabilities
 */
export function waitForCaller(
  { store, authenticator }: {
    readonly store: Pick<
      Store,
      "isShared" | "readable" | "refresh" | "reached" | "position" | "health"
    >;
    readonly authenticator: Pick<Authenticator, "isFromStore" | "pending">;
  },
  context: Omit<RequestContext, "caller">,
  caller: Caller,
  isLinearizable = false,
): Promise<void> | undefined {
  if (!store.isShared || !authenticator.isFromStore(caller)) return undefined;
  // Memory may answer for longer, but it does not know then whether the credential was withdrawn.
  const isLost = !store.readable || store.health().cluster?.isStale === true;
  if (isLost && ABOUT_SERVER.has(context.target.path)) {
    const message = "the accounts and the revoked capabilities are not known";
    return Promise.reject(new StoreError("unreachable", message));
  }
  const mustFollow = isLost || caller.rejected === true;
  const waiting = waitForStore(store, context, isLinearizable || mustFollow) ??
    (mustFollow ? store.refresh() : undefined);
  return waiting?.then(() => authenticator.pending) ?? authenticator.pending;
}

/**
 * Returns the check of the caller of a request that runs right before its changes are made: a credential
 * that ended while the request waited for the database changes nothing any more, and neither does a plugin
 * that was disabled.
 */
export function checkCaller(
  authenticator: Pick<Authenticator, "isCurrent" | "pending">,
  { request, caller, target: { path } }: RequestContext,
): CallerCheck {
  return {
    pending: () => authenticator.pending,
    run() {
      if (caller.isEnded?.() === true) {
        throw new Problem(
          "forbidden",
          `Cannot ${request.method} ${path}: the plugin was disabled, deleted or replaced in the meantime`,
        );
      }
      if (authenticator.isCurrent(caller)) return;
      throw new Problem(
        "unauthorized",
        `Cannot ${request.method} ${path}: the credential expired, was changed or revoked in the meantime`,
        { "www-authenticate": CHALLENGE },
      );
    },
  };
}

/**
 * Returns what a change fails with if the server has lost the database: a credential that is not valid,
 * whatever the database contains, is refused first, as at any other server.
 *
 * @param error what was thrown
 * @param context undefined if the gate did not admit the request, because the database decides whether
 * its credential is valid
 */
export function refuseFirst(error: unknown, context: RequestContext | undefined): unknown {
  const isLost = error instanceof StoreError && error.code === "unreachable";
  if (!isLost || context === undefined) return error;
  const { request: { method }, target: { path }, caller } = context;
  if (WITHOUT_CHANGES.has(method)) return error;
  try {
    assertAllowed(decideCredential(caller, method, path));
    return error;
  } catch (refusal) {
    return refusal;
  }
}

/**
 * Adds what a client must know of a shared store: to the response of a request that may have changed
 * something the position that covers the changes, for reads at other servers; to that of a read that
 * memory has answered although the database cannot be reached, `Age` (RFC 9111, section 5.1) and
 * `Cache-Status` (RFC 9211).
 */
export function addStoreHeaders(
  store: Pick<Store, "position" | "health">,
  context: RequestContext,
  response: Response | Promise<Response>,
): Response | Promise<Response> {
  if (response instanceof Promise) {
    return response.then((settled) => addStoreHeaders(store, context, settled));
  }
  const { request, target } = context;
  const { headers, ok } = response;
  if (READS.has(request.method) && !ABOUT_SERVER.has(target.path)) {
    const { isStale = false, leaseAgeMs = 0 } = store.health().cluster ?? {};
    if (isStale) headers.set("age", String(Math.floor(leaseAgeMs / 1000)));
    if (isStale) headers.set("cache-status", "elastik; hit; detail=stale");
  } else if (ok && !WITHOUT_CHANGES.has(request.method)) {
    const { position } = store;
    if (position !== undefined) headers.set(HEADER, position);
  }
  return response;
}
