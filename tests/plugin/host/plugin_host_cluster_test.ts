/** Two plugin hosts over one store, as on two servers of a cluster. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import type { RequestContext } from "../../../lib/request/request_context.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import type { SandboxDeps } from "../../../lib/plugin/host/loaded_plugin.ts";
import { PluginHost } from "../../../lib/plugin/host/plugin_host.ts";
import type { PluginHostOptions } from "../../../lib/plugin/host/plugin_host_options.ts";
import { reservedRouteFault } from "../../../lib/server/create_sandbox.ts";
import type { Coordination } from "../../../lib/world/coordination.ts";
import { LocalCoordination } from "../../../lib/world/local_coordination.ts";
import type { Store } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { LAUNCHES, SHORT, until } from "../cell_fixture.ts";
import { eventually, plugin } from "../plugin_test_server.ts";

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
const T3 = { by: "T3" };
const BODY = "return new Response('x');";

interface TestNode {
  readonly host: PluginHost;
  readonly log: string[];
  /** Requests of its plugins. */
  readonly calls: string[];
}

interface TestCluster {
  readonly store: Store;
  readonly local: LocalCoordination;
  open(node: string, more?: Partial<PluginHostOptions>): TestNode;
}

async function withCluster(test: (cluster: TestCluster) => Promise<void>): Promise<void> {
  await withApp({}, async ({ store }) => {
    const local = new LocalCoordination();
    const hosts: PluginHost[] = [];
    const open = (node: string, more: Partial<PluginHostOptions> = {}): TestNode => {
      const log: string[] = [];
      const calls: string[] = [];
      const host = new PluginHost({
        store,
        coordination: asNode(local, node),
        now: Date.now,
        containment: "process",
        log: (line) => void log.push(line),
        dispatch: ({ target: { path } }) => {
          calls.push(path);
          return Promise.resolve(new Response("done"));
        },
        loadSandbox: () => Promise.resolve(SANDBOX),
        ...more,
      });
      hosts.push(host);
      return { host, log, calls };
    };
    try {
      await test({ store, local, open });
    } finally {
      for (const host of hosts) await host.close();
    }
  });
}

function asNode(local: LocalCoordination, node: string): Coordination {
  return {
    node,
    once: (key, seconds) => local.once(key, seconds),
    exclusive: (key, run) => local.exclusive(key, run),
    attempt: (name, run) => local.attempt(name, run),
    duty: (name, handlers) => local.duty(name, handlers),
    claimRoutes: () => local.claimRoutes(),
    nodes: () => local.nodes(),
    report: (create) => local.report(create),
  };
}

async function put(store: Store, name: string, source: string): Promise<void> {
  const body = new TextEncoder().encode(source);
  await store.put({ name: `lib/${name}`, body, ext: "ts", meta: [], by: "T2", state: "pending" });
}

function ask(path: string, tier: "T1" | "T3" = "T1"): RequestContext {
  const request = new Request(`http://localhost${path}`);
  return { request, target: parseTarget(request.url), caller: { tier, by: tier } };
}

/** The answer of a plugin, the type of the problem, or `none` without a route. */
async function call({ host }: TestNode, path: string): Promise<string> {
  const match = host.match(path);
  if (match === undefined) return "none";
  try {
    return await (await match.handle(ask(path))).text();
  } catch (error) {
    return error instanceof Error && "type" in error ? String(error.type) : String(error);
  }
}

function untilUp({ host }: TestNode, path: string, isUp = true): Promise<void> {
  const isListed = () => host.list().some((route) => route.path === path);
  return until(() => isListed() === isUp, 20_000, `${path} is ${isUp ? "up" : "down"}`);
}

Deno.test("PluginHost starts and stops what another server approves, disables, changes and deletes", async () => {
  await withCluster(async ({ store, open }) => {
    const [a, b] = [open("a"), open("b")];
    await put(store, "p", plugin({}, BODY));
    assertEquals([await call(a, "/p"), await call(b, "/p")], ["none", "none"]);
    await a.host.activate("lib/p", T3);
    await untilUp(b, "/p");
    assertEquals([await call(a, "/p"), await call(b, "/p/x")], ["x", "x"]);
    await b.host.disable("lib/p", T3);
    assertEquals([await call(a, "/p"), await call(b, "/p")], ["none", "none"]);
    await b.host.activate("lib/p", T3);
    await untilUp(a, "/p");
    await put(store, "p", plugin({ routes: ["/q"] }, BODY));
    assertEquals([await call(a, "/p"), await call(b, "/p"), await call(a, "/q")], [
      "none",
      "none",
      "none",
    ]);
    await a.host.activate("lib/p", T3);
    await untilUp(b, "/q");
    await store.remove({ name: "lib/p", by: "T3" });
    assertEquals([await call(a, "/q"), await call(b, "/q")], ["none", "none"]);
    assertEquals([a.log, b.log], [[], []]);
  });
});

Deno.test("PluginHost lets requests for a plugin that another server has approved wait until its cell runs", async () => {
  await withCluster(async ({ store, open }) => {
    const gate = Promise.withResolvers<void>();
    // So that the host can end if an expectation fails.
    using _opened = { [Symbol.dispose]: () => gate.resolve() };
    const a = open("a");
    const b = open("b", {
      startWaitMs: 60_000,
      loadSandbox: async () => {
        await gate.promise;
        return SANDBOX;
      },
    });
    await put(store, "p", plugin({}, BODY));
    await put(store, "secret", plugin({ routes: ["/s"], auth: "T3" }, BODY));
    await a.host.activate("lib/p", T3);
    await a.host.activate("lib/secret", T3);
    const isKnown = () => b.host.match("/s/x") !== undefined && !b.host.isStarting;
    await until(isKnown, 20_000, "b knows the routes");
    assertEquals(b.host.list(), []);
    const waiting = call(b, "/p");
    assertEquals(await call(b, "/s"), "unauthorized", "T1 gets what it gets from a running plugin");
    // Nothing else can be approved here with a route of a plugin that does not run yet.
    await put(store, "other", plugin({ routes: ["/p/deep"] }, BODY));
    const source = new TextEncoder().encode(plugin({ routes: ["/p/deep"] }, BODY));
    const refused = assertRejects(b.host.checkSource("lib/other", source), {
      type: "unprocessable",
      message: /\/p\/deep is taken: \/lib\/p has the route \/p/,
    });
    gate.resolve();
    await refused;
    assertEquals(await waiting, "x");
  });
});

Deno.test("PluginHost reports a plugin that only this server cannot start, and starts it later", async () => {
  await withCluster(async ({ store, open }) => {
    let isBroken = true;
    const a = open("a");
    const b = open("b", {
      startRetryMs: 50,
      loadSandbox: () =>
        Promise.resolve({
          ...SANDBOX,
          netFault: () => isBroken ? "it is not reachable" : undefined,
        }),
    });
    const source = plugin({ permissions: { net: ["127.0.0.1:9"] } }, BODY);
    await put(store, "p", source);
    await a.host.activate("lib/p", T3);
    const failed = () => b.host.report()["lib/p"]?.fault;
    await until(() => failed() !== undefined, 20_000, "b has failed");
    assertEquals(b.host.report()["lib/p"], {
      up: false,
      fault:
        "Cannot activate /lib/p: in the field `permissions.net`: it is not reachable; nothing was " +
        "changed",
    });
    assertEquals(a.host.report(), { "lib/p": { up: true } });
    await assertRejects(Promise.resolve(b.host.match("/p")?.handle(ask("/p"))), {
      type: "unavailable",
      headers: { "retry-after": "2" },
      message: "Cannot call /p: the plugin p does not run on this server yet; send the request " +
        "again later",
    });
    const event = await eventually(async () => {
      const events = await store.log("lib/p", { limit: 9 });
      return events.find(({ type }) => type === "plugin_failed");
    }, "b has written it to the chain");
    assertEquals(Object(event.payload).node, "b");
    isBroken = false;
    await untilUp(b, "/p");
    assertEquals([await call(b, "/p"), b.host.report()], ["x", { "lib/p": { up: true } }]);
    assertEquals(b.log.length, 1, "the same reason is logged once");
  });
});

Deno.test("PluginHost runs each time of cron on one server, also if their clocks differ", async () => {
  await withCluster(async ({ store, open }) => {
    const minute = Date.parse("2026-03-01T12:00:00Z");
    // The clocks stop before the minute until all servers run the plugin.
    let from = Infinity;
    const clock = () => minute - 1_000 + Math.max(0, performance.now() - from);
    const nodes = [0, -700, 500].map((skew, i) => open(`n${i}`, { now: () => clock() + skew }));
    const source = `export const cron = ["* * * * *"];
      export const grants = { "/home/": "rw" };
      export default { async scheduled(event, env) {
        await env.machine.fetch("/home/" + event.scheduledTime);
      } };`;
    await put(store, "p", source);
    await nodes[0]?.host.activate("lib/p", T3);
    const isUp = ({ host }: TestNode) => host.report()["lib/p"]?.up === true;
    await until(() => nodes.every(isUp), 20_000, "all run it");
    const ran = () => nodes.flatMap(({ calls }) => calls);
    from = performance.now();
    await until(() => ran().length > 0, 20_000, "one has run it");
    await until(() => clock() - 700 > minute + 1_000, 20_000, "all clocks have passed");
    const lasts = () => nodes.flatMap(({ host }) => host.report()["lib/p"]?.cron ?? []);
    await until(() => lasts().every(({ result }) => result !== "running"), 60_000, "it has ended");
    assertEquals(ran(), [`/home/${minute}`]);
    assertEquals(lasts().map(({ cron, result }) => [cron, result]), [["* * * * *", "ok"]]);
  });
});

Deno.test("PluginHost delivers changes from one server, and another one continues when it ends", async () => {
  await withCluster(async ({ store, open }) => {
    const [a, b] = [open("a"), open("b")];
    const source = `export const on = ["/home/in/"];
      export const grants = { "/home/": "rw" };
      export default { async change(event, env) { await env.machine.fetch("/home/out/" + event.version); } };`;
    await put(store, "p", source);
    await a.host.activate("lib/p", T3);
    await until(() => b.host.report()["lib/p"]?.up === true, 20_000, "b runs it");
    const delivering = () => [a, b].map(({ host }) => host.report()["lib/p"]?.delivers === true);
    assertEquals(delivering(), [true, false]);
    const write = () =>
      store.put({ name: "home/in/x", body: new Uint8Array(1), ext: "txt", meta: [], by: "T2" });
    await write();
    await write();
    const delivered = () => Object(a.host.describe("lib/p", true)).health.on?.delivered;
    await until(() => delivered() === 2, 20_000, "a delivers");
    await a.host.close();
    await write();
    await until(() => b.calls.length > 0, 20_000, "b delivers");
    await write();
    await until(() => b.calls.length > 1, 20_000, "b delivers on");
    assertEquals([a.calls, b.calls], [
      ["/home/out/1", "/home/out/2"],
      ["/home/out/3", "/home/out/4"],
    ]);
    assert(delivering()[1]);
  });
});
