/**
 * Paths that nothing answers for, and the plugin that may resolve them. It is asked only once a 404 is
 * certain, only for somebody who came by a connection, and only about what they may read anyway; when
 * it fails, declines or says what it may not, the plain 404 stands. Nothing here knows that plugin.
 */

import { mayResolve } from "../auth/policy.ts";
import { type Exchange, isCallerGone } from "../request/request_context.ts";
import { Problem } from "../http/problem.ts";
import { DECLINED_MS, DECLINES_REMEMBERED } from "../limits.ts";
import type { Machine } from "../request/server_context.ts";
import type { PluginRoute } from "../request/plugin_routes.ts";
import { inNamespace } from "../world/name.ts";
import { CORE_SEGMENTS } from "./route_list.ts";
import { pluginOfState } from "./plugin_state.ts";

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
export class Unmatched {
  readonly #machine: Machine;
  /** Until when the fallback is not asked again, by caller and path. */
  readonly #declined = new Map<string, number>();
  #unwatch: (() => void) | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * Asks the fallback about a path of which it is certain that nothing is there.
   *
   * @returns its answer, or `undefined`, which means the plain 404; never throws
   */
  resolve(exchange: Exchange): Promise<Response | undefined> | undefined {
    const { fallback } = this.#machine.plugins;
    if (fallback === undefined) return undefined;
    const { caller, target } = exchange;
    const key = `${caller.by}\n${target.path}${target.collection ? "/" : ""}`;
    // First, since who asks for the same again and again shall not pay for what else is looked at.
    if (this.#hasDeclined(key) || !this.#concerns(exchange)) return undefined;
    if (!mayResolve(caller, target.path, fallback.auth).allowed) return undefined;
    return this.#ask(exchange, fallback, key);
  }

  async #ask(
    exchange: Exchange,
    fallback: PluginRoute,
    key: string,
  ): Promise<Response | undefined> {
    const { plugins, log } = this.#machine;
    const { request, target } = exchange;
    try {
      const answer = await plugins.fetch(fallback, exchange);
      if (this.#takes(exchange, answer)) return answer;
      await answer.body?.cancel();
    } catch (error) {
      if (isCallerGone(error)) return undefined;
      // The caller is told nothing; what went wrong is for the operator, as every failure is.
      const words = error instanceof Problem ? `${error.status} ${error.detail}` : String(error);
      log(`fallback failed: ${request.method} ${target.path.slice(0, 200)}: ${words}`);
    }
    this.#remember(key);
    return undefined;
  }

  /** Whether a path is one that may be resolved, and its caller one who would want that. */
  #concerns({ request, target, depth }: Exchange): boolean {
    // A plugin asks for what it names. It may be the fallback itself, which would never come to an end.
    if (depth !== undefined) return false;
    const { method, headers } = request;
    if (method !== "GET" && method !== "HEAD") return false;
    const { name, path, query } = target;
    if (!inNamespace(name)) {
      const [first = ""] = name.split("/", 1);
      const core = CORE_SEGMENTS.has(first) || first === "dev" || first === "mnt";
      return !core && this.#machine.plugins.match(path) === undefined && !isStrict(headers);
    }
    if (query !== "" && query !== "raw") return false;
    // A page's own requests: the shell asks whether a world is there, and would take another for it.
    const mode = headers.get("sec-fetch-mode");
    if (mode !== null && mode !== "navigate") return false;
    if (pluginOfState(name) !== undefined) return false;
    if (!this.#isAbsent(name) || isStrict(headers)) return false;
    return !ABOUT_BYTES.some((header) => headers.has(header));
  }

  #isAbsent(name: string): boolean {
    const { store } = this.#machine;
    return name.includes("/") && store.stat(name) === undefined && !store.isCollection(name);
  }

  /** Whether an answer may stand in the 404's place. */
  #takes({ target, caller }: Exchange, answer: Response): boolean {
    const { status, headers } = answer;
    if (status === 404 && !headers.has("content-type")) return false;
    const world = inNamespace(target.name);
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
    return until !== undefined && this.#machine.now() < until;
  }

  /** Keeps who asks for the same again and again from the plugin, until a world changes. */
  #remember(key: string): void {
    if (this.#declined.size >= DECLINES_REMEMBERED) this.#declined.clear();
    this.#declined.set(key, this.#machine.now() + DECLINED_MS);
    this.#unwatch ??= this.#machine.store.watch("/", () => {
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
