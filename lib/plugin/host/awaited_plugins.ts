/**
 * Plugins that were approved and do not run on this server, because it is still starting them or cannot.
 * Their routes are known from the approval. They answer 503, because a 404 would be false: the other
 * servers of the cluster run them.
 */

import { assertAllowed, decideCall } from "../../auth/policy.ts";
import type { Tier } from "../../auth/caller.ts";
import { PLUGIN_START_RETRY_MS } from "../../cell_limits.ts";
import { Problem } from "../../http/problem.ts";
import type { PluginMatch } from "../../request/plugin_routes.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ApprovalPayload } from "./approval.ts";
import { shortName } from "./loaded_plugin.ts";
import type { RouteClaim } from "./route_claims.ts";
import { RouteTable } from "./route_table.ts";

/** Seconds after which a client should try again. */
const RETRY_SECONDS = "2";

interface AwaitedPlugin extends RouteClaim {
  readonly name: string;
  readonly auth: Tier;
}

/** See the module. */
export class AwaitedPlugins {
  readonly #plugins = new Map<string, AwaitedPlugin>();
  readonly #table = new RouteTable<AwaitedPlugin>();
  readonly #isShared: boolean;
  readonly #retryMs: number;
  /** Of the next attempts to start plugins, by name. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /**
   * @param isShared whether other servers run the same plugins; otherwise none is started again
   * @param retryMs pause before another attempt to start one, in milliseconds
   */
  constructor(isShared: boolean, retryMs = PLUGIN_START_RETRY_MS) {
    this.#isShared = isShared;
    this.#retryMs = retryMs;
  }

  /**
   * Adds a plugin, or replaces what was known of it.
   *
   * @param name world of the source, `lib/gpu`
   * @param payload payload of its approval
   * @returns what it claims
   */
  add(name: string, payload: ApprovalPayload): RouteClaim {
    this.delete(name);
    const plugin: AwaitedPlugin = {
      name,
      routes: readTexts(payload.routes),
      fallback: payload.fallback === true,
      auth: payload.auth === "T1" || payload.auth === "T2" ? payload.auth : "T3",
    };
    this.#plugins.set(name, plugin);
    for (const route of plugin.routes) this.#table.add(route, plugin);
    return plugin;
  }

  /** Removes a plugin: it runs, or must not run. Idempotent. */
  delete(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    const plugin = this.#plugins.get(name);
    if (plugin === undefined) return;
    this.#plugins.delete(name);
    for (const route of plugin.routes) {
      if (this.#table.get(route) === plugin) this.#table.delete(route);
    }
  }

  /** Starts a plugin again later, unless it is removed before: what it lacks may be there then. */
  retry(name: string, start: () => Promise<void>): void {
    if (!this.#isShared) return;
    clearTimeout(this.#timers.get(name));
    const timer = setTimeout(() => void start(), this.#retryMs);
    Deno.unrefTimer(Number(timer));
    this.#timers.set(name, timer);
  }

  /** Removes all. */
  close(): void {
    for (const name of [...this.#plugins.keys(), ...this.#timers.keys()]) this.delete(name);
  }

  /** What the plugins have claimed. */
  claims(): readonly [name: string, held: RouteClaim][] {
    return [...this.#plugins];
  }

  /** The longest route that is the path or an ancestor of it; it refuses every request. */
  match(path: string): PluginMatch | undefined {
    const found = this.#table.match(path);
    if (found === undefined) return undefined;
    const { route, owner: { name, auth } } = found;
    return {
      path: route,
      plugin: name,
      description: "",
      auth,
      handle: (context) => Promise.reject(this.#refuse(context, found.owner)),
    };
  }

  #refuse({ caller, target: { path } }: RequestContext, { name, auth }: AwaitedPlugin): unknown {
    try {
      // A caller that cannot call the plugin gets the same answer as from a server that runs it.
      assertAllowed(decideCall(caller, "read", path, auth));
    } catch (error) {
      return error;
    }
    return new Problem(
      "unavailable",
      `Cannot call ${path}: the plugin ${
        shortName(name)
      } does not run on this server yet; send the ` +
        "request again later",
      { "retry-after": RETRY_SECONDS },
    );
  }
}

/** Returns the texts of an array in a payload; none of anything else. */
export function readTexts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
