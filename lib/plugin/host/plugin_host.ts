/**
 * The plugin host: all plugins of a server, with their states, routes and cells.
 *
 * A plugin is a world in `/lib` whose bytes are its source. It is active if its cell runs and its
 * routes answer. The states of its world are:
 * - `pending`: the source was written and is not approved. It has no routes.
 * - `active`: a caller with T3 has approved exactly this source. The host starts its cell, adds
 *   its routes and watches its config worlds.
 * - `disabled`: its routes were removed; the source is kept.
 *
 * Rules:
 * - The host starts a plugin only if the event chain of the world proves that this source was
 *   approved (`approval.ts`). A changed source loses its routes before its writer gets a response.
 * - State changes of one plugin run one after the other.
 * - A change of a config world replaces the cell. Requests that begin after the change wait for it.
 *   If the new configuration is invalid, the old cell continues and the fault is reported. Unless T3
 *   made the change, the permissions stay within those that T3 approved.
 * - The authority of a plugin ends when its routes are removed: its subrequests are refused.
 * - Two plugins cannot have overlapping routes, and one plugin at a time is the fallback.
 * - What starts cells is loaded when the first plugin is needed, because most servers start
 *   without one.
 *
 * The host must not contain code for a particular plugin.
 */

import { withTimeout } from "../../base/timeout.ts";
import { createMonotonicClock } from "../../base/monotonic_clock.ts";
import { throwLoadProblem } from "../../request/request_context.ts";
import { Problem } from "../../http/problem.ts";
import { PLUGIN_START_WAIT_MS } from "../../limits.ts";
import type {
  PluginAdmin,
  PluginMatch,
  PluginMetrics,
  PluginRoute,
  PluginRoutes,
  StateChangeRequest,
} from "../../request/plugin_routes.ts";
import type { NodePlugin } from "../../world/coordination.ts";
import type { Change, World } from "../../world/store.ts";
import { Turns } from "../../world/turns.ts";
import {
  type ApprovalPayload,
  approvalPayload,
  approvedPermissions,
  findApproval,
  manifestDrift,
  requestDigest,
} from "./approval.ts";
import { AwaitedPlugins, readTexts } from "./awaited_plugins.ts";
import { ConfigOrigins, ConfigPaths } from "./config_origins.ts";
import { assertShown, KnownRequests } from "./known_requests.ts";
import { ManifestError } from "../manifest/manifest.ts";
import {
  approveAll,
  type ConfigSource,
  grantPermissions,
  refusedFault,
} from "./config_permissions.ts";
import { allGrants } from "./own_worlds.ts";
import { PluginAuthority } from "./plugin_authority.ts";
import { callPlugin } from "./call_plugin.ts";
import { answerSubrequest } from "./plugin_subrequest.ts";
import { PluginEventLog } from "./plugin_event_log.ts";
import { type LoggedSource, PluginLogs } from "./plugin_logs.ts";
import { PluginEvents } from "./plugin_events.ts";
import { configFault, type LoadedPlugin, shortName } from "./loaded_plugin.ts";
import {
  assertSourcePrecondition,
  createSourceChangedProblem,
  readPluginSource,
  setPluginState,
  toDraft,
} from "./plugin_source_world.ts";
import {
  checkSource,
  describeRequested,
  type LoadedSteps,
  type RequestedJson,
} from "./check_source.ts";
import { describePlugin, toNodePlugin, toPluginMetrics, toRoute } from "./describe_plugin.ts";
import { PluginReloads } from "./plugin_reloads.ts";
import { type RouteClaim, RouteClaims } from "./route_claims.ts";
import type { PluginHostOptions } from "./plugin_host_options.ts";
import { RouteTable } from "./route_table.ts";

/** Number of plugins that are started concurrently when the server starts. */
const MAX_CONCURRENT_STARTS = 4;
/** Longest text of a plugin in an event, in characters. */
const MAX_REASON_CHARS = 500;

/** All plugins of a server. */
export class PluginHost implements PluginRoutes, PluginAdmin {
  readonly containment: "process" | "worker";
  readonly #options: PluginHostOptions;
  /** Whether other servers approve and stop plugins too. */
  readonly #isShared: boolean;
  readonly #active = new Map<string, LoadedPlugin>();
  readonly #faults = new Map<string, string>();
  readonly #table = new RouteTable<LoadedPlugin>();
  readonly #claims = new RouteClaims();
  readonly #turns = new Turns();
  readonly #watches = new Map<string, (() => void)[]>();
  readonly #eventLog: PluginEventLog;
  readonly logs: PluginLogs;
  readonly #events: PluginEvents;
  readonly #origins: ConfigOrigins;
  readonly #configPaths = new ConfigPaths();
  readonly #config: ConfigSource;
  readonly #reloads: PluginReloads;
  /** Of a cluster: plugins that were approved and do not run here. */
  readonly #awaited: AwaitedPlugins;
  /** What sources requested before, so that one that requests something else is found. */
  readonly #known = new KnownRequests();
  readonly #unwatch: () => void;
  #fallback: LoadedPlugin | undefined;
  #loader: Promise<LoadedSteps> | undefined;
  #starting: Promise<void> | undefined;
  #closed = false;

  constructor(options: PluginHostOptions) {
    this.#options = options;
    this.containment = options.containment;
    const elapsed = createMonotonicClock();
    const { node } = options.coordination;
    this.#isShared = node !== undefined;
    this.#eventLog = new PluginEventLog(options.store, elapsed, options.log, node);
    this.#events = new PluginEvents({ ...options, elapsed, eventLog: this.#eventLog });
    this.logs = new PluginLogs(options.store, options.now);
    this.#origins = new ConfigOrigins(options.store);
    const readConfig = async (path: string) => await (await this.#load()).sandbox.readConfig(path);
    this.#config = { origins: this.#origins, readConfig, follow: () => options.store.refresh() };
    this.#awaited = new AwaitedPlugins({
      isShared: this.#isShared,
      retryMs: options.startRetryMs,
      waitMs: options.startWaitMs,
      watch: (name, listener) => options.store.watch(name, listener),
      findRunning: (name, route) => this.#findRunning(name, route),
    });
    this.#reloads = new PluginReloads({
      load: () => this.#load(),
      config: this.#config,
      known: this.#known,
      eventLog: this.#eventLog,
      logs: this.logs,
      log: options.log,
      turns: this.#turns,
      isActive: (loaded) => this.#active.get(loaded.name) === loaded,
      onEnd: (loaded, fault) => this.#reloaded(loaded, fault),
      onUnreachable: ({ name }) =>
        this.#awaited.retry(name, () => Promise.resolve(this.#configChanged(name))),
    });
    this.#unwatch = options.store.watch("lib/", (change) => this.#sourceChanged(change));
  }

  get activeCount(): number {
    return this.#active.size;
  }

  get starting(): Promise<void> | undefined {
    return this.#starting ?? this.#awaited.starting();
  }

  get readingRoutes(): Promise<void> | undefined {
    return this.#starting ?? this.#awaited.reading;
  }

  get isStarting(): boolean {
    return this.#configPaths.isUnknown;
  }

  get admin(): PluginAdmin {
    return this;
  }

  list(): readonly PluginRoute[] {
    return this.#table.entries().map(([path, owner]) => toRoute(path, owner));
  }

  metrics(): readonly PluginMetrics[] {
    const names = new Set([...this.#active.keys(), ...this.#faults.keys()]);
    return [...names].sort().map((plugin) =>
      toPluginMetrics(plugin, this.#active.get(plugin)?.cell.health(), {
        logLines: this.logs.count(plugin),
        events: this.#events.metrics(plugin),
      })
    );
  }

  match(path: string): PluginMatch | undefined {
    const found = this.#table.match(path);
    if (found !== undefined) return this.#toMatch(found.route, found.owner);
    // During the start the request waits.
    return this.#starting === undefined ? this.#awaited.match(path) : undefined;
  }

  wasRoute(path: string): boolean {
    return this.#table.wasRoute(path) || this.#awaited.wasRoute(path);
  }

  get fallback(): PluginMatch | undefined {
    const plugin = this.#fallback;
    return plugin === undefined ? this.#awaited.fallback : this.#toMatch("", plugin);
  }

  #findRunning(name: string, route: string): PluginMatch | undefined {
    const plugin = this.#active.get(name);
    return plugin === undefined ? undefined : this.#toMatch(route, plugin);
  }

  /**
   * Returns a matched plugin with the function that calls it, so that it is not looked up twice.
   */
  #toMatch(path: string, plugin: LoadedPlugin): PluginMatch {
    const { store } = this.#options;
    return {
      ...toRoute(path, plugin),
      handle: (context) => callPlugin(plugin, path, context, store),
    };
  }

  /**
   * Starts every active plugin. Requests for paths without a route wait for it, but at most
   * {@link PLUGIN_START_WAIT_MS} milliseconds.
   */
  start(): Promise<void> {
    const all = this.#configPaths.whileUnknown(() => this.#startActive());
    // The caller of `start` receives the error; a request that waits needs only the end.
    const settled = all.catch(() => {});
    this.#starting = withTimeout(this.#options.startWaitMs ?? PLUGIN_START_WAIT_MS, settled)
      .finally(() => this.#starting = undefined);
    return all;
  }

  /**
   * A plugin that cannot be started keeps the state `active`; the log and its chain have the
   * reason.
   */
  async #startActive(): Promise<void> {
    const sources = (await this.#options.store.walk("lib")).filter((entry) =>
      entry.layer === "upper" && entry.state === "active"
    );
    const queue = sources.map((entry) => entry.name);
    await Promise.all(Array.from({ length: MAX_CONCURRENT_STARTS }, async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
        const next = name;
        await this.#turns.run(next, () => this.#startApproved(next));
      }
    }));
  }

  /**
   * Approves the current source of a plugin and starts it. If the plugin is active with this
   * source, it only ends a pause after failures.
   *
   * @param name world of the source, `lib/gpu`
   * @param approval the caller, and the precondition on the source
   * @throws {Problem} 404: no source; 412: the precondition failed; 409: the source changed during
   * the start; 422: the source is refused. Nothing has changed then
   */
  activate(name: string, approval: StateChangeRequest): Promise<void> {
    const { store } = this.#options;
    return this.#turns.run(name, async () => {
      const source = await readPluginSource(store, name, "activate");
      const active = this.#active.get(name);
      if (active !== undefined && this.#isRunning(source)) {
        assertSourcePrecondition(source, approval.precondition);
        assertShown(name, approval.asks, requestDigest(source, active));
        return active.cell.endPause();
      }
      const loaded = await this.#startCell(source, approval.by, { shown: approval.asks });
      try {
        const approved = { payload: approvalPayload(loaded), claims: loaded.manifest };
        const version = await setPluginState(store, source, "active", approval, approved);
        // A write between the transition and now has changed the approved source.
        if (!this.#isCurrent(name, version)) throw createSourceChangedProblem(name);
      } catch (error) {
        await this.#abandon(loaded);
        if (!(error instanceof ManifestError)) throw error;
        throw await this.#refuse(error, source, approval.by, loaded.logged);
      }
      this.#addPlugin(loaded);
      await this.#events.started(name);
    });
  }

  /**
   * Removes a plugin's routes, stops its cell and keeps its source.
   *
   * @param name world of the source, `lib/gpu`
   * @param approval the caller, and the precondition on the source
   * @throws {Problem} 404: no source; 412: the precondition failed; 409: the source was changed
   */
  disable(name: string, approval: StateChangeRequest): Promise<void> {
    const { store } = this.#options;
    return this.#turns.run(name, async () => {
      const source = await readPluginSource(store, name, "disable");
      if (source.state !== "disabled") await setPluginState(store, source, "disabled", approval);
      else assertSourcePrecondition(source, approval.precondition);
      this.#removePlugin(name);
      this.#faults.delete(name);
    });
  }

  async settle(name: string): Promise<void> {
    await this.#awaited.starting(name);
    const loaded = this.#active.get(name);
    if (loaded?.reload === undefined) return;
    await withTimeout(loaded.cell.maxWaitMs, loaded.reload.done);
  }

  describe(name: string, trusted: boolean): Readonly<Record<string, unknown>> {
    return describePlugin(
      this.#active.get(name),
      this.#faults.get(name) ?? configFault(this.#active.get(name)),
      trusted,
      this.#events.describe(name, trusted),
    );
  }

  async requestedGrants(name: string): Promise<RequestedJson> {
    const source = await readPluginSource(this.#options.store, name, "inspect");
    return await describeRequested(
      await this.#load(),
      source,
      (requested) => this.#known.assertSame(source, requested),
    );
  }

  async checkSource(name: string, body: Uint8Array<ArrayBuffer>): Promise<RequestedJson> {
    return await checkSource(
      await this.#load(),
      toDraft(name, body),
      ({ manifest }) => this.#claims.assertFree(name, manifest, this.#heldRoutes()),
    );
  }

  #heldRoutes(): (readonly [string, RouteClaim])[] {
    const active = [...this.#active].map(([name, { manifest }]) => [name, manifest] as const);
    return [...active, ...this.#awaited.claims()];
  }

  /** Describes what runs here, for the other servers of a cluster. */
  report(): Readonly<Record<string, NodePlugin>> {
    const names = new Set([...this.#active.keys(), ...this.#faults.keys()]);
    return Object.fromEntries([...names].map((name) => {
      const loaded = this.#active.get(name);
      const fault = this.#faults.get(name) ?? configFault(loaded);
      return [name, toNodePlugin(loaded !== undefined, fault, this.#events.onNode(name))];
    }));
  }

  /** Ends every cell, also those that are starting, and starts no others. */
  async close(): Promise<void> {
    await withTimeout(PLUGIN_START_WAIT_MS, this.#reloads.settled());
    this.#closed = true;
    this.#unwatch();
    this.#origins.close();
    this.#awaited.close();
    const loaded = [...this.#active.values()];
    for (const { name } of loaded) this.#removeRoutes(name);
    const stops = loaded.map(({ cell }) => cell.stop({ drain: false }));
    await Promise.all([this.#events.close(), ...stops]);
    await this.#turns.settled();
  }

  async #startApproved(name: string): Promise<void> {
    const { store, log, coordination } = this.#options;
    if (this.#closed) return;
    let version: number | undefined;
    try {
      const source = await readPluginSource(store, name, "start");
      if (source.state !== "active" || this.#isRunning(source)) return;
      version = source.version;
      const approved = await findApproval(store, source);
      if ("fault" in approved) throw new Problem("unprocessable", approved.fault);
      if (this.#isShared) await this.#awaited.claim(name, approved.payload, coordination);
      const loaded = await this.#startCell(source, "machine", { approved: approved.payload });
      if (this.#isCurrent(name, version)) {
        this.#addPlugin(loaded);
        await this.#reloads.recordStart(loaded, approved.payload);
      } else await this.#abandon(loaded);
      this.#reportRefused(loaded);
    } catch (error) {
      // The chain can be newer than memory: the plugin was disabled, perhaps.
      if (this.#isShared) await store.refresh().catch(() => {});
      if (version !== undefined && !this.#isCurrent(name, version)) return;
      const reason = error instanceof Error ? error.message : String(error);
      const isKnown = this.#faults.get(name) === reason;
      this.#faults.set(name, reason);
      this.#awaited.retry(name, () => this.#turns.run(name, () => this.#startApproved(name)));
      if (isKnown) return;
      log(`plugin ${shortName(name)} cannot be started: ${reason}`);
      const logged = await this.logs.describeSource({ name, version: version ?? 0 });
      this.logs.add(logged, "error", `cannot be started: ${reason}`);
      await this.#eventLog.write(name, "plugin_failed", {
        reason: reason.slice(0, MAX_REASON_CHARS),
      });
    }
  }

  /** Whether a source runs here as it was approved. */
  #isRunning({ name, sha256 }: World): boolean {
    return this.#active.get(name)?.source.sha256 === sha256 && !this.#faults.has(name);
  }

  /** Starts a plugin that another server has approved; requests wait until its routes are known. */
  #follow(name: string): void {
    this.#awaited.follow(
      name,
      () => this.#configPaths.whileUnknown(() => this.#readApproval(name)),
      () => this.#turns.run(name, () => this.#startApproved(name)),
    );
  }

  async #readApproval(name: string): Promise<void> {
    try {
      const source = await readPluginSource(this.#options.store, name, "start");
      if (source.state !== "active" || this.#isRunning(source)) return;
      const approved = await findApproval(this.#options.store, source);
      if ("fault" in approved || !this.#isCurrent(name, source.version)) return;
      this.#awaited.add(name, approved.payload);
      for (const path of readTexts(approved.payload.config)) this.#configPaths.add(path);
    } catch (error) {
      this.#options.log(`plugin ${shortName(name)}: its approval cannot be read: ${error}`);
    }
  }

  #load(): Promise<LoadedSteps> {
    return this.#loader ??= this.#options.loadSandbox().then(async (sandbox) => ({
      sandbox: {
        ...sandbox,
        readConfig: (path: string) => {
          // Before the world is read, so that no plugin can change it on behalf of T3 afterwards.
          this.#configPaths.add(path);
          return sandbox.readConfig(path);
        },
      },
      steps: await import("./plugin_loader.ts"),
    })).catch((cause) => throwLoadProblem(cause, () => this.#loader = undefined));
  }

  /**
   * Reserves the routes of a source and starts its cell.
   *
   * @param basis the digest that the approving caller was shown, if it sent one; or the payload of
   * an earlier approval, which the source must still match
   * @throws {Problem} the source is refused; this is written to its event chain
   */
  async #startCell(
    source: World,
    by: string,
    { shown, approved }: { shown?: string | undefined; approved?: ApprovalPayload },
  ): Promise<LoadedPlugin> {
    const { name, sha256 } = source;
    const { sandbox, steps } = await this.#load();
    const logged = await this.logs.describeSource(source);
    try {
      const requested = await steps.inspectSource(sandbox, source);
      assertShown(name, shown, requestDigest(source, requested));
      this.#known.assertSame(source, requested);
      const fault = approved === undefined ? undefined : manifestDrift(approved, requested);
      if (fault !== undefined) throw new Problem("unprocessable", fault);
      this.#claims.claim(name, requested.manifest, this.#heldRoutes());
      const granted = approved === undefined ? approveAll(requested) : await grantPermissions(
        approvedPermissions(approved, requested),
        requested,
        () => false,
        this.#config,
      );
      const authority = new PluginAuthority(shortName(name), allGrants(name, requested.manifest), {
        isConfigPath: (path) => this.#configPaths.covers(path),
        isCurrent: (caller) => this.#options.isCurrent?.(caller) ?? true,
      });
      const started = await steps.startPlugin(sandbox, source, requested, granted, {
        authority,
        answerSubrequest: (call) => answerSubrequest(call, authority, this.#options.dispatch),
        onEvent: (event) => {
          this.#eventLog.addCellEvent(name, sha256, event);
          this.logs.addCellEvent(logged, event);
        },
        onLine: (level, line) => this.logs.add(logged, level, line),
      });
      return { ...started, logged };
    } catch (error) {
      this.#claims.release(name);
      throw await this.#refuse(error, source, by, approved === undefined ? logged : undefined);
    }
  }

  /** Records that a source cannot be activated, and returns the problem. */
  async #refuse(
    error: unknown,
    { name, sha256 }: World,
    by: string,
    logged: LoggedSource | undefined,
  ): Promise<unknown> {
    const problem = (await this.#load()).steps.toActivationProblem(error, name);
    if (!(problem instanceof Problem)) return problem;
    if (logged !== undefined) this.logs.add(logged, "error", problem.detail);
    await this.#eventLog.writeRefusal(name, sha256, problem.detail, by);
    return problem;
  }

  /** Reports permissions that a plugin requests because of a change that T3 did not make. */
  #reportRefused(loaded: LoadedPlugin): void {
    const fault = refusedFault(loaded);
    if (fault === undefined) return;
    this.#faults.set(loaded.name, fault);
    this.#options.log(`plugin ${shortName(loaded.name)}: ${fault}`);
  }

  /** Returns whether a plugin's world is active and still has this version. */
  #isCurrent(name: string, version: number): boolean {
    const entry = this.#options.store.stat(name);
    return !this.#closed && entry?.version === version && entry.state === "active";
  }

  async #abandon({ name, cell }: LoadedPlugin): Promise<void> {
    this.#claims.release(name);
    await cell.stop({ drain: false });
  }

  #addPlugin(loaded: LoadedPlugin): void {
    const { name, manifest } = loaded;
    this.#claims.release(name);
    this.#faults.delete(name);
    this.#awaited.delete(name);
    this.#removePlugin(name);
    this.#active.set(name, loaded);
    for (const route of manifest.routes) this.#table.add(route, loaded);
    if (manifest.fallback) this.#fallback = loaded;
    this.#events.start(loaded);
    const { store } = this.#options;
    this.#watches.set(
      name,
      manifest.config.map((path) => store.watch(path.slice(1), () => this.#configChanged(name))),
    );
    // A config world may have changed while the cell started, before the watch existed.
    if (manifest.config.length > 0) this.#configChanged(name);
  }

  /** Removes routes and watches at once; the cell finishes its open requests. */
  #removePlugin(name: string): void {
    const loaded = this.#removeRoutes(name);
    if (loaded === undefined) return;
    loaded.cell.stop({ drain: true })
      .catch((error) => this.#options.log(`Cannot stop plugin ${shortName(name)}: ${error}`));
  }

  #removeRoutes(name: string): LoadedPlugin | undefined {
    const loaded = this.#active.get(name);
    if (loaded === undefined) return undefined;
    this.#active.delete(name);
    this.#events.stop(name);
    for (const route of loaded.manifest.routes) this.#table.delete(route);
    if (this.#fallback === loaded) this.#fallback = undefined;
    for (const unwatch of this.#watches.get(name) ?? []) unwatch();
    this.#watches.delete(name);
    return loaded;
  }

  /**
   * Stops a plugin whose source is not the approved one any more, before the writer gets a
   * response.
   */
  #sourceChanged({ kind, name, world }: Change): void {
    const state = kind === "delete"
      ? undefined
      : world?.state ?? this.#options.store.stat(name)?.state;
    if (state !== "active") {
      this.#faults.delete(name);
      this.#awaited.delete(name);
    }
    const loaded = this.#active.get(name);
    const same = loaded !== undefined &&
      (world === undefined || world.sha256 === loaded.source.sha256);
    if (state !== "active" || !same) this.#removePlugin(name);
    // Its own activation has the turn of the plugin, and is found to run afterwards.
    const isFollowed = this.#isShared && state === "active" && (!same || this.#faults.has(name));
    if (isFollowed) this.#follow(name);
  }

  /** Replaces the cell after a change of a config world, because permissions may have changed. */
  #configChanged(name: string): void {
    const loaded = this.#active.get(name);
    if (loaded !== undefined) this.#reloads.request(loaded);
  }

  #reloaded(loaded: LoadedPlugin, fault: string | undefined): void {
    if (fault !== undefined) return void this.#faults.set(loaded.name, fault);
    this.#faults.delete(loaded.name);
    this.#reportRefused(loaded);
  }
}
