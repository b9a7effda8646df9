/**
 * Brings a machine up and takes it down again: folder, store, app, listener, in this order, and the
 * reverse. Every effect of a start is here; what a request does is decided in `app.ts`.
 */

import { createApp } from "./app.ts";
import { createAuthenticator } from "../auth/authenticate.ts";
import { type Config, isLoopbackHost } from "../config.ts";
import { createClientFinder } from "../http/client_address.ts";
import { SHUTDOWN_TIMEOUT_MS } from "../limits.ts";
import type { ServerContext } from "../request/server_context.ts";
import { createAccessLog } from "../observe/access_log.ts";
import { writeBootWorlds } from "./boot_worlds.ts";
import { PluginHost } from "../plugin/host/plugin_host.ts";
import { findProgramSource } from "../source/find_program_source.ts";
import { readTls, toTlsError } from "./tls.ts";
import { VERSION } from "../version.ts";
import { withTimeout } from "../base/timeout.ts";
import { syncAccounts } from "../auth/account_sync.ts";
import { acquireDataFolder, loadOrCreateSecret } from "../world/file/data_folder.ts";
import { createLowerLayer } from "../world/lower_layer.ts";
import { openSqliteStore } from "../world/store/sqlite_store.ts";

/** What a start needs beside its settings. */
export interface StartServerOptions {
  readonly config: Config;
  /** Looks an environment variable up. */
  readonly env: (name: string) => string | undefined;
  /** Text of the birth worlds by path. */
  readonly lowerWorlds: Readonly<Record<string, string>>;
  /** URL of the store Worker's module. */
  readonly storeWorkerUrl: string;
  /** URL of the program's main module, which cells are started from; absent in a compiled binary. */
  readonly main?: string;
  /** The main module is the whole program in one file. */
  readonly single?: boolean;
  /** Writes bytes of the access log and says how many; without it there is none. */
  readonly write?: (bytes: Uint8Array) => Promise<number>;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
  /** Called when the store cannot go on. */
  readonly onStoreFailure: (reason: string) => void;
}

/** A machine that is up. */
export interface RunningServer {
  /** Where it listens, `http://127.0.0.1:3005`. */
  readonly url: string;
  /** The approve token, when it was made by this start and nobody has seen it yet. */
  readonly newApproveToken?: string;
  /** Lets what was accepted finish, and gives everything back. */
  close(): Promise<void>;
}

/**
 * Starts a machine.
 *
 * @throws {ConfigError} {@link DataFolderBusy} and what listening throws
 */
export async function startServer(options: StartServerOptions): Promise<RunningServer> {
  const { config, log } = options;
  const startedAt = Date.now();
  const tls = config.tls === undefined ? undefined : readTls(config.tls, log);
  const folder = acquireDataFolder(config.data);
  try {
    const key = config.key ?? loadOrCreateSecret(config.data, ".key").secret;
    const approve = config.approveToken === undefined
      ? loadOrCreateSecret(config.data, ".approve-token")
      : { secret: config.approveToken, fresh: false };
    const store = await openSqliteStore({
      folder,
      key,
      lower: createLowerLayer(options.lowerWorlds, new Date(startedAt).toISOString()),
      workerUrl: options.storeWorkerUrl,
      writers: config.writers,
      sync: config.sync,
      history: config.history,
      maxWorldBytes: config.maxWorldBytes,
      cacheBytes: config.cacheBytes,
      onWorkerExit: options.onStoreFailure,
      log,
    });
    const authenticator = createAuthenticator({
      ...(config.token === undefined ? {} : { token: config.token }),
      approveToken: approve.secret,
      key,
      now: Date.now,
    });
    await syncAccounts(store, authenticator, log);
    const canSpawn = await canStartCells();
    const plugins = new PluginHost({
      store,
      now: Date.now,
      containment: canSpawn ? "process" : "worker",
      dispatch: (request) => app.handleInternal(request),
      loadSandbox: async () => {
        const { createSandbox } = await import("./create_sandbox.ts");
        return createSandbox({
          store,
          config,
          env: options.env,
          ...(options.main === undefined ? {} : { main: options.main }),
          ...(options.single === undefined ? {} : { single: options.single }),
          canSpawn,
          port: portOf(server.addr),
          log,
        });
      },
      log,
    });
    const context: ServerContext = {
      store,
      config,
      authenticator,
      key,
      plugins,
      version: VERSION,
      source: once(() =>
        findProgramSource({
          ...(options.main === undefined ? {} : { main: options.main }),
          single: options.single ?? false,
          standalone: Deno.build.standalone,
          data: config.data,
        })
      ),
      startedAt,
      now: Date.now,
      log,
    };
    const findClient = createClientFinder({
      ...(config.trustHeader === undefined ? {} : { trustHeader: config.trustHeader }),
      trustFrom: config.trustFrom,
    });
    const app = createApp(context, {
      authenticator,
      findClient,
      requiresCredential: config.token !== undefined,
      allowedHosts: new Set(
        [...config.allowedHosts, ...ownName(config.host)].map((host) => host.toLowerCase()),
      ),
    });
    const { write } = options;
    const accessLog = createAccessLog(config.accessLogFormat, {
      app,
      findClient,
      now: Date.now,
      write,
      log,
    });
    const answers = accessLog ?? app;
    const sources = await store.walk("lib");
    const server = Deno.serve({
      hostname: config.host,
      port: config.port,
      ...tls,
      onListen: () => {},
      onError: (error) => {
        log(`failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
        return new Response("500 The machine failed\n", { status: 500 });
      },
    }, (request, info) => answers.handle(request, peerOf(info.remoteAddr), info));
    const boot = writeBootWorlds(store, options.env)
      .catch((error) => log(`/boot was not written: ${error}`));
    // In the same turn as the listener: no request may come before it is known that plugins start.
    if (sources.some((entry) => entry.state === "active")) {
      plugins.start().catch((error) => log(`the plugins were not started: ${error}`));
    }
    return {
      url: urlOf(config, server.addr),
      ...(approve.fresh ? { newApproveToken: approve.secret } : {}),
      close: once(async () => {
        app.closeStreams();
        // A client that never reads must not hold a shutdown up.
        await withTimeout(SHUTDOWN_TIMEOUT_MS, Promise.all([server.shutdown(), boot]));
        await accessLog?.close();
        await plugins.close();
        await store.close();
      }),
    };
  } catch (error) {
    folder.release();
    throw config.tls === undefined ? error : toTlsError(error, config.tls);
  }
}

/** A function whose first call does the work and whose later calls wait for the same. */
function once<T>(act: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => done ??= act();
}

function peerOf(address: Deno.Addr): string {
  return "hostname" in address ? address.hostname : "127.0.0.1";
}

/** A machine that listens under a name of this host alone may be called by that name. */
function ownName(host: string): string[] {
  return isLoopbackHost(host) ? [host] : [];
}

function urlOf({ host, tls }: Config, address: Deno.Addr): string {
  const scheme = tls === undefined ? "http" : "https";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${portOf(address)}`;
}

function portOf(address: Deno.Addr): number {
  return "port" in address ? address.port : 0;
}

/** Whether this program may start itself again, so that each plugin has a process of its own. */
async function canStartCells(): Promise<boolean> {
  try {
    const asked = { name: "run", command: Deno.execPath() } as const;
    return (await Deno.permissions.query(asked)).state === "granted";
  } catch (error) {
    // The path of the runtime is itself a permission; without it there is nothing to start.
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}
