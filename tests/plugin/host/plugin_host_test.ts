/** What only shows without HTTP: what the host holds, and that closing it ends everything. */

import { deepStrictEqual, equal, ok, rejects } from "node:assert/strict";
import type { Exchange } from "../../../lib/request/request_context.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import { PluginHost } from "../../../lib/plugin/host/plugin_host.ts";
import { reservedRoute } from "../../../lib/server/create_plugin_host.ts";
import { Plugins } from "../../../lib/plugin/lazy_host.ts";
import type { Store } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { isAlive, LAUNCHES, SHORT } from "../cell_fixture.ts";
import { plugin } from "../plugin_machine.ts";

async function withHost(
  test: (host: PluginHost, store: Store, log: string[]) => Promise<void>,
): Promise<void> {
  await withApp({}, async ({ store, log }) => {
    const host = new PluginHost({
      store,
      log: (line) => void log.push(line),
      dispatch: () => Promise.resolve(new Response("machine")),
      ground: {
        launch: LAUNCHES.process,
        limits: SHORT,
        now: Date.now,
        variable: () => undefined,
        closed: [],
        reserved: reservedRoute,
        config: () => Promise.resolve(undefined),
        log: () => undefined,
      },
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

function ask(path: string): Exchange {
  const request = new Request(`http://localhost${path}`);
  return { request, target: parseTarget(request.url), caller: { tier: "T1", by: "T1" } };
}

Deno.test("PluginHost lists and matches what is up, and nothing before and after", async () => {
  await withHost(async (host, store) => {
    deepStrictEqual([host.active, host.list(), host.match("/a"), host.fallback], [
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
    deepStrictEqual(host.list(), [{ path: "/a", ...row }, { path: "/b", ...row }]);
    deepStrictEqual(host.match("/a/deep"), { path: "/a", ...row });
    deepStrictEqual(host.fallback, { path: "", ...row });
    await host.disable("lib/p", { by: "T3" });
    deepStrictEqual([host.active, host.list(), host.fallback], [0, [], undefined]);
  });
});

Deno.test("PluginHost.fetch() says that a plugin went down between its match and its turn", async () => {
  await withHost(async (host, store) => {
    await put(store, "p", plugin({}, "return new Response('x');"));
    await host.activate("lib/p", { by: "T3" });
    const route = host.match("/p");
    ok(route !== undefined);
    equal(await (await host.fetch(route, ask("/p"))).text(), "x");
    await store.remove({ name: "lib/p", by: "T3" });
    await rejects(host.fetch(route, ask("/p")), { type: "unavailable" });
  });
});

Deno.test("PluginHost takes one step of a plugin's life at a time", async () => {
  await withHost(async (host, store) => {
    await put(store, "p", plugin({}, "return new Response('x');"));
    const states = await Promise.all([
      host.activate("lib/p", { by: "T3" }),
      host.disable("lib/p", { by: "T3" }),
      host.activate("lib/p", { by: "T3" }),
      host.activate("lib/p", { by: "T3" }),
    ]);
    deepStrictEqual(states.map(({ up }) => up), [true, false, true, true]);
    const types = (await store.log("lib/p", { limit: 10 })).map(({ type }) => type);
    equal(types.filter((type) => type === "state_transition").length, 3);
    // A step that fails does not stop the next one.
    await rejects(host.activate("lib/none", { by: "T3" }), { type: "not-found" });
    equal((await host.disable("lib/p", { by: "T3" })).up, false);
  });
});

Deno.test("PluginHost.close() ends what is up and what is coming up, and starts nothing more", async () => {
  await withHost(async (host, store) => {
    await put(store, "up", plugin({ routes: ["/up"] }, "return new Response('x');"));
    await put(store, "late", plugin({ routes: ["/late"] }, "return new Response('x');"));
    const { loaded } = await host.activate("lib/up", { by: "T3" });
    const pid = loaded?.cell.health().pid ?? 0;
    const late = host.activate("lib/late", { by: "T3" });
    const refused = rejects(late, { type: "conflict" });
    await host.close();
    await refused;
    deepStrictEqual([host.active, host.list()], [0, []]);
    ok(Deno.build.os !== "linux" || !isAlive(pid));
    await host.startAll();
    equal(host.active, 0);
  });
});

Deno.test("PluginHost.asks() starts nothing and refuses in words", async () => {
  await withHost(async (host, store) => {
    await put(store, "p", plugin({ auth: "T3" }, ""));
    equal((await host.asks("lib/p")).manifest.auth, "T3");
    equal(host.active, 0);
    await put(store, "p", plugin({ auth: "T9" }, ""));
    await rejects(host.asks("lib/p"), { type: "unprocessable", message: /`auth`/ });
    await rejects(host.asks("lib/none"), { type: "not-found" });
  });
});

Deno.test("Plugins loads its host when it is first wanted, once, and closes without one", async () => {
  await withHost(async (host) => {
    let made = 0;
    const plugins = new Plugins(() => {
      made++;
      return Promise.resolve(host);
    }, "process");
    await plugins.close();
    deepStrictEqual([plugins.active, plugins.list(), plugins.match("/p"), made], [
      0,
      [],
      undefined,
      0,
    ]);
    equal(await plugins.host(), await plugins.host());
    const starting = plugins.start();
    ok(plugins.starting !== undefined);
    await starting;
    await plugins.starting;
    equal(plugins.starting, undefined);
    equal(made, 1);
  });
  const broken = new Plugins(() => Promise.reject(new Error("no host")), "process");
  await rejects(broken.start(), /no host/);
  await broken.close();
});
