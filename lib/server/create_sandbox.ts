/**
 * Creates the sandbox in which plugins run: how cells start, what can be granted to them, and what
 * they must never reach. Loaded when the first plugin is needed.
 */

import { decodeText } from "../base/decode_text.ts";
import { createMonotonicClock } from "../base/monotonic_clock.ts";
import type { Config } from "../config.ts";
import { ownPortFault } from "../plugin/cell/own_port_guard.ts";
import type { SandboxDeps } from "../plugin/host/loaded_plugin.ts";
import { checkImportsInWorker } from "../plugin/manifest/check_imports_in_worker.ts";
import { chooseTransport } from "../plugin/transport/choose_transport.ts";
import type { CellProgram } from "../plugin/transport/process_transport.ts";
import { RESERVED_SEGMENTS } from "../request/core_routes.ts";
import type { Store } from "../world/store.ts";

/** Environment variables that Deno needs in a cell to find its cache. A cell gets no others. */
const RUNTIME_VARIABLES = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"];

const IMPORT_CHECK_WORKER = import.meta.resolve("../plugin/manifest/check_imports_worker.ts");
/** Main module of a cell in a checkout: it loads only the code of the cell. */
const CELL_MAIN = import.meta.resolve("../plugin/transport/cell_main.ts");
/** Never called. Deno finds these imports, so that a run from a URL caches the modules. */
export const SEPARATE_MODULES: readonly (() => Promise<unknown>)[] = [
  () => import("../plugin/transport/cell_main.ts"),
  () => import("../plugin/manifest/check_imports_worker.ts"),
];

/** What the sandbox needs of the server. */
export interface SandboxOptions {
  readonly store: Store;
  readonly config: Config;
  /** Looks up an environment variable. */
  readonly env: (name: string) => string | undefined;
  /** URL of the main module; absent in a compiled binary. */
  readonly main?: string;
  /** The program is one file, so there is no separate module for a Worker. */
  readonly single?: boolean;
  /** Whether cells can be processes. */
  readonly canSpawn: boolean;
  /** Port that the server listens on. */
  readonly port: number;
  readonly log: (line: string) => void;
}

/** Creates the dependencies of the plugin host. Logs a warning if the isolation is weaker. */
export function createSandbox(options: SandboxOptions): SandboxDeps {
  const { store, config, env, log, canSpawn } = options;
  const { startCell, warning } = chooseTransport(programOf(options), canSpawn);
  if (warning !== undefined) log(warning);
  return {
    startCell,
    limits: config.cellLimits,
    now: createMonotonicClock(),
    readVariable: env,
    ...(options.single === true ? {} : {
      checkImports: checkImportsInWorker(IMPORT_CHECK_WORKER, config.cellLimits.startTimeoutMs),
    }),
    forbiddenFolders: forbiddenPaths(config),
    ...(canSpawn
      ? {}
      : { netFault: (host: string) => ownPortFault(host, options.port, config.host) }),
    routeFault: reservedRouteFault,
    readConfig: async (path) => {
      const world = await store.read(path.slice(1));
      if (world === undefined) return undefined;
      // Of bytes that are not text, the plugin gets U+FFFD and reports the lines that contain it.
      return decodeText(world.body) ?? new TextDecoder().decode(world.body);
    },
    log: (level, line) => log(level === "log" ? line : `${level}: ${line}`),
  };
}

/** Paths that no plugin may reach: the data folder, the TLS key, and the settings, which have tokens. */
function forbiddenPaths({ data, tls }: Config): string[] {
  const paths = [data, ...(tls === undefined ? [] : [tls.key]), ".env"];
  return paths.flatMap((path) => {
    try {
      return [Deno.realPathSync(path)];
    } catch (error) {
      const { NotFound, NotCapable, PermissionDenied } = Deno.errors;
      // It does not exist, as the data folder of a node of a cluster, or the server itself cannot read it.
      if ([NotFound, NotCapable, PermissionDenied].some((kind) => error instanceof kind)) return [];
      throw error;
    }
  });
}

/**
 * Explains why a plugin cannot claim a route.
 *
 * @returns a clause for an error message, or undefined if it can
 */
export function reservedRouteFault(path: string): string | undefined {
  const [, first = ""] = path.split("/");
  if (RESERVED_SEGMENTS.has(first)) return `everything below /${first} belongs to the core`;
  return path === "/dev" ? "it lists the devices; use a path below it" : undefined;
}

/**
 * Reads a variable. A server with restricted permissions may not be allowed to; the variable is
 * optional.
 */
function readOptional(env: SandboxOptions["env"], name: string): string | undefined {
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
    const value = readOptional(env, name);
    if (value !== undefined) variables[name] = value;
  }
  // Every address of this server: from this computer a cell would count as a local caller.
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
 * URL of the main module of cells. A checkout has a separate one: from `main.ts` Deno would resolve
 * the imports of every command, which takes a third of the start time of a cell.
 *
 * @param main URL of the server's main module
 * @param single whether it is the whole program in one file
 */
export function cellMainUrl(main: string, single = false): string {
  return !single && main.startsWith("file:") ? CELL_MAIN : main;
}
