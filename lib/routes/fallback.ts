/**
 * The fallback: a plugin that may answer GET and HEAD instead of a 404. It is called only if all of
 * this holds:
 *
 * - No route answers, and no world or collection exists at the path.
 * - The request came from a client, not from a plugin.
 * - The caller has the tier that the fallback declares.
 * - The client did not send `Prefer: handling=strict`.
 * - In a namespace, the request asks for a page or the bytes: it has no condition, no range, and no
 *   query except `raw`.
 *
 * If the fallback declines, fails, or answers with a status that is not allowed, the 404 is sent.
 * This module does not depend on a particular plugin.
 */

import { decideFallback } from "../auth/policy.ts";
import { isClientGone, type RequestContext } from "../request/request_context.ts";
import { Problem } from "../http/problem.ts";
import { FALLBACK_DECLINE_CACHE_ENTRIES, FALLBACK_DECLINE_MS } from "../limits.ts";
import type { ServerContext } from "../request/server_context.ts";
import { RESERVED_SEGMENTS } from "../request/core_routes.ts";
import type { PluginMatch } from "../request/plugin_routes.ts";
import { isInNamespace } from "../world/name.ts";
import { parseStatePath } from "./plugin_state.ts";

/** RFC 7240 §4.4: the client wants the 404 and no suggestion. */
const STRICT = /(?:^|[,;])\s*handling\s*=\s*"?strict"?\s*(?:[,;]|$)/i;
/** Headers that refer to one representation of exactly this path. */
const REPRESENTATION_HEADERS = [
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
];

/** Calls the fallback plugin for paths that do not exist. */
export class Fallback {
  readonly #server: ServerContext;
  /** Time until which the fallback is not called again, by caller and path. */
  readonly #declined = new Map<string, number>();
  #unwatch: (() => void) | undefined;

  constructor(server: ServerContext) {
    this.#server = server;
  }

  /**
   * Calls the fallback for a path that certainly does not exist. Never throws.
   *
   * @returns its response; undefined means that the 404 is sent
   */
  resolve(context: RequestContext): Promise<Response | undefined> | undefined {
    const { fallback } = this.#server.plugins;
    if (fallback === undefined) return undefined;
    const { caller, target } = context;
    const key = `${caller.by}\n${target.path}${target.isCollection ? "/" : ""}`;
    // Checked first, so that repeated requests for one path skip the other checks.
    if (this.#hasDeclined(key) || !this.#isEligible(context)) return undefined;
    if (!decideFallback(caller, target.path, fallback.auth).allowed) return undefined;
    return this.#call(context, fallback, key);
  }

  async #call(
    context: RequestContext,
    fallback: PluginMatch,
    key: string,
  ): Promise<Response | undefined> {
    const { log } = this.#server;
    const { request, target } = context;
    try {
      const response = await fallback.handle(context);
      if (this.#isAcceptable(context, response)) return response;
      await response.body?.cancel();
    } catch (error) {
      if (isClientGone(error, request)) return undefined;
      // The client gets the 404; the failure is logged for the operator.
      const reason = error instanceof Problem ? `${error.status} ${error.detail}` : String(error);
      log(`fallback failed: ${request.method} ${target.path.slice(0, 200)}: ${reason}`, "fallback");
    }
    this.#rememberDecline(key);
    return undefined;
  }

  /** Checks whether this request can be resolved by the fallback. */
  #isEligible({ request, target, depth }: RequestContext): boolean {
    // Plugins request exact paths. The fallback itself may be the requester, which would never end.
    if (depth !== undefined) return false;
    const { method, headers } = request;
    if (method !== "GET" && method !== "HEAD") return false;
    const { name, path, query } = target;
    if (!isInNamespace(name)) {
      const [first = ""] = name.split("/", 1);
      const core = RESERVED_SEGMENTS.has(first) || first === "dev" || first === "mnt";
      return !core && this.#server.plugins.match(path) === undefined && !isStrict(headers);
    }
    if (query !== "" && query !== "raw") return false;
    // Only navigations. The shell requests worlds itself to check whether they exist.
    const mode = headers.get("sec-fetch-mode");
    if (mode !== null && mode !== "navigate") return false;
    if (parseStatePath(name) !== undefined) return false;
    if (!this.#isAbsent(name) || isStrict(headers)) return false;
    return !REPRESENTATION_HEADERS.some((header) => headers.has(header));
  }

  #isAbsent(name: string): boolean {
    const { store } = this.#server;
    return name.includes("/") && store.stat(name) === undefined && !store.isCollection(name);
  }

  /** Checks whether a response can replace the 404. */
  #isAcceptable({ target, caller }: RequestContext, response: Response): boolean {
    const { status, headers } = response;
    if (status === 404 && !headers.has("content-type")) return false;
    const world = isInNamespace(target.name);
    // Outside the namespaces the fallback can send any content. For a path that a capability does
    // not cover it can only link: the linked path is checked again.
    if (!world && caller.scope === undefined) return status < 500;
    // Another request may have created the world since.
    if (world && !this.#isAbsent(target.name)) return false;
    if (status === 303) return /^\/(?![/\\])/.test(headers.get("location") ?? "");
    return status === 300 || status === 404;
  }

  #hasDeclined(key: string): boolean {
    const until = this.#declined.get(key);
    return until !== undefined && this.#server.monotonic() < until;
  }

  /** Remembers that the fallback declined, for a short time and until any world changes. */
  #rememberDecline(key: string): void {
    if (this.#declined.size >= FALLBACK_DECLINE_CACHE_ENTRIES) this.#declined.clear();
    this.#declined.set(key, this.#server.monotonic() + FALLBACK_DECLINE_MS);
    this.#unwatch ??= this.#server.store.watch("/", () => {
      this.#declined.clear();
      this.#unwatch?.();
      this.#unwatch = undefined;
    });
  }
}

function isStrict(headers: Headers): boolean {
  const prefer = headers.get("prefer");
  return prefer !== null && STRICT.test(prefer);
}
