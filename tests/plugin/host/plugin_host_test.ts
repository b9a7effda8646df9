/** Tests of the plugin host without HTTP: its lists, its state changes, and its end. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import type { RequestContext } from "../../../lib/request/request_context.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import type { SandboxDeps } from "../../../lib/plugin/host/loaded_plugin.ts";
import { PluginHost } from "../../../lib/plugin/host/plugin_host.ts";
import { LocalCoordination } from "../../../lib/world/local_coordination.ts";
import { reservedRouteFault } from "../../../lib/server/create_sandbox.ts";
import { type Store, StoreError } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { withCalls } from "../../support/store_calls.ts";
import { isAlive, LAUNCHES, SHORT, until } from "../cell_fixture.ts";
import { plugin } from "../plugin_test_server.ts";

const SANDBOX: SandboxDeps = {
  startCell: LAUNCHES.process,
  limits: SHORT,
  now: Date.now,
  readVariable: () => undefined,
  forbiddenFolders: [],
  routeFault: reservedRouteFault,
  readConfig: () => Promise.resolve(undefined),
  log: () => undefined,
};

async function withHost(
  test: (host: PluginHost, store: Store, log: string[]) => Promise<void>,
  loadSandbox: () => Promise<SandboxDeps> = () => Promise.resolve(SANDBOX),
  wrapStore: (store: Store) => Store = (store) => store,
): Promise<void> {
  await withApp({}, async ({ store, log }) => {
    const host = new PluginHost({
      coordination: new LocalCoordination(),
      store: wrapStore(store),
      now: Date.now,
      containment: "process",
      log: (line) => void log.push(line),
      dispatch: () => Promise.resolve(new Response("machine")),
      loadSandbox,
    });
    try {
      await test(host, store, log);
    } finally {
      await host.close();
    }
  });
}

async function put(store: Store, name: string, source: string): Promise<void> {
  const body = new TextEncoder().encode(source);
  await store.put({ name: `lib/${name}`, body, ext: "ts", meta: [], by: "T2", state: "pending" });
}

function ask(path: string): RequestContext {
  const request = new Request(`http://localhost${path}`);
  return { request, target: parseTarget(request.url), caller: { tier: "T1", by: "T1" } };
}

Deno.test("PluginHost.list() and match() return the routes of active plugins only", async () => {
  await withHost(async (host, store) => {
    assertEquals([host.activeCount, host.list(), host.match("/a"), host.fallback], [
      0,
      [],
      undefined,
      undefined,
    ]);
    const source = plugin(
      { routes: ["/b", "/a"], description: "two", auth: "T2", fallback: true },
      "return new Response('x');",
    );
    await put(store, "p", source);
    await host.activate("lib/p", { by: "T3" });
    const row = { plugin: "lib/p", description: "two", auth: "T2" };
    assertEquals(host.list(), [{ path: "/a", ...row }, { path: "/b", ...row }]);
    const { handle, ...matched } = host.match("/a/deep") ?? {};
    assertEquals([typeof handle, matched], ["function", { path: "/a", ...row }]);
    assertEquals([host.fallback?.path, host.fallback?.plugin], ["", "lib/p"]);
    await host.disable("lib/p", { by: "T3" });
    assertEquals([host.activeCount, host.list(), host.fallback], [0, [], undefined]);
  });
});

Deno.test("PluginHost.activate() answers 422 and records it if a plugin of another server has the route", async () => {
  let isTaken = true;
  const message = "/a is taken: /lib/other has the route /a";
  const wrapStore = (store: Store) =>
    withCalls(store, {
      transition: (change) =>
        isTaken && change.claims?.includes("/a") === true
          ? Promise.reject(new StoreError("claimed", message, change.name))
          : store.transition(change),
    });
  await withHost(
    async (host, store) => {
      await put(store, "p", plugin({ routes: ["/a"] }, "return new Response('x');"));
      await assertRejects(host.activate("lib/p", { by: "T3" }), {
        type: "unprocessable",
        message: `Cannot activate /lib/p: in the field \`routes\`: ${message}; nothing was changed`,
      });
      assertEquals([host.list(), store.stat("lib/p")?.state], [[], "pending"]);
      const [event] = await store.log("lib/p", { limit: 1 });
      assertEquals([event?.type, Object(event?.payload).by], ["plugin_refused", "T3"]);
      assert(Object(event?.payload).reason.includes(message));
      // It can start as soon as the route is free.
      isTaken = false;
      await host.activate("lib/p", { by: "T3" });
      assertEquals(host.list().map(({ path }) => path), ["/a"]);
    },
    () => Promise.resolve(SANDBOX),
    wrapStore,
  );
});

Deno.test("PluginHost.match() returns a handle that answers 503 after the plugin was stopped", async () => {
  await withHost(async (host, store) => {
    await put(store, "p", plugin({}, "return new Response('x');"));
    await host.activate("lib/p", { by: "T3" });
    const found = host.match("/p");
    assert(found !== undefined);
    assertEquals(await (await found.handle(ask("/p"))).text(), "x");
    await store.remove({ name: "lib/p", by: "T3" });
    await assertRejects(found.handle(ask("/p")), { type: "unavailable" });
  });
});

Deno.test("PluginHost.activate() of an active plugin ends its pause after failures", async () => {
  const limits = { ...SHORT, maxCrashes: 1, maxBackoffMs: 600_000 };
  await withHost(async (host, store) => {
    await put(store, "p", plugin({}, "return new Response('x');"));
    await host.activate("lib/p", { by: "T3" });
    const healthOf = () => JSON.parse(JSON.stringify(host.describe("lib/p", true))).health;
    Deno.kill(healthOf().pid, "SIGKILL");
    await until(() => healthOf().state === "circuit-open", 20_000, "the pause begins");
    const match = host.match("/p");
    assert(match !== undefined);
    await assertRejects(match.handle(ask("/p")), { type: "unavailable" });
    await host.activate("lib/p", { by: "T3" });
    assertEquals(await (await match.handle(ask("/p"))).text(), "x");
  }, () => Promise.resolve({ ...SANDBOX, limits }));
});

Deno.test("PluginHost runs the state changes of one plugin one after the other", async () => {
  await withHost(async (host, store) => {
    await put(store, "p", plugin({}, "return new Response('x');"));
    const isUp = () => host.match("/p") !== undefined;
    const states = await Promise.all([
      host.activate("lib/p", { by: "T3" }).then(isUp),
      host.disable("lib/p", { by: "T3" }).then(isUp),
      host.activate("lib/p", { by: "T3" }).then(isUp),
      host.activate("lib/p", { by: "T3" }).then(isUp),
    ]);
    assertEquals(states, [true, false, true, true]);
    const types = (await store.log("lib/p", { limit: 10 })).map(({ type }) => type);
    assertEquals(types.filter((type) => type === "state_transition").length, 3);
    // A step that fails does not stop the next one.
    await assertRejects(host.activate("lib/none", { by: "T3" }), { type: "not-found" });
    await host.disable("lib/p", { by: "T3" });
    assertEquals(isUp(), false);
  });
});

Deno.test("PluginHost.close() ends active and starting plugins, and start() then starts none", async () => {
  await withHost(async (host, store) => {
    await put(store, "up", plugin({ routes: ["/up"] }, "return new Response('x');"));
    await put(store, "late", plugin({ routes: ["/late"] }, "return new Response('x');"));
    await host.activate("lib/up", { by: "T3" });
    const pid = pidOf(host.describe("lib/up", true));
    const late = host.activate("lib/late", { by: "T3" });
    const refused = assertRejects(late, { type: "conflict" });
    await host.close();
    await refused;
    assertEquals([host.activeCount, host.list()], [0, []]);
    assert(Deno.build.os !== "linux" || !isAlive(pid));
    await host.start();
    assertEquals(host.activeCount, 0);
  });
});

Deno.test("PluginHost.requestedGrants() starts no plugin and rejects with a problem for a bad source", async () => {
  await withHost(async (host, store) => {
    await put(store, "p", plugin({ auth: "T3" }, ""));
    assertEquals((await host.requestedGrants("lib/p")).auth, "T3");
    assertEquals(host.activeCount, 0);
    await put(store, "p", plugin({ auth: "T9" }, ""));
    await assertRejects(host.requestedGrants("lib/p"), {
      type: "unprocessable",
      message: /`auth`/,
    });
    await assertRejects(host.requestedGrants("lib/none"), { type: "not-found" });
  });
});

Deno.test("PluginHost loads the sandbox once, with the first plugin", async () => {
  let loaded = 0;
  await withHost(async (host, store) => {
    assertEquals([host.activeCount, host.list(), host.match("/p")], [0, [], undefined]);
    assertEquals(host.describe("lib/p", true), { up: false, health: { state: "down" } });
    const starting = host.start();
    assert(host.starting !== undefined);
    await starting;
    await host.starting;
    assertEquals(host.starting, undefined);
    assertEquals(loaded, 0);
    await put(store, "p", plugin({}, "return new Response('x');"));
    await host.activate("lib/p", { by: "T3" });
    await host.requestedGrants("lib/p");
    assertEquals(loaded, 1);
  }, () => {
    loaded++;
    return Promise.resolve(SANDBOX);
  });
});

Deno.test("PluginHost.metrics() returns each plugin once, sorted by name", async () => {
  await withHost(async (host, store) => {
    await put(store, "b", plugin({ routes: ["/b"] }, "return new Response('x');"));
    await put(store, "a", plugin({ routes: ["/a"] }, "return new Response('x');"));
    await host.activate("lib/b", { by: "T3" });
    await host.activate("lib/a", { by: "T3" });
    await (await host.match("/b")?.handle(ask("/b")))?.text();
    const rows = host.metrics().map(({ plugin, requests, up }) => ({ plugin, requests, up }));
    const idle = { up: true };
    assertEquals(rows, [
      { plugin: "lib/a", requests: 0, ...idle },
      { plugin: "lib/b", requests: 1, ...idle },
    ]);
  });
});

function pidOf({ health }: Readonly<Record<string, unknown>>): number {
  return typeof health === "object" && health !== null && "pid" in health ? Number(health.pid) : 0;
}
