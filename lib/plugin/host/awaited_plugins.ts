/**
 * Plugins that were approved and do not run on this server, because it is still starting them or cannot.
 * Their routes are known from the approval. A request waits while its plugin is being started, as it does
 * at the start of the server. Otherwise it gets 503, because a 404 would be false: the other servers of
 * the cluster run the plugin.
 */

import { assertAllowed, decideCall, decideFallback } from "../../auth/policy.ts";
import type { Tier } from "../../auth/caller.ts";
import { PLUGIN_START_RETRY_MS } from "../../cell_limits.ts";
import { withTimeout } from "../../base/timeout.ts";
import { Problem } from "../../http/problem.ts";
import { PLUGIN_START_WAIT_MS } from "../../limits.ts";
import type { PluginMatch } from "../../request/plugin_routes.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { Coordination } from "../../world/coordination.ts";
import type { ApprovalPayload } from "./approval.ts";
import { subjectPath } from "./call_plugin.ts";
import { shortName } from "./loaded_plugin.ts";
import { toClaims } from "./plugin_source_world.ts";
import type { RouteClaim } from "./route_claims.ts";
import { RouteTable } from "./route_table.ts";

/** Seconds after which a client should try again. */
const RETRY_SECONDS = "2";

interface AwaitedPlugin extends RouteClaim {
  readonly name: string;
  readonly auth: Tier;
  /** Whether the rest of the path is what the plugin is called about. */
  readonly hasSubject: boolean;
  /** Paths of its config worlds. */
  readonly config: readonly string[];
}

/** What {@link AwaitedPlugins} needs. */
export interface AwaitedPluginsOptions {
  /** Whether other servers run the same plugins; otherwise none is started again. */
  readonly isShared: boolean;
  /** Pause before another attempt to start one, in milliseconds. */
  readonly retryMs?: number | undefined;
  /** Watches a world, as the store does. */
  readonly watch: (name: string, listener: () => void) => () => void;
  /** How long requests wait for the start of a plugin, in milliseconds. */
  readonly waitMs?: number | undefined;
  /** Returns a plugin that runs, with one of its routes; undefined if it does not run. */
  readonly findRunning: (name: string, route: string) => PluginMatch | undefined;
}

/** See the module. */
export class AwaitedPlugins {
  readonly #plugins = new Map<string, AwaitedPlugin>();
  readonly #table = new RouteTable<AwaitedPlugin>();
  readonly #options: AwaitedPluginsOptions;
  /** Cancel the next attempts to start plugins, by name. */
  readonly #retries = new Map<string, () => void>();
  /** Approvals that are being read. */
  readonly #reads = new Set<Promise<void>>();
  /** Plugins that are being started because another server has approved them, by name. */
  readonly #starts = new Map<string, Promise<void>>();

  constructor(options: AwaitedPluginsOptions) {
    this.#options = options;
  }

  /**
   * Settles when the routes of the approved plugins are known, or after the time that requests wait for
   * a start; undefined if they are known.
   */
  get reading(): Promise<void> | undefined {
    return this.#reads.size === 0 ? undefined : Promise.all(this.#reads).then(() => {});
  }

  /**
   * Settles when the plugins run that are being started, or cannot, or after the time that requests wait
   * for that; undefined if none is being started.
   *
   * @param name world of the source; absent for all
   */
  starting(name?: string): Promise<void> | undefined {
    if (name !== undefined) return this.#starts.get(name);
    return this.#starts.size === 0 ? undefined : Promise.all(this.#starts.values()).then(() => {});
  }

  /**
   * Starts a plugin that another server has approved.
   *
   * @param name world of the source, `lib/gpu`
   * @param readApproval reads the approval and adds the plugin; never rejects
   * @param start starts it; never rejects
   */
  follow(name: string, readApproval: () => Promise<void>, start: () => Promise<void>): void {
    const { waitMs = PLUGIN_START_WAIT_MS } = this.#options;
    const read = readApproval();
    const reading = withTimeout(waitMs, read).finally(() => this.#reads.delete(reading));
    this.#reads.add(reading);
    const starting = withTimeout(waitMs, read.then(start)).finally(() => {
      if (this.#starts.get(name) === starting) this.#starts.delete(name);
    });
    this.#starts.set(name, starting);
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
      hasSubject: payload.subject === true,
      config: readTexts(payload.config),
    };
    this.#plugins.set(name, plugin);
    for (const route of plugin.routes) this.#table.add(route, plugin);
    return plugin;
  }

  /**
   * Adds a plugin, and takes its routes in the cluster: it can have been approved without them, such as
   * one that was imported.
   *
   * @throws {Problem} `unprocessable`: another plugin has one of them
   */
  async claim(
    name: string,
    payload: ApprovalPayload,
    coordination: Pick<Coordination, "claimRoutes">,
  ): Promise<void> {
    const other = await coordination.claimRoutes(name, toClaims(this.add(name, payload)));
    if (other === undefined) return;
    throw new Problem("unprocessable", `/${other} has a route that overlaps one of its routes`);
  }

  /** Removes a plugin: it runs, or must not run. Idempotent. */
  delete(name: string): void {
    this.#retries.get(name)?.();
    const plugin = this.#plugins.get(name);
    if (plugin === undefined) return;
    this.#plugins.delete(name);
    for (const route of plugin.routes) {
      if (this.#table.get(route) === plugin) this.#table.delete(route);
    }
  }

  /**
   * Starts a plugin again later, or when one of its config worlds changes, unless it is removed before:
   * what it lacks may be there then.
   */
  retry(name: string, start: () => Promise<void>): void {
    const { isShared, retryMs = PLUGIN_START_RETRY_MS, watch } = this.#options;
    if (!isShared) return;
    this.#retries.get(name)?.();
    const again = () => {
      cancel();
      void start();
    };
    const timer = setTimeout(again, retryMs);
    Deno.unrefTimer(Number(timer));
    const paths = this.#plugins.get(name)?.config ?? [];
    const unwatch = paths.map((path) => watch(path.slice(1), again));
    const cancel = () => {
      clearTimeout(timer);
      for (const end of unwatch) end();
      if (this.#retries.get(name) === cancel) this.#retries.delete(name);
    };
    this.#retries.set(name, cancel);
  }

  /** Removes all. */
  close(): void {
    for (const name of [...this.#plugins.keys(), ...this.#retries.keys()]) this.delete(name);
  }

  /** What the plugins have claimed. */
  claims(): readonly [name: string, held: RouteClaim][] {
    return [...this.#plugins];
  }

  /** The longest route that is the path or an ancestor of it. */
  match(path: string): PluginMatch | undefined {
    const found = this.#table.match(path);
    return found === undefined ? undefined : this.#toMatch(found.route, found.owner);
  }

  /** Whether a path was below a route of a plugin that was added, and is awaited no more. */
  wasRoute(path: string): boolean {
    return this.#table.wasRoute(path);
  }

  /** The plugin that is the fallback, if it does not run. */
  get fallback(): PluginMatch | undefined {
    for (const plugin of this.#plugins.values()) {
      if (plugin.fallback) return this.#toMatch("", plugin);
    }
    return undefined;
  }

  #toMatch(path: string, plugin: AwaitedPlugin): PluginMatch {
    const { name, auth } = plugin;
    const handle = (context: RequestContext) => this.#answer(context, path, plugin);
    return { path, plugin: name, description: "", auth, handle };
  }

  async #answer(
    context: RequestContext,
    route: string,
    { name, auth, hasSubject }: AwaitedPlugin,
  ): Promise<Response> {
    const { caller, target: { path } } = context;
    // A caller that cannot call the plugin gets the same answer as from a server that runs it.
    const subject = hasSubject ? subjectPath(path, route) : undefined;
    assertAllowed(
      route === ""
        ? decideFallback(caller, path, auth)
        : decideCall(caller, "read", path, auth, subject),
    );
    await this.starting(name);
    const running = this.#options.findRunning(name, route);
    if (running !== undefined) return await running.handle(context);
    throw new Problem(
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
