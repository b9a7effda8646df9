/**
 * Paths that nothing answers for, and the plugin that may resolve them. It is asked only once a 404 is
 * certain, only for somebody who came by a connection, and only about what they may read anyway; when
 * it fails, declines or says what it may not, the plain 404 stands. Nothing here knows that plugin.
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

/** RFC 7240 §4.4: who says so wants the 404 and no guess. */
const STRICT = /(?:^|[,;])\s*handling\s*=\s*"?strict"?\s*(?:[,;]|$)/i;
/** Headers that ask about one representation of exactly this path. */
const ABOUT_BYTES = [
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
];

/** See the module. */
export class Fallback {
  readonly #server: ServerContext;
  /** Until when the fallback is not asked again, by caller and path. */
  readonly #declined = new Map<string, number>();
  #unwatch: (() => void) | undefined;

  constructor(server: ServerContext) {
    this.#server = server;
  }

  /**
   * Asks the fallback about a path of which it is certain that nothing is there.
   *
   * @returns its answer, or `undefined`, which means the plain 404; never throws
   */
  resolve(context: RequestContext): Promise<Response | undefined> | undefined {
    const { fallback } = this.#server.plugins;
    if (fallback === undefined) return undefined;
    const { caller, target } = context;
    const key = `${caller.by}\n${target.path}${target.isCollection ? "/" : ""}`;
    // First, since who asks for the same again and again shall not pay for what else is looked at.
    if (this.#hasDeclined(key) || !this.#concerns(context)) return undefined;
    if (!decideFallback(caller, target.path, fallback.auth).allowed) return undefined;
    return this.#ask(context, fallback, key);
  }

  async #ask(
    context: RequestContext,
    fallback: PluginMatch,
    key: string,
  ): Promise<Response | undefined> {
    const { log } = this.#server;
    const { request, target } = context;
    try {
      const answer = await fallback.handle(context);
      if (this.#takes(context, answer)) return answer;
      await answer.body?.cancel();
    } catch (error) {
      if (isClientGone(error)) return undefined;
      // The caller is told nothing; what went wrong is for the operator, as every failure is.
      const words = error instanceof Problem ? `${error.status} ${error.detail}` : String(error);
      log(`fallback failed: ${request.method} ${target.path.slice(0, 200)}: ${words}`);
    }
    this.#remember(key);
    return undefined;
  }

  /** Whether a path is one that may be resolved, and its caller one who would want that. */
  #concerns({ request, target, depth }: RequestContext): boolean {
    // A plugin asks for what it names. It may be the fallback itself, which would never come to an end.
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
    // A page's own requests: the shell asks whether a world is there, and would take another for it.
    const mode = headers.get("sec-fetch-mode");
    if (mode !== null && mode !== "navigate") return false;
    if (parseStatePath(name) !== undefined) return false;
    if (!this.#isAbsent(name) || isStrict(headers)) return false;
    return !ABOUT_BYTES.some((header) => headers.has(header));
  }

  #isAbsent(name: string): boolean {
    const { store } = this.#server;
    return name.includes("/") && store.stat(name) === undefined && !store.isCollection(name);
  }

  /** Whether an answer may stand in the 404's place. */
  #takes({ target, caller }: RequestContext, answer: Response): boolean {
    const { status, headers } = answer;
    if (status === 404 && !headers.has("content-type")) return false;
    const world = isInNamespace(target.name);
    // Elsewhere the fallback may serve what it likes, but what a capability does not cover it only
    // points at: whoever follows is asked for their right again.
    if (!world && caller.scope === undefined) return status < 500;
    // Somebody may have made the world while the fallback thought about it.
    if (world && !this.#isAbsent(target.name)) return false;
    if (status === 303) return /^\/(?![/\\])/.test(headers.get("location") ?? "");
    return status === 300 || status === 404;
  }

  #hasDeclined(key: string): boolean {
    const until = this.#declined.get(key);
    return until !== undefined && this.#server.now() < until;
  }

  /** Keeps who asks for the same again and again from the plugin, until a world changes. */
  #remember(key: string): void {
    if (this.#declined.size >= FALLBACK_DECLINE_CACHE_ENTRIES) this.#declined.clear();
    this.#declined.set(key, this.#server.now() + FALLBACK_DECLINE_MS);
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
