/**
 * Starts the server (data folder, store, app, listener, in this order) and stops it in reverse
 * order. All effects of a start are here; `app.ts` decides what a request does.
 */

import { createApp } from "./app.ts";
import { createAuthenticator } from "../auth/authenticate.ts";
import { type Config, ConfigError, isLoopbackHost } from "../config.ts";
import type { ContentCoding, Precompressed } from "../http/content_coding.ts";
import { createClientFinder } from "../http/client_address.ts";
import { answerChallenge, type ListenAddress } from "../http/server_proof.ts";
import { parseIp, parseIpRange } from "../http/ip_address.ts";
import { EventLoopDelay } from "../observe/event_loop_delay.ts";
import { ConnectionServer, type ConnectionServerOptions } from "./connection_server.ts";
import { findServeConnection } from "./deno_http.ts";
import {
  type DescriptorBudget,
  divideDescriptors,
  readDescriptorLimit,
} from "./descriptor_budget.ts";
import { SHUTDOWN_TIMEOUT_MS } from "../limits.ts";
import type { ServerContext } from "../request/server_context.ts";
import type { EarlyWorker } from "../base/early_worker.ts";
import { createMonotonicClock } from "../base/monotonic_clock.ts";
import { createAccessLog } from "../observe/access_log.ts";
import { writeBootWorlds } from "./boot_worlds.ts";
import { PluginHost } from "../plugin/host/plugin_host.ts";
import type { PluginHostOptions } from "../plugin/host/plugin_host_options.ts";
import { findProgramSource } from "../source/find_program_source.ts";
import { Reloader, type ReloadReport } from "./reloader.ts";
import { ListenError } from "./failed_start.ts";
import { readTls, toTlsError } from "./tls.ts";
import { VERSION } from "../version.ts";
import { withTimeout } from "../base/timeout.ts";
import { syncAccounts } from "../auth/account_sync.ts";
import { syncRevocations } from "../auth/revocation_sync.ts";
import { createLowerLayer } from "../world/lower_layer.ts";
import { openServerStore } from "./open_store.ts";

/** What a start needs in addition to the settings. */
export interface StartServerOptions {
  readonly config: Config;
  /** Looks up an environment variable. */
  readonly env: (name: string) => string | undefined;
  /** Text of the lower-layer worlds by path. */
  readonly lowerWorlds: Readonly<Record<string, string>>;
  /** Lower-layer worlds in each content coding as Base64, by the SHA-256 of their content. */
  readonly precompressed?: Readonly<Record<string, Readonly<Record<ContentCoding, string>>>>;
  /** URL of the module of the store's Workers. */
  readonly storeWorkerUrl: string;
  /** Worker of that module that has been started and will read for the store. */
  readonly reader?: EarlyWorker;
  /** URL of the main module, with which cells are started; absent in a compiled binary. */
  readonly main?: string;
  /** The main module is the whole program in one file. */
  readonly single?: boolean;
  /** Writes bytes of the access log and returns how many; without it there is no access log. */
  readonly write?: (bytes: Uint8Array) => Promise<number>;
  /** Writes one line for the operator; lines with a `kind` are limited. Never waits. */
  readonly log: (line: string, kind?: string) => void;
  /** Lines that `log` did not write since the start. */
  readonly droppedLogLines?: () => number;
  /** Called after a reload that changed the settings of the logs. */
  readonly onLogSettings?: (config: Config) => void;
  /** Called if the store cannot continue. */
  readonly onStoreFailure: (reason: string) => void;
  /** Opens the store, by default the one of the settings. */
  readonly openStore?: typeof openServerStore;
  /**
   * Replaces the clock of the schedules of plugins, the pause after a failed call, and how long requests
   * wait for a plugin that another server has approved.
   */
  readonly pluginEvents?: Partial<
    Pick<PluginHostOptions, "now" | "changeRetryMs" | "startWaitMs">
  >;
}

/** A running server. */
export interface RunningServer {
  /** URL on which it listens, `http://127.0.0.1:3005`. */
  readonly url: string;
  /** The approve token, if this start generated it. */
  readonly newApproveToken?: string;
  /** Resolves when the worlds below `/boot` are written, or cannot be. */
  readonly booted: Promise<void>;
  /**
   * Applies changed settings.
   *
   * @param readEnv reads the settings as they are now
   * @returns what changed, what could not be used and kept its value, and what needs a restart
   * @throws {ConfigError} if a setting is invalid; nothing is changed then
   */
  reload(readEnv: () => Promise<(name: string) => string | undefined>): Promise<ReloadReport>;
  /** Finishes accepted requests and releases everything. */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws {ConfigError} if a setting is invalid
 * @throws {DataFolderBusy} if another server holds the data folder
 * @throws {ListenError} if the address or the port cannot be used
 */
export async function startServer(options: StartServerOptions): Promise<RunningServer> {
  const { config, log } = options;
  const monotonic = createMonotonicClock();
  const startedAt = monotonic();
  const tls = config.tls === undefined ? undefined : readTls(config.tls, log);
  // Three further Workers of the store read: for short reads, for audits and copies, for the indexes.
  const descriptors = divideDescriptors(readDescriptorLimit(), config.writers + 3);
  // A Worker that is not needed to listen would delay it, because each loads its modules.
  const listening = Promise.withResolvers<void>();
  const opened = await (options.openStore ?? openServerStore)({
    config,
    lower: createLowerLayer(options.lowerWorlds, new Date(startedAt).toISOString()),
    workerUrl: options.storeWorkerUrl,
    ...(options.reader === undefined ? {} : { reader: options.reader }),
    descriptors,
    listening: listening.promise,
    onFailure: options.onStoreFailure,
    log,
  });
  const { store, key, approveToken, proofKey } = opened;
  try {
    const authenticator = createAuthenticator({
      ...(config.token === undefined ? {} : { token: config.token }),
      approveToken,
      key,
      now: Date.now,
    });
    await syncAccounts(store, authenticator, log);
    await syncRevocations(store, authenticator, log);
    const canSpawn = await canStartCells();
    const plugins = new PluginHost({
      store,
      coordination: store.coordination,
      now: Date.now,
      ...options.pluginEvents,
      containment: canSpawn ? "process" : "worker",
      isCurrent: (caller) => authenticator.isCurrent(caller),
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
    const loopDelay = new EventLoopDelay();
    const context: ServerContext = {
      prove: (challenge) => answerChallenge(proofKey, challenge, listenAddressOf(server.addr)),
      store,
      config,
      authenticator,
      key,
      plugins,
      version: VERSION,
      precompressed: decodePrecompressed(options.precompressed ?? {}),
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
      monotonic,
      log,
      droppedLogLines: () => (options.droppedLogLines?.() ?? 0) + (accessLog?.dropped ?? 0),
      edge: () => ({ ...server.counts(), eventLoopDelay: loopDelay.delays() }),
      reloads: () => reloader.counts,
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
      limit: config.logBufferChars,
      write,
      log,
    });
    const chooseHandler = () => accessLog?.isEnabled === true ? accessLog : app;
    let handler = chooseHandler();
    const sources = await store.walk("lib");
    const server = listen(config, {
      hostname: config.host,
      port: config.port,
      ...(tls === undefined ? {} : { tls }),
      serve: findServeConnection(),
      limits: {
        ...config.edgeLimits,
        maxConnections: limitConnections(config.edgeLimits.maxConnections, descriptors, log),
      },
      isProxy: createProxyTest(config.trustFrom),
      handle: (request, peer, connection) => handler.handle(request, peer, connection),
      log,
    });
    const url = urlOf(config, server.addr);
    store.coordination.report(() => ({ url, plugins: plugins.report() }));
    listening.resolve();
    loopDelay.start();
    const boot = writeBootWorlds(store, options.env)
      .catch((error) => log(`cannot write /boot: ${error}`));
    // In the same tick as the listener, so that the first request already waits for the plugins.
    if (sources.some((entry) => entry.state === "active")) {
      plugins.start().catch((error) => log(`cannot start the plugins: ${error}`));
    }
    const reloader = new Reloader({
      env: options.env,
      config,
      approveToken,
      tls,
      authenticator,
      server,
      now: Date.now,
      configureLogs(next) {
        accessLog?.configure(next.accessLogFormat, next.logBufferChars);
        handler = chooseHandler();
        options.onLogSettings?.(next);
      },
      log,
    });
    return {
      url,
      booted: boot,
      reload: (readEnv) => reloader.reload(readEnv),
      ...(opened.isNewToken ? { newApproveToken: approveToken } : {}),
      close: once(async () => {
        reloader.close();
        app.closeStreams();
        // A client that never reads must not block the shutdown.
        await Promise.all([
          server.close(SHUTDOWN_TIMEOUT_MS),
          withTimeout(SHUTDOWN_TIMEOUT_MS, boot),
        ]);
        loopDelay.stop();
        await accessLog?.close();
        await plugins.close();
        await store.close();
      }),
    };
  } catch (error) {
    opened.release();
    throw error;
  }
}

/**
 * Listens.
 *
 * @throws {ConfigError} if the certificate or its key is refused
 * @throws {ListenError} if the address or the port cannot be used
 */
function listen({ tls }: Config, options: ConnectionServerOptions): ConnectionServer {
  try {
    return new ConnectionServer(options);
  } catch (error) {
    const reason = tls === undefined ? error : toTlsError(error, tls);
    throw reason instanceof ConfigError ? reason : new ListenError(error);
  }
}

/** Returns the number of connections: the operator's, as far as the file descriptors allow it. */
function limitConnections(
  wanted: number,
  { connections, maxConnections }: DescriptorBudget,
  log: (line: string) => void,
): number {
  if (wanted === 0) return connections;
  if (wanted <= maxConnections) return wanted;
  log(
    `ELASTIK_MAX_CONNECTIONS=${wanted} needs more file descriptors than this process has; at most ` +
      `${maxConnections} connections can be open (see ulimit -n)`,
  );
  return maxConnections;
}

/** A function whose first call does the work; later calls return the same promise. */
function once<T>(act: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => done ??= act();
}

/** Returns a test for the addresses of proxies that the operator trusts. */
function createProxyTest(trustFrom: readonly string[]): (peer: string) => boolean {
  const ranges = trustFrom.flatMap((text) => parseIpRange(text) ?? []);
  return (peer) => {
    if (ranges.length === 0) return false;
    const ip = parseIp(peer);
    return ip !== undefined && ranges.some((range) => range(ip));
  };
}

/** A server that listens on a loopback name can be addressed by that name. */
function ownName(host: string): string[] {
  return isLoopbackHost(host) ? [host] : [];
}

function urlOf({ host, tls }: Config, address: Deno.Addr): string {
  const scheme = tls === undefined ? "http" : "https";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${portOf(address)}`;
}

function listenAddressOf(address: Deno.Addr): ListenAddress {
  return { address: "hostname" in address ? address.hostname : "", port: portOf(address) };
}

function portOf(address: Deno.Addr): number {
  return "port" in address ? address.port : 0;
}

/** Checks whether this program can start itself again, so that each plugin gets a process. */
async function canStartCells(): Promise<boolean> {
  try {
    const permission = { name: "run", command: Deno.execPath() } as const;
    return (await Deno.permissions.query(permission)).state === "granted";
  } catch (error) {
    // Reading the path of the runtime needs a permission; without it no process can be started.
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** Decodes each content with its first use: all of them would delay the first response by 3 ms. */
function decodePrecompressed(
  texts: NonNullable<StartServerOptions["precompressed"]>,
): Precompressed {
  return new Map(
    Object.entries(texts).map(([sha256, coded]) => {
      const decoded: Partial<Record<ContentCoding, Uint8Array<ArrayBuffer>>> = {};
      return [sha256, {
        get br() {
          return decoded.br ??= Uint8Array.fromBase64(coded.br);
        },
        get gzip() {
          return decoded.gzip ??= Uint8Array.fromBase64(coded.gzip);
        },
      }];
    }),
  );
}
