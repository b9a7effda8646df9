/**
 * A server with one world in memory, for `dispatch_bench.ts`: `router` answers as the program does;
 * `direct` calls the handler of worlds behind the gate, without the router.
 */

import { createAuthenticator } from "../../lib/auth/authenticate.ts";
import { readConfig } from "../../lib/config.ts";
import { createClientFinder } from "../../lib/http/client_address.ts";
import { LocalCoordination } from "../../lib/world/local_coordination.ts";
import { PluginHost } from "../../lib/plugin/host/plugin_host.ts";
import { createGate } from "../../lib/request/gate.ts";
import type { ServerContext } from "../../lib/request/server_context.ts";
import { StreamPlaces } from "../../lib/routes/stream/stream_places.ts";
import { Waits } from "../../lib/routes/stream/waits.ts";
import { readWorld } from "../../lib/routes/read_world.ts";
import { createApp } from "../../lib/server/app.ts";
import { acquireDataFolder } from "../../lib/world/file/data_folder.ts";
import { openSqliteStore } from "../../lib/world/store/sqlite_store.ts";

const [mode = "router", port = "0", data = ""] = Deno.args;
const KEY = "0".repeat(64);

const store = await openSqliteStore({
  folder: acquireDataFolder(data),
  key: KEY,
  lower: new Map(),
  workerUrl: import.meta.resolve("../../lib/world/worker/worker_main.ts"),
});
const authenticator = createAuthenticator({ approveToken: KEY, key: KEY, now: Date.now });
const log = (line: string): void => console.error(line);
const none = () => Promise.reject(new Error("Cannot start a plugin: the benchmark has none"));
const server: ServerContext = {
  store,
  config: readConfig(() => undefined),
  authenticator,
  key: KEY,
  plugins: new PluginHost({
    coordination: new LocalCoordination(),
    store,
    now: Date.now,
    containment: "process",
    dispatch: none,
    loadSandbox: none,
    log,
  }),
  version: "0.0.0-bench",
  source: none,
  startedAt: Date.now(),
  now: Date.now,
  monotonic: Date.now,
  log,
  droppedLogLines: () => 0,
};
await store.put({
  name: "home/x",
  body: new TextEncoder().encode("x".repeat(200)),
  ext: "txt",
  meta: [],
  by: "T2",
});
const gateOptions = {
  authenticator,
  findClient: createClientFinder({}),
  requiresCredential: false,
  allowedHosts: new Set<string>(),
};
const app = createApp(server, gateOptions);
const gate = createGate(gateOptions);
const waits = new Waits(server, new StreamPlaces(server.config.streamLimits));

Deno.serve(
  { port: Number(port), hostname: "127.0.0.1", onListen() {} },
  mode === "router"
    ? (request, info) => app.handle(request, info.remoteAddr.hostname, info)
    : (request, info) =>
      readWorld(server, waits, { ...gate(request, info.remoteAddr.hostname), connection: info }),
);
