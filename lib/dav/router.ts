/**
 * The handler of `/dav`: worlds as a file system, WebDAV class 1 and 2 (RFC 4918). The resource
 * `/dav/home/a.txt` is the world `/home/a.txt`, with the same tiers, store and events. This module
 * chooses the method, evaluates the If header and converts problems to XML. It is loaded with the
 * first request.
 */

import { DAV_HEADERS } from "./resource/dav_headers.ts";
import { davErrorResponse, DavProblem } from "./resource/dav_problem.ts";
import type { DavLimiter } from "./resource/dav_limiter.ts";
import { toWorldTarget } from "./resource/destination.ts";
import { get } from "./methods/get.ts";
import { lock, unlock } from "./methods/lock.ts";
import { evaluateIfHeader } from "./locks/lock_guard.ts";
import type { Locks } from "./locks/locks.ts";
import { mkcol } from "./methods/mkcol.ts";
import { hasMounts, isMountPath } from "./resource/mount_client.ts";
import { handleMount } from "./methods/mount_methods.ts";
import { propfind } from "./methods/propfind.ts";
import { proppatch } from "./methods/proppatch.ts";
import { put } from "./methods/put.ts";
import { deleteResource } from "./methods/delete.ts";
import { createDavContext, type DavContext, type DavRequest } from "./methods/dav_context.ts";
import { copyMove } from "./methods/copy_move.ts";
import { movePlain } from "./methods/move_plain.ts";
import type { RequestContext } from "../request/request_context.ts";
import { formatAllow } from "../request/requested_access.ts";
import { Problem } from "../http/problem.ts";
import type { ServerContext } from "../request/server_context.ts";

type Method = (context: DavContext, davRequest: DavRequest) => Promise<Response> | Response;

const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["OPTIONS", options],
  ["GET", get],
  ["HEAD", get],
  ["PUT", put],
  ["DELETE", deleteResource],
  ["PROPFIND", propfind],
  ["PROPPATCH", proppatch],
  ["MKCOL", mkcol],
  ["COPY", copyMove],
  ["MOVE", copyMove],
  ["LOCK", lock],
  ["UNLOCK", unlock],
]);
const METHOD_NAMES = [...METHODS.keys()];
/** Methods that change nothing; their If header is not evaluated. */
const READS: ReadonlySet<string> = new Set(["OPTIONS", "GET", "HEAD", "PROPFIND"]);

const NO_TOKENS: ReadonlySet<string> = new Set();

/** Only Basic, because programs that mount file systems ask for a password, not for a token. */
const CHALLENGE = 'Basic realm="elastik", charset="UTF-8"';

/** Handles all requests at or below `/dav`. */
export class DavRouter {
  readonly #context: DavContext;

  /** @param locks the lock table of the server, which is also checked for writes on plain paths */
  constructor(server: ServerContext, locks: Locks, limiter?: DavLimiter) {
    this.#context = createDavContext(server, locks, limiter);
    // A shared store ends them with the world: here a lock could be one that was granted later.
    if (locks.isShared) return;
    // The locks of a deleted world are removed, whatever deleted it (RFC 4918 §9.6).
    server.store.watch("/", ({ kind, name }) => {
      if (kind !== "delete") return;
      locks.releaseAt(`/${name}`).catch((error) =>
        server.log(`cannot remove the locks of /${name}: ${error}`, "locks")
      );
    });
  }

  /**
   * Handles one request. Synchronous if the method is.
   *
   * @throws {Problem} problems for which WebDAV defines no XML response
   */
  handle(context: RequestContext): Promise<Response> | Response {
    const { request, target, caller, connection } = context;
    const world = toWorldTarget(target);
    const { plugins } = this.#context.server;
    const isMount = world !== undefined && isMountPath(world.path);
    if (isMount && plugins.readingRoutes !== undefined) {
      return plugins.readingRoutes.then(() => this.handle(context));
    }
    if (isMount && hasMounts(plugins)) {
      return handleMount(this.#context, plugins, { ...context, target: world })
        .catch((error) => toDavResponse(error, request.method, { caller, target: world }));
    }
    const method = METHODS.get(request.method);
    if (world === undefined || method === undefined) {
      const allow = allowOf(world === undefined ? context : { caller, target: world });
      throw new Problem(
        "method-not-allowed",
        `Cannot ${request.method} ${target.path}: allowed are ${allow}`,
        { allow },
      );
    }
    try {
      const davRequest = {
        request,
        target: world,
        caller,
        ...(connection === undefined ? {} : { connection }),
        submitted: NO_TOKENS,
      };
      const response = request.headers.has("if") && !READS.has(request.method)
        ? this.#handleConditional(method, davRequest)
        : method(this.#context, davRequest);
      return response instanceof Promise
        ? response.catch((error) => toDavResponse(error, request.method, { caller, target: world }))
        : response;
    } catch (error) {
      return toDavResponse(error, request.method, { caller, target: world });
    }
  }

  /**
   * Handles MOVE on a plain path.
   *
   * @throws {Problem} all problems, none as XML
   */
  async movePlain(context: RequestContext): Promise<Response> {
    return await movePlain(this.#context, context);
  }

  async #handleConditional(method: Method, davRequest: DavRequest): Promise<Response> {
    const { locks, server: { store } } = this.#context;
    const { request, target, caller } = davRequest;
    const { submitted } = await evaluateIfHeader(request, target.path, caller, locks, store);
    return await method(this.#context, { ...davRequest, submitted });
  }
}

/** Converts an error to the form that WebDAV clients know; throws all others. */
function toDavResponse(
  error: unknown,
  method: string,
  context: Pick<RequestContext, "caller" | "target">,
): Response {
  if (error instanceof DavProblem) return davErrorResponse(error);
  if (error instanceof Problem && error.status === 401) {
    throw new Problem(error.type, error.detail, { "www-authenticate": CHALLENGE });
  }
  if (error instanceof Problem && error.status === 405 && error.headers.allow === undefined) {
    // RFC 9110 §15.5.6 requires Allow: the resource exists, but is of another kind.
    const allow = allowOf(context, METHOD_NAMES.filter((name) => name !== method));
    throw new Problem(error.type, error.detail, { ...error.headers, allow });
  }
  throw error;
}

function options(_context: DavContext, davRequest: DavRequest): Response {
  return new Response(null, {
    status: 200,
    headers: { ...DAV_HEADERS, "allow": allowOf(davRequest) },
  });
}

/**
 * The methods that a caller may use. Programs that mount file systems ask before they send a credential
 * and mount read-only if writing is missing, so a caller without one gets all methods.
 */
function allowOf(
  context: Pick<RequestContext, "caller" | "target">,
  methods: readonly string[] = METHOD_NAMES,
): string {
  const { caller } = context;
  const isAsking = caller.authenticated !== true && caller.tier === "T1";
  return isAsking ? methods.join(", ") : formatAllow(context, methods);
}
