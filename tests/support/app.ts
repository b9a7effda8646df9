/**
 * A server without a listener: a store in its own folder and the app over it, for tests from Request to
 * Response. The test can replace the clock, the plugins and the store.
 */

import { type App, createApp } from "../../lib/server/app.ts";
import { createAuthenticator } from "../../lib/auth/authenticate.ts";
import { readConfig } from "../../lib/config.ts";
import { createClientFinder } from "../../lib/http/client_address.ts";
import type { LockFactory } from "../../lib/server/create_locks.ts";
import type { ServerContext } from "../../lib/request/server_context.ts";
import type { PluginRoutes } from "../../lib/request/plugin_routes.ts";
import { findProgramSource } from "../../lib/source/find_program_source.ts";
import { acquireDataFolder } from "../../lib/world/file/data_folder.ts";
import { createLowerLayer } from "../../lib/world/lower_layer.ts";
import { openSqliteStore } from "../../lib/world/store/sqlite_store.ts";
import type { Store } from "../../lib/world/store.ts";
import { APPROVE, KEY, LOWER_TEXTS } from "./test_server.ts";
import { STORE_WORKER } from "./store_worker.ts";

const NO_PLUGINS: PluginRoutes = {
  list: () => [],
  match: () => undefined,
  wasRoute: () => false,
  fallback: undefined,
  activeCount: 0,
  starting: undefined,
  readingRoutes: undefined,
  isStarting: false,
  containment: "process",
  metrics: () => [],
  admin: {
    logs: {
      findWriter: () => Promise.resolve(undefined),
      read: () => [],
      watch: () => () => {},
    },
    describe: () => ({ up: false }),
    settle: () => Promise.resolve(),
    checkSource: () => Promise.reject(new Error("Cannot check a plugin: there is none")),
    requestedGrants: () => Promise.reject(new Error("Cannot inspect a plugin: there is none")),
    activate: () => Promise.reject(new Error("Cannot activate a plugin: there is none")),
    disable: () => Promise.reject(new Error("Cannot disable a plugin: there is none")),
  },
};

/** Parts that a test replaces. */
export interface TestAppOptions {
  /** Members of the plugin routes; the others are those of a server without plugins. */
  readonly plugins?: Partial<PluginRoutes>;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** The clock for durations; by default `now`. */
  readonly monotonic?: () => number;
  /** Creates the WebDAV locks. */
  readonly lockFactory?: LockFactory;
  /** Returns the store that the app uses, such as a wrapper of the given one. */
  readonly store?: (store: Store) => Store;
}

/** An app without tokens and without a listener. */
export interface TestApp {
  readonly app: App;
  readonly server: ServerContext;
  readonly store: Store;
  readonly log: string[];
  /** Sends one request as a loopback client. */
  ask(method: string, target: string, init?: RequestInit): Promise<Response>;
}

/** Runs a test on its own app. */
export async function withApp(
  options: TestAppOptions,
  test: (app: TestApp) => Promise<void>,
): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "elastik-test-" });
  const log: string[] = [];
  const store = await openSqliteStore({
    folder: acquireDataFolder(data),
    key: KEY,
    lower: createLowerLayer(LOWER_TEXTS, "2026-01-02T03:04:05.678Z"),
    workerUrl: STORE_WORKER,
    writers: 1,
    sync: "normal",
    log: (line) => void log.push(line),
  });
  const now = options.now ?? Date.now;
  const authenticator = createAuthenticator({ approveToken: APPROVE, key: KEY, now });
  const server: ServerContext = {
    store: options.store?.(store) ?? store,
    config: readConfig(() => undefined),
    authenticator,
    key: KEY,
    plugins: { ...NO_PLUGINS, ...options.plugins },
    version: "0.0.0-test",
    source: () =>
      findProgramSource({
        main: import.meta.resolve("../../main.ts"),
        standalone: false,
        data,
      }),
    startedAt: now(),
    now,
    monotonic: options.monotonic ?? now,
    log: (line) => void log.push(line),
    droppedLogLines: () => 0,
  };
  const findClient = createClientFinder({});
  const app = createApp(server, {
    authenticator,
    findClient,
    requiresCredential: false,
    allowedHosts: new Set(),
  }, options.lockFactory);
  try {
    await test({
      app,
      server,
      store,
      log,
      ask: async (method, target, init = {}) => {
        const headers = new Headers(init.headers);
        headers.set("host", "localhost");
        const request = new Request(`http://localhost${target}`, { ...init, method, headers });
        return await app.handle(request, "127.0.0.1");
      },
    });
  } finally {
    app.closeStreams();
    await store.close();
    await Deno.remove(data, { recursive: true });
  }
}
