/**
 * What the cells of a server are made from: how they start, what they may be granted, and what they must
 * never reach. Loaded when the first plugin is needed.
 */

import type { Config } from "../config.ts";
import { ownPortFault } from "../plugin/cell/own_port_guard.ts";
import type { SandboxDeps } from "../plugin/host/loaded_plugin.ts";
import { checkImportsInWorker } from "../plugin/manifest/check_imports_in_worker.ts";
import { chooseTransport } from "../plugin/transport/choose_transport.ts";
import type { CellProgram } from "../plugin/transport/process_transport.ts";
import { RESERVED_SEGMENTS } from "../request/core_routes.ts";
import type { Store } from "../world/store.ts";

/** Environment variables that the runtime of a cell needs to find its cache; a cell gets no others. */
const RUNTIME_VARIABLES = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"];

const SOURCE_WORKER = import.meta.resolve("../plugin/manifest/check_imports_worker.ts");
/** The main module of a cell in a checkout: it loads nothing but the cell. */
const CELL_MAIN = import.meta.resolve("../plugin/transport/cell_main.ts");
/** Never called: imports that the runtime can see, so that a run from a URL has these modules cached. */
export const SEPARATE_MODULES: readonly (() => Promise<unknown>)[] = [
  () => import("../plugin/transport/cell_main.ts"),
  () => import("../plugin/manifest/check_imports_worker.ts"),
];

/** What the sandbox is made from. */
export interface SandboxOptions {
  readonly store: Store;
  readonly config: Config;
  /** Looks an environment variable up. */
  readonly env: (name: string) => string | undefined;
  /** URL of the program's main module; absent in a compiled binary. */
  readonly main?: string;
  /** The program is one file, without the module of a Worker next to it. */
  readonly single?: boolean;
  /** Whether cells may be processes. */
  readonly canSpawn: boolean;
  /** Port that the server listens on. */
  readonly port: number;
  readonly log: (line: string) => void;
}

/** Creates what the plugin host starts cells with. Logs a line if the isolation is weaker. */
export function createSandbox(options: SandboxOptions): SandboxDeps {
  const { store, config, env, log, canSpawn } = options;
  const { startCell, warning } = chooseTransport(programOf(options), canSpawn);
  if (warning !== undefined) log(warning);
  return {
    startCell,
    limits: config.cellLimits,
    now: Date.now,
    readVariable: env,
    ...(options.single === true
      ? {}
      : { checkImports: checkImportsInWorker(SOURCE_WORKER, config.cellLimits.startTimeoutMs) }),
    forbiddenFolders: closedPaths(config),
    ...(canSpawn
      ? {}
      : { netFault: (host: string) => ownPortFault(host, options.port, config.host) }),
    routeFault: reservedRouteFault,
    readConfig: async (path) => {
      const world = await store.read(path.slice(1));
      return world === undefined ? undefined : new TextDecoder().decode(world.body);
    },
    log: (level, line) => log(level === "log" ? line : `${level}: ${line}`),
  };
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
export function reservedRouteFault(path: string): string | undefined {
  const [, first = ""] = path.split("/");
  if (RESERVED_SEGMENTS.has(first)) return `everything below /${first} is the core's`;
  return path === "/dev" ? "it lists the devices; take a path below it" : undefined;
}

/** A server narrowed to its own settings may not even ask for these; it can do without. */
function allowed(env: SandboxOptions["env"], name: string): string | undefined {
  try {
    return env(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

function programOf({ env, main, single, port, config }: SandboxOptions): CellProgram {
  const variables: Record<string, string> = {};
  for (const name of RUNTIME_VARIABLES) {
    const value = allowed(env, name);
    if (value !== undefined) variables[name] = value;
  }
  // Every way to dial the machine itself: from its own host a cell would be a local caller.
  const own = new Set(["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", config.host]);
  return {
    execPath: Deno.execPath(),
    ...(main === undefined ? {} : { main: cellMainUrl(main, single) }),
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
export function cellMainUrl(main: string, single = false): string {
  return !single && main.startsWith("file:") ? CELL_MAIN : main;
}
