/**
 * The plugins of a machine: which are up, under which routes, and how one comes up, goes down, is
 * replaced and is asked. A plugin is up only while the chain of its world says that exactly this
 * source was approved. Nothing here knows any plugin by name.
 */

import { enforce, mayCall } from "../auth/policy.ts";
import type { Exchange } from "../http/exchange.ts";
import { encodePath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import type { PluginRoute } from "../plugin_routes.ts";
import { inNamespace } from "../world/name.ts";
import { preconditionFault } from "../world/precondition.ts";
import {
  type Change,
  type Precondition,
  type Store,
  StoreError,
  type World,
} from "../world/store.ts";
import { approvalFault } from "./approval.ts";
import { exchangeOf, pluginCaller } from "./call_back.ts";
import { CellEnd } from "./run.ts";
import { ChainNotes } from "./chain_notes.ts";
import {
  askAgain,
  type CellGround,
  EscalationError,
  initOf,
  inquire,
  type LoadedPlugin,
  shortName,
  startCell,
  type Wanted,
} from "./loaded_plugin.ts";
import { ManifestError } from "./manifest.ts";
import { RouteTable } from "./route_table.ts";
import { SourceError } from "./source.ts";

/** Plugins started at a time when the machine starts. */
const STARTS_AT_ONCE = 4;
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);

/** What the host needs of the machine. */
export interface PluginHostOptions {
  readonly store: Store;
  readonly ground: CellGround;
  /** Answers an exchange behind the gate; never throws. */
  dispatch(exchange: Exchange): Promise<Response>;
  readonly log: (line: string) => void;
}

/** Who asks for a change of a plugin's state, and what they saw. */
export interface Approval {
  readonly by: string;
  readonly precondition?: Precondition;
}

/** What a plugin is now, for `GET /lib/<name>/state`. */
export interface PluginStatus {
  readonly up: boolean;
  readonly loaded?: LoadedPlugin;
  /** Why an active plugin is not up, or runs with an older configuration than it should. */
  readonly fault?: string;
}

/** See the module. */
export class PluginHost {
  readonly #options: PluginHostOptions;
  readonly #up = new Map<string, LoadedPlugin>();
  readonly #faults = new Map<string, string>();
  readonly #table = new RouteTable<LoadedPlugin>();
  /** Routes of activations under way, by plugin: two at once must not both be promised one. */
  readonly #promised = new Map<string, readonly string[]>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #watches = new Map<string, (() => void)[]>();
  readonly #notes: ChainNotes;
  readonly #unwatch: () => void;
  #fallback: LoadedPlugin | undefined;

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
    const { caller, target, depth = 0, connection } = exchange;
    const action = SAFE.has(exchange.request.method) ? "read" : "write";
    const subject = subjectOf(target.path, route.path);
    enforce(mayCall(caller, action, target.path, plugin.manifest.auth, subject));
    const response = await plugin.cell.fetch(canonicalRequest(exchange), {
      authority: caller,
      tier: caller.tier,
      by: caller.by,
      depth,
      ...(connection === undefined ? {} : { completed: connection.completed }),
    });
    // What a plugin passes on may be a stranger's page: it must not act as this origin either.
    if (!response.headers.has("content-security-policy")) {
      response.headers.set("content-security-policy", "sandbox allow-scripts");
    }
    response.headers.set("x-content-type-options", "nosniff");
    return response;
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
    return this.#inTurn(name, async () => {
      const source = await this.#source(name, "activate");
      const up = this.#up.get(name);
      if (up?.source.sha256 === source.sha256 && !this.#faults.has(name)) {
        mustHaveSeen(source, approval.precondition);
        return this.status(name);
      }
      const loaded = await this.#load(source, approval.by);
      try {
        await this.#transition(source, "active", approval, {
          routes: loaded.manifest.routes,
          auth: loaded.manifest.auth,
          grants: loaded.manifest.grants,
          permissions: loaded.permissions,
        });
      } catch (error) {
        this.#promised.delete(name);
        await loaded.cell.stop({ drain: false });
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
    return this.#inTurn(name, async () => {
      const source = await this.#source(name, "disable");
      if (source.state !== "disabled") await this.#transition(source, "disabled", approval, {});
      else mustHaveSeen(source, approval.precondition);
      this.#takeDown(name);
      this.#faults.delete(name);
      return this.status(name);
    });
  }

  /** What a plugin is now. */
  status(name: string): PluginStatus {
    const loaded = this.#up.get(name);
    const fault = this.#faults.get(name);
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
    const source = await this.#source(name, "inquire");
    try {
      return await inquire(this.#options.ground, source);
    } catch (error) {
      throw refusalOf(error, name);
    }
  }

  /** Ends every cell. */
  async close(): Promise<void> {
    this.#unwatch();
    const loaded = [...this.#up.values()];
    for (const { name } of loaded) this.#withdraw(name);
    await Promise.all(loaded.map(({ cell }) => cell.stop({ drain: false })));
  }

  async #startAgain(name: string): Promise<void> {
    const { store, log } = this.#options;
    try {
      const source = await this.#source(name, "start");
      if (source.state !== "active") return;
      const fault = await approvalFault(store, source);
      if (fault !== undefined) throw new Problem("unprocessable", fault);
      this.#bringUp(await this.#load(source, "machine"));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#faults.set(name, reason);
      log(`plugin ${shortName(name)} is not up: ${reason}`);
      await this.#notes.write(name, "plugin_failed", { reason: reason.slice(0, 500) });
    }
  }

  /** Makes a cell of a source and promises it its routes. */
  async #load(source: World, by: string): Promise<LoadedPlugin> {
    const { ground } = this.#options;
    const { name, sha256 } = source;
    try {
      const wanted = await inquire(ground, source);
      this.#promise(name, wanted);
      const own = pluginCaller(shortName(name), wanted.manifest.grants);
      return await startCell(ground, source, wanted, {
        callBack: (call) => this.#options.dispatch(exchangeOf(call, own, ground.now())),
        onEvent: (event) => this.#notes.cell(name, sha256, event),
      });
    } catch (error) {
      this.#promised.delete(name);
      const refusal = refusalOf(error, name);
      if (refusal instanceof Problem) {
        const reason = refusal.detail.slice(0, 500);
        await this.#notes.write(name, "plugin_refused", { source_sha256: sha256, reason }, by);
      }
      throw refusal;
    }
  }

  /** Sets routes aside for a plugin, or says who has them. */
  #promise(name: string, { manifest }: Wanted): void {
    const taken: [string, string][] = this.#table.entries().map(([path, { name }]) => [path, name]);
    for (const [other, routes] of this.#promised) {
      for (const path of routes) taken.push([path, other]);
    }
    for (const route of manifest.routes) {
      const found = taken.find(([path, owner]) => owner !== name && overlap(path, route));
      if (found === undefined) continue;
      throw new ManifestError("routes", `${route} is taken: ${found[1]} holds ${found[0]}`);
    }
    if (manifest.fallback && this.#fallback !== undefined && this.#fallback.name !== name) {
      throw new ManifestError("fallback", `it is taken: ${this.#fallback.name} holds it`);
    }
    this.#promised.set(name, manifest.routes);
  }

  #bringUp(loaded: LoadedPlugin): void {
    const { name, manifest } = loaded;
    this.#promised.delete(name);
    this.#faults.delete(name);
    this.#up.set(name, loaded);
    for (const route of manifest.routes) this.#table.add(route, loaded);
    if (manifest.fallback) this.#fallback = loaded;
    const { store } = this.#options;
    this.#watches.set(
      name,
      manifest.config.map((path) => store.watch(path.slice(1), () => this.#configChanged(name))),
    );
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
    const loaded = this.#up.get(name);
    if (kind === "delete") this.#faults.delete(name);
    if (loaded === undefined) return;
    const same = kind === "update" && world?.state === "active" &&
      world.sha256 === loaded.source.sha256;
    if (same) return;
    const state = this.#options.store.stat(name)?.state;
    if (kind === "update" && world === undefined && state === "active") return;
    this.#takeDown(name);
  }

  /** A config world changed: the permissions may be others now, and the cell is swapped for a new one. */
  #configChanged(name: string): void {
    const { ground, log } = this.#options;
    void this.#inTurn(name, async () => {
      const loaded = this.#up.get(name);
      if (loaded === undefined) return;
      try {
        const probed = await askAgain(ground, name, loaded.code);
        await loaded.cell.swap(await initOf(ground, name, loaded.code, probed));
        loaded.permissions = probed.permissions;
        loaded.config = probed.config;
        this.#faults.delete(name);
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

  async #source(name: string, action: string): Promise<World> {
    const source = await this.#options.store.read(name);
    if (source !== undefined && source.layer === "upper") return source;
    throw new Problem("not-found", `Cannot ${action} /${name}: no source is here; PUT one first`);
  }

  /** The approval counts for the source that was loaded, whatever is written meanwhile. */
  async #transition(
    source: World,
    to: string,
    { by, precondition }: Approval,
    facts: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    mustHaveSeen(source, precondition);
    const { name, version, sha256 } = source;
    try {
      await this.#options.store.transition({
        name,
        by,
        to,
        facts: { source_sha256: sha256, ...facts },
        precondition: { match: [{ version, sha256 }] },
      });
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "precondition") throw error;
      throw new Problem(
        "conflict",
        `Cannot change the state of /${name}: its source was changed meanwhile; look at it again`,
      );
    }
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

/** Holds a caller to the version they say they have read. */
function mustHaveSeen(source: World, precondition: Precondition | undefined): void {
  const fault = preconditionFault(precondition, source);
  if (fault === undefined) return;
  throw new Problem("precondition-failed", `Cannot change the state of /${source.name}: ${fault}`);
}

function routeOf(path: string, { name, manifest }: LoadedPlugin): PluginRoute {
  return { path, plugin: name, description: manifest.description, auth: manifest.auth };
}

/** Whether one route lies in the other. */
function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** What a route's rest names, where it names a world or a mount: `/home/x` of `/shaped/home/x`. */
function subjectOf(path: string, route: string): string {
  const rest = path.slice(route.length + 1);
  return inNamespace(rest) || rest === "mnt" || rest.startsWith("mnt/") ? `/${rest}` : path;
}

/** The request under its canonical URL: what the plugin reads is what was matched and checked. */
function canonicalRequest({ request, target }: Exchange): Request {
  const path = `${encodePath(target.path)}${target.collection && target.path !== "/" ? "/" : ""}`;
  const query = target.query === "" ? "" : `?${target.query}`;
  const start = request.url.indexOf("/", request.url.indexOf("://") + 3);
  if (request.url.slice(start) === path + query) return request;
  return new Request(`${request.url.slice(0, start)}${path}${query}`, request);
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
