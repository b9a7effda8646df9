/**
 * Joins the plugin host to the machine: what its cells are made of, what they may never reach, and the
 * way back in behind the gate. Loaded when the first plugin is wanted.
 */

import type { App } from "./app.ts";
import type { Config } from "../config.ts";
import { examineApart } from "../plugin/manifest/check_imports_in_worker.ts";
import { chooseLaunch } from "../plugin/transport/choose_transport.ts";
import { ownAddressFault } from "../plugin/cell/own_port_guard.ts";
import { PluginHost } from "../plugin/host/plugin_host.ts";
import type { CellProgram } from "../plugin/transport/process_transport.ts";
import { CORE_SEGMENTS } from "../routes/route_list.ts";
import type { Store } from "../world/store.ts";

/** Variables the runtime of a cell needs to find its own cache; nothing else of ours goes in. */
const RUNTIME_VARIABLES = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"];

const SOURCE_WORKER = import.meta.resolve("../plugin/manifest/check_imports_worker.ts");
/** The cell as a program of its own, which finds nothing but itself. */
const CELL_MAIN = import.meta.resolve("../plugin/transport/cell_main.ts");
/** Never called: imports that the runtime can see, so that a run from a URL has the modules too. */
export const besideTheGraph: readonly (() => Promise<unknown>)[] = [
  () => import("../plugin/transport/cell_main.ts"),
  () => import("../plugin/manifest/check_imports_worker.ts"),
];

/** What the host is made from. */
export interface GroundOptions {
  readonly store: Store;
  readonly config: Config;
  /** Looks an environment variable up. */
  readonly env: (name: string) => string | undefined;
  /** URL of the program's main module; absent in a compiled binary. */
  readonly main?: string;
  /** The program is one file, beside which no Worker's module lies. */
  readonly single?: boolean;
  /** Whether cells may be processes. */
  readonly mayRun: boolean;
  /** Port the machine listens on. */
  readonly port: number;
  readonly app: Pick<App, "answer">;
  readonly log: (line: string) => void;
}

/** Makes the plugin host of a machine. */
export function makePluginHost(options: GroundOptions): PluginHost {
  const { store, config, env, app, log, mayRun } = options;
  const { launch, weaker } = chooseLaunch(programOf(options), mayRun);
  if (weaker !== undefined) log(weaker);
  return new PluginHost({
    store,
    log,
    dispatch: (exchange) => app.answer(exchange),
    ground: {
      launch,
      limits: config.cells,
      now: Date.now,
      variable: env,
      ...(options.single === true
        ? {}
        : { examine: examineApart(SOURCE_WORKER, config.cells.startMs) }),
      closed: closedPaths(config),
      ...(mayRun
        ? {}
        : { netFault: (host: string) => ownAddressFault(host, options.port, config.host) }),
      reserved: reservedRoute,
      config: async (path) => {
        const world = await store.read(path.slice(1));
        return world === undefined ? undefined : new TextDecoder().decode(world.body);
      },
      log: (level, line) => log(level === "log" ? line : `${level}: ${line}`),
    },
  });
}

/** What no plugin may reach: the machine's data, the key by which others know it, and its settings. */
function closedPaths({ data, tls }: Config): string[] {
  const closed = [data, ...(tls === undefined ? [] : [tls.key])];
  try {
    // Its tokens may stand there.
    return [...closed, ".env"].map((path) => Deno.realPathSync(path));
  } catch (error) {
    const { NotFound, NotCapable, PermissionDenied } = Deno.errors;
    const known = [NotFound, NotCapable, PermissionDenied].some((kind) => error instanceof kind);
    if (!known) throw error;
    // There is no such file, or none that the server itself may read.
    return closed.map((path) => Deno.realPathSync(path));
  }
}

/** Says why a path may not be a plugin's route, or `undefined` when it may. */
export function reservedRoute(path: string): string | undefined {
  const [, first = ""] = path.split("/");
  if (CORE_SEGMENTS.has(first)) return `everything below /${first} is the core's`;
  return path === "/dev" ? "it lists the devices; take a path below it" : undefined;
}

/** A server narrowed to its own settings may not even ask for these; it can do without. */
function allowed(env: GroundOptions["env"], name: string): string | undefined {
  try {
    return env(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

function programOf({ env, main, single, port, config }: GroundOptions): CellProgram {
  const variables: Record<string, string> = {};
  for (const name of RUNTIME_VARIABLES) {
    const value = allowed(env, name);
    if (value !== undefined) variables[name] = value;
  }
  // Every way to dial the machine itself: from its own host a cell would be a local caller.
  const own = new Set(["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", config.host]);
  return {
    execPath: Deno.execPath(),
    ...(main === undefined ? {} : { main: cellMain(main, single) }),
    args: ["cell"],
    env: variables,
    denyNet: [...own].map((host) => `${host}:${port}`),
  };
}

/**
 * The main module of the cells of a machine. A checkout has a door for them alone: behind the front
 * door the runtime looks for all that a command might load, a third of a cell's start.
 *
 * @param main the machine's own main module
 * @param single it is the whole program in one file
 */
export function cellMain(main: string, single = false): string {
  return !single && main.startsWith("file:") ? CELL_MAIN : main;
}
