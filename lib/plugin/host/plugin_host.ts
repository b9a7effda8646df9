/**
 * The plugins of a machine: which are up, under which routes, and how one comes up, goes down, is
 * replaced and is asked. A plugin is up only while the chain of its world says that exactly this
 * source was approved. Nothing here knows any plugin by name.
 */

import type { Exchange } from "../../request/request_context.ts";
import { Problem } from "../../http/problem.ts";
import type { PluginRoute, PluginVitals } from "../../request/plugin_routes.ts";
import type { Change, Store, World } from "../../world/store.ts";
import { type ApprovalFacts, approvalFacts, approvalOf, strayed } from "./approval.ts";
import { askPlugin } from "./call_plugin.ts";
import { answerCallBack, pluginCaller } from "./plugin_subrequest.ts";
import { CellEnd } from "../cell/cell_run.ts";
import { ChainNotes } from "./plugin_event_log.ts";
import {
  askAgain,
  type CellGround,
  EscalationError,
  faultOf,
  hasConfig,
  initOf,
  inquire,
  type LoadedPlugin,
  shortName,
  startCell,
  type Wanted,
} from "./loaded_plugin.ts";
import { ManifestError } from "../manifest/manifest.ts";
import {
  type Approval,
  changedMeanwhile,
  mustHaveSeen,
  setState,
  sourceOf,
} from "./plugin_source_world.ts";
import { RouteClaims } from "./route_claims.ts";
import { RouteTable } from "./route_table.ts";
import { shownByShell } from "./shell_response.ts";
import { SourceError } from "../manifest/validate_source.ts";
import { vitalsOf } from "./plugin_metrics.ts";

/** Plugins started at a time when the machine starts. */
const STARTS_AT_ONCE = 4;

/** What the host needs of the machine. */
export interface PluginHostOptions {
  readonly store: Store;
  readonly ground: CellGround;
  /** Answers an exchange behind the gate; never throws. */
  dispatch(exchange: Exchange): Promise<Response>;
  readonly log: (line: string) => void;
}

/** What a plugin is now, for `GET /lib/<name>/state`. */
export interface PluginStatus {
  readonly up: boolean;
  readonly loaded?: LoadedPlugin;
  /** Why an active plugin is not up, or what is wrong with its configuration. */
  readonly fault?: string;
}

/** See the module. */
export class PluginHost {
  readonly #options: PluginHostOptions;
  readonly #up = new Map<string, LoadedPlugin>();
  readonly #faults = new Map<string, string>();
  readonly #table = new RouteTable<LoadedPlugin>();
  readonly #claims = new RouteClaims();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #watches = new Map<string, (() => void)[]>();
  readonly #notes: ChainNotes;
  readonly #unwatch: () => void;
  #fallback: LoadedPlugin | undefined;
  #closed = false;

  constructor(options: PluginHostOptions) {
    this.#options = options;
    this.#notes = new ChainNotes(options.store, options.ground.now, options.log);
    this.#unwatch = options.store.watch("lib/", (change) => this.#sourceChanged(change));
  }

  get active(): number {
    return this.#up.size;
  }

  list(): readonly PluginRoute[] {
    return this.#table.entries().map(([path, owner]) => routeOf(path, owner));
  }

  /** How every plugin fares that is up or should be. */
  vitals(): readonly PluginVitals[] {
    const names = [...this.#up.keys(), ...this.#faults.keys()];
    return vitalsOf(names, (name) => this.#up.get(name)?.cell.health());
  }

  match(path: string): PluginRoute | undefined {
    const found = this.#table.match(path);
    return found === undefined ? undefined : routeOf(found.route, found.owner);
  }

  /** The plugin that resolves what nothing else answers, if one is up. */
  get fallback(): PluginRoute | undefined {
    return this.#fallback === undefined ? undefined : routeOf("", this.#fallback);
  }

  /**
   * Has a plugin answer.
   *
   * @throws {Problem} when the caller may not call it, or the plugin failed
   */
  async fetch(route: PluginRoute, exchange: Exchange): Promise<Response> {
    const plugin = this.#up.get(route.plugin);
    if (plugin === undefined) {
      throw new Problem("unavailable", `Cannot ask ${route.plugin}: it went down`, {
        "retry-after": "1",
      });
    }
    const answer = await askPlugin(plugin, route.path, exchange, this.#options.store);
    return await shownByShell(this.#options.store, exchange.request, answer);
  }

  /** Starts every active plugin; what cannot be started stays active and is reported. */
  async startAll(): Promise<void> {
    const sources = (await this.#options.store.walk("lib")).filter((entry) =>
      entry.layer === "upper" && entry.state === "active"
    );
    const waiting = sources.map((entry) => entry.name);
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const next = name;
        await this.#inTurn(next, () => this.#startAgain(next));
      }
    }));
  }

  /**
   * Approves a source and brings it up. A plugin that is up with this very source stays as it is.
   *
   * @throws {Problem} 404, 412, or 422 with the reason; nothing has changed then
   */
  activate(name: string, approval: Approval): Promise<PluginStatus> {
    const { store } = this.#options;
    return this.#inTurn(name, async () => {
      const source = await sourceOf(store, name, "activate");
      const up = this.#up.get(name);
      if (up?.source.sha256 === source.sha256 && !this.#faults.has(name)) {
        mustHaveSeen(source, approval.precondition);
        return this.status(name);
      }
      const loaded = await this.#load(source, approval.by);
      try {
        const version = await setState(store, source, "active", approval, approvalFacts(loaded));
        // Whoever wrote in the same moment has taken back what this approval was for.
        if (!this.#isCurrent(name, version)) throw changedMeanwhile(name);
      } catch (error) {
        await this.#giveUp(loaded);
        throw error;
      }
      this.#takeDown(name);
      this.#bringUp(loaded);
      return this.status(name);
    });
  }

  /**
   * Takes a plugin's routes down and keeps its source.
   *
   * @throws {Problem} 404, 412
   */
  disable(name: string, approval: Approval): Promise<PluginStatus> {
    const { store } = this.#options;
    return this.#inTurn(name, async () => {
      const source = await sourceOf(store, name, "disable");
      if (source.state !== "disabled") await setState(store, source, "disabled", approval);
      else mustHaveSeen(source, approval.precondition);
      this.#takeDown(name);
      this.#faults.delete(name);
      return this.status(name);
    });
  }

  /** What a plugin is now. */
  status(name: string): PluginStatus {
    const loaded = this.#up.get(name);
    const fault = this.#faults.get(name) ?? faultOf(loaded);
    return {
      up: loaded !== undefined,
      ...(loaded === undefined ? {} : { loaded }),
      ...(fault === undefined ? {} : { fault }),
    };
  }

  /**
   * What a source asks for, learnt in a probe that grants nothing, for whoever is to approve it.
   *
   * @throws {Problem} 404, or 422 with the reason
   */
  async asks(name: string): Promise<Wanted> {
    const source = await sourceOf(this.#options.store, name, "inquire");
    try {
      return await inquire(this.#options.ground, source);
    } catch (error) {
      throw refusalOf(error, name);
    }
  }

  /** Ends every cell, and whatever is being brought up. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    const loaded = [...this.#up.values()];
    for (const { name } of loaded) this.#withdraw(name);
    await Promise.all(loaded.map(({ cell }) => cell.stop({ drain: false })));
    await Promise.all(this.#turns.values());
  }

  async #startAgain(name: string): Promise<void> {
    const { store, log } = this.#options;
    if (this.#closed) return;
    let version: number | undefined;
    try {
      const source = await sourceOf(store, name, "start");
      if (source.state !== "active") return;
      version = source.version;
      const approved = await approvalOf(store, source);
      if ("fault" in approved) throw new Problem("unprocessable", approved.fault);
      const loaded = await this.#load(source, "machine", approved.facts);
      if (this.#isCurrent(name, version)) this.#bringUp(loaded);
      else await this.#giveUp(loaded);
    } catch (error) {
      if (version !== undefined && !this.#isCurrent(name, version)) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#faults.set(name, reason);
      log(`plugin ${shortName(name)} is not up: ${reason}`);
      await this.#notes.write(name, "plugin_failed", { reason: reason.slice(0, 500) });
    }
  }

  /**
   * Makes a cell of a source and sets its routes aside.
   *
   * @param approved what the source must still ask to be, when it was approved before
   */
  async #load(source: World, by: string, approved?: ApprovalFacts): Promise<LoadedPlugin> {
    const { ground, dispatch } = this.#options;
    const { name, sha256 } = source;
    try {
      const wanted = await inquire(ground, source);
      const fault = approved === undefined ? undefined : strayed(approved, wanted);
      if (fault !== undefined) throw new Problem("unprocessable", fault);
      this.#claims.claim(
        name,
        wanted.manifest,
        [...this.#up].map(([other, { manifest }]) => [other, manifest]),
      );
      const own = pluginCaller(shortName(name), wanted.manifest.grants);
      return await startCell(ground, source, wanted, {
        callBack: (call) => answerCallBack(call, own, ground.now(), dispatch),
        onEvent: (event) => this.#notes.cell(name, sha256, event),
      });
    } catch (error) {
      this.#claims.release(name);
      const refusal = refusalOf(error, name);
      if (refusal instanceof Problem) {
        const reason = refusal.detail.slice(0, 500);
        await this.#notes.write(name, "plugin_refused", { source_sha256: sha256, reason }, by);
      }
      throw refusal;
    }
  }

  /** Whether a plugin's world is still the version that was approved. */
  #isCurrent(name: string, version: number): boolean {
    const now = this.#options.store.stat(name);
    return !this.#closed && now?.version === version && now.state === "active";
  }

  async #giveUp({ name, cell }: LoadedPlugin): Promise<void> {
    this.#claims.release(name);
    await cell.stop({ drain: false });
  }

  #bringUp(loaded: LoadedPlugin): void {
    const { name, manifest } = loaded;
    this.#claims.release(name);
    this.#faults.delete(name);
    this.#up.set(name, loaded);
    for (const route of manifest.routes) this.#table.add(route, loaded);
    if (manifest.fallback) this.#fallback = loaded;
    const { store } = this.#options;
    this.#watches.set(
      name,
      manifest.config.map((path) => store.watch(path.slice(1), () => this.#configChanged(name))),
    );
    // What was written while the cell started was seen by no watch.
    if (manifest.config.length > 0) this.#configChanged(name);
  }

  /** Takes routes and watches away at once; the cell finishes what it has. */
  #takeDown(name: string): void {
    const loaded = this.#withdraw(name);
    if (loaded === undefined) return;
    loaded.cell.stop({ drain: true })
      .catch((error) => this.#options.log(`plugin ${shortName(name)} did not stop: ${error}`));
  }

  #withdraw(name: string): LoadedPlugin | undefined {
    const loaded = this.#up.get(name);
    if (loaded === undefined) return undefined;
    this.#up.delete(name);
    for (const route of loaded.manifest.routes) this.#table.delete(route);
    if (this.#fallback === loaded) this.#fallback = undefined;
    for (const unwatch of this.#watches.get(name) ?? []) unwatch();
    this.#watches.delete(name);
    return loaded;
  }

  /** A source that is no longer the approved one goes down before its writer is answered. */
  #sourceChanged({ kind, name, world }: Change): void {
    const state = kind === "delete"
      ? undefined
      : world?.state ?? this.#options.store.stat(name)?.state;
    if (state !== "active") this.#faults.delete(name);
    const loaded = this.#up.get(name);
    if (loaded === undefined) return;
    const same = world === undefined || world.sha256 === loaded.source.sha256;
    if (state !== "active" || !same) this.#takeDown(name);
  }

  /** A config world changed: the permissions may be others now, and the cell is swapped for a new one. */
  #configChanged(name: string): void {
    const { ground, log } = this.#options;
    void this.#inTurn(name, async () => {
      const loaded = this.#up.get(name);
      if (loaded === undefined) return;
      try {
        if (await hasConfig(ground, loaded)) return void this.#faults.delete(name);
        const probed = await askAgain(ground, name, loaded.code);
        const fault = strayed(approvalFacts(loaded), probed);
        if (fault !== undefined) throw new Problem("unprocessable", fault);
        await loaded.cell.swap(await initOf(ground, name, loaded.code, probed));
        loaded.permissions = probed.permissions;
        loaded.config = probed.config;
        loaded.fault = probed.fault;
        this.#faults.delete(name);
        await this.#notes.write(name, "plugin_reconfigured", {
          source_sha256: loaded.source.sha256,
          permissions: probed.permissions,
          ...(probed.fault === undefined ? {} : { fault: probed.fault.slice(0, 500) }),
        });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#faults.set(
          name,
          `its new configuration does not work, the old one goes on: ${reason}`,
        );
        log(`plugin ${shortName(name)} keeps its old configuration: ${reason}`);
      }
    });
  }

  /** One step of a plugin's life at a time. */
  #inTurn<T>(name: string, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(act, act);
    const settled = turn.then(() => {}, () => {});
    this.#turns.set(name, settled);
    void settled.then(() => {
      if (this.#turns.get(name) === settled) this.#turns.delete(name);
    });
    return turn;
  }
}

function routeOf(path: string, { name, manifest }: LoadedPlugin): PluginRoute {
  return { path, plugin: name, description: manifest.description, auth: manifest.auth };
}

/** The refusal of a source that cannot be brought up; anything unforeseen stays what it is. */
function refusalOf(error: unknown, name: string): unknown {
  const known = error instanceof SourceError || error instanceof ManifestError ||
    error instanceof EscalationError || error instanceof CellEnd;
  if (!known) return error;
  return new Problem(
    "unprocessable",
    `Cannot activate /${name}: ${error.message}; nothing was changed`,
  );
}
