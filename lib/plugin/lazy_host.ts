/**
 * The plugins as the composition holds them: nothing of the plugin host is loaded until a plugin is
 * active or somebody asks about one, because most starts of a machine need none of it.
 */

import type { Exchange } from "../request/request_context.ts";
import type { PluginHost } from "./host/plugin_host.ts";
import type { PluginRoute, PluginRoutes, PluginVitals } from "../request/plugin_routes.ts";

/** How long the first requests wait for plugins that are slow to start, in milliseconds. */
const START_PATIENCE_MS = 5_000;

/** See the module. */
export class Plugins implements PluginRoutes {
  readonly #make: () => Promise<PluginHost>;
  #loading: Promise<PluginHost> | undefined;
  #host: PluginHost | undefined;
  #starting: Promise<void> | undefined;

  /**
   * @param make loads the host and joins it to the machine
   * @param containment what cells are made of here
   */
  constructor(make: () => Promise<PluginHost>, readonly containment: "process" | "worker") {
    this.#make = make;
  }

  get active(): number {
    return this.#host?.active ?? 0;
  }

  get fallback(): PluginRoute | undefined {
    return this.#host?.fallback;
  }

  get starting(): Promise<void> | undefined {
    return this.#starting;
  }

  list(): readonly PluginRoute[] {
    return this.#host?.list() ?? [];
  }

  vitals(): readonly PluginVitals[] {
    return this.#host?.vitals() ?? [];
  }

  match(path: string): PluginRoute | undefined {
    return this.#host?.match(path);
  }

  fetch(route: PluginRoute, exchange: Exchange): Promise<Response> {
    return this.#host?.fetch(route, exchange) ??
      this.host().then((host) => host.fetch(route, exchange));
  }

  async host(): Promise<PluginHost> {
    this.#loading ??= this.#make();
    return this.#host ??= await this.#loading;
  }

  /** Starts every active plugin; requests for paths without a route wait for it, though not for ever. */
  start(): Promise<void> {
    const all = this.host().then((host) => host.startAll());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, START_PATIENCE_MS));
    // Whoever awaits `all` hears what failed; those who only wait for a route need not.
    const settled = all.then(() => undefined, () => undefined);
    this.#starting = Promise.race([settled, late]).finally(() => {
      clearTimeout(timer);
      this.#starting = undefined;
    });
    return all;
  }

  /** Ends every cell. */
  async close(): Promise<void> {
    // A host that could not be loaded has nothing to end; whoever asked for it was told why.
    const host = await this.#loading?.catch(() => undefined);
    await host?.close();
  }
}
