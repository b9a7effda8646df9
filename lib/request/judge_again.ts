/**
 * Answers of a server whose memory is behind. If several servers share the store, a change is judged by
 * memory that follows the other servers. A condition, a lock or a missing world that refuses it can have
 * been true some milliseconds before only, or be something that the client itself has changed at another
 * server. The same is true of what makes a change needless. So a refusal, and a success without a change,
 * are sent only if they still hold when memory has everything that was acknowledged before: the request is
 * judged a second time if memory has changed since the first time.
 *
 * - A request that has had an effect is never repeated: one that has made a change, or that a plugin got.
 * - A change of a tree of worlds follows first and is judged once, because it must not miss a world either,
 *   and because the failures of its members are found while it makes changes.
 * - So does every change by WebDAV: it keeps what memory has, such as metadata and other properties, and a
 *   new collection or lock depends on more of memory than the database compares with it.
 * - So does the state of a plugin: it depends on the routes of others, and its refusal is an event, which is
 *   an effect.
 * - Reads are answered from memory, as far behind as their mode allows.
 *
 * A store that is not shared never comes here.
 */

import { Problem } from "../http/problem.ts";
import { keepBody } from "../http/read_body.ts";
import { type Store, StoreError, type StoreErrorCode } from "../world/store.ts";
import { withWriteChecks, WriteChecks } from "../world/write_checks.ts";
import type { RequestContext } from "./request_context.ts";

/** Methods without an answer that must be judged again. */
const WITHOUT_CHANGES: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);
/** Statuses of refusals that can depend on what is stored. */
const REFUSALS: ReadonlySet<number> = new Set([404, 405, 409, 410, 412, 422, 423, 507]);
/** Name of the state of a plugin. */
const PLUGIN_STATE = /^lib\/[^/]+\/state$/;
/** Failures of the store for which it looks at memory only. For all others it has asked the database. */
const FROM_MEMORY: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>(["absent", "quota"]);

/** The members of a shared store that decide whether a request is judged again. */
export type JudgedStore = Pick<
  Store,
  "isCollection" | "listingRevision" | "locks" | "refresh" | "seq"
>;

/** How a request ended: with a response or with an error. */
type Outcome = { readonly response: Response } | { readonly error: unknown };

/**
 * Whether a request was refused because of what the server has in memory.
 *
 * @param outcome the response, or what was thrown
 */
export function isRefusalOfMemory(outcome: Outcome): boolean {
  if ("response" in outcome) return REFUSALS.has(outcome.response.status);
  const { error } = outcome;
  if (error instanceof StoreError) return FROM_MEMORY.has(error.code);
  return error instanceof Problem && (REFUSALS.has(error.status) || error.type === "lower-layer");
}

/**
 * Whether a request says that it has succeeded, and has changed nothing: memory has what it asks for. A POST
 * asks for something new, such as a capability or a copy.
 *
 * @param method the method of a request without an effect
 * @param outcome the response, or what was thrown
 */
export function isNothingToDo(method: string, outcome: Outcome): boolean {
  return "response" in outcome && outcome.response.ok && method !== "POST";
}

/**
 * Whether a request must follow the other servers before it is judged: it can change many worlds, such as a
 * collection with all of its members, keeps a part of what is stored, or depends on other worlds.
 *
 * @param store the store, whose memory may be behind
 * @param context the request
 */
export function followsFirst(
  store: Pick<Store, "isCollection">,
  { request: { method }, target: { name, isCollection } }: Pick<
    RequestContext,
    "request" | "target"
  >,
): boolean {
  if (method === "COPY" || method === "MOVE" || name.startsWith("dav/")) return true;
  if (method === "PUT") return PLUGIN_STATE.test(name);
  return method === "DELETE" && (isCollection || store.isCollection(name));
}

/**
 * Answers a request at a server that shares its store, and judges it again if memory was behind.
 *
 * @param store the store
 * @param context the request
 * @param isCurrent whether memory has followed all servers since the request arrived
 * @param judge answers the request; called twice at most
 * @param createChecks creates the checks of each call
 * @returns the response of the last call
 * @throws what the last call throws
 * @throws {StoreError} `unreachable` if the server cannot find out whether its answer holds
 */
export async function judgeAgain(
  store: JudgedStore,
  context: RequestContext,
  isCurrent: boolean,
  judge: () => Response | Promise<Response>,
  createChecks = () => new WriteChecks(),
): Promise<Response> {
  const { request } = context;
  if (isCurrent || WITHOUT_CHANGES.has(request.method)) return await run(judge, createChecks());
  if (followsFirst(store, context)) {
    await store.refresh();
    return await run(judge, createChecks());
  }
  keepBody(request);
  const checks = createChecks();
  const memory = versionOf(store);
  const outcome = await run(judge, checks)
    .then((response) => ({ response }), (error: unknown) => ({ error }));
  const isOfMemory = isRefusalOfMemory(outcome) || isNothingToDo(request.method, outcome);
  if (!checks.hasEffect && isOfMemory) {
    await store.refresh();
    if (versionOf(store) !== memory) {
      if ("response" in outcome) await outcome.response.body?.cancel();
      return await run(judge, createChecks());
    }
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.response;
}

async function run(
  judge: () => Response | Promise<Response>,
  checks: WriteChecks,
): Promise<Response> {
  try {
    return await withWriteChecks(checks, judge);
  } finally {
    checks.end();
  }
}

/** Changes with everything in memory by which a change is judged: worlds, collections and locks. */
function versionOf({ seq, listingRevision, locks }: JudgedStore): string {
  return `${seq} ${listingRevision} ${locks?.version}`;
}
