import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import { AwaitedPlugins } from "../../../lib/plugin/host/awaited_plugins.ts";
import type { PluginMatch } from "../../../lib/request/plugin_routes.ts";
import { ChangeHub } from "../../../lib/world/store/change_hub.ts";

const watch = () => () => {};
const PAYLOAD = { routes: ["/p"], auth: "T1", fallback: false };

function ask(match: PluginMatch | undefined): Promise<string> {
  assert(match !== undefined, "the route is known");
  const request = new Request("http://localhost/p/x");
  const target = parseTarget(request.url);
  const response = match.handle({ request, target, caller: { tier: "T1", by: "T1" } });
  return response.then((found) => found.text());
}

/** A plugin that answers with its route. */
function running(plugin: string, path: string): PluginMatch {
  const handle = () => Promise.resolve(new Response(path));
  return { path, plugin, description: "", auth: "T1", handle };
}

Deno.test("AwaitedPlugins.match() lets requests wait for a start, and answers 503 if it fails or takes too long", async () => {
  const up = new Set<string>();
  const plugins = new AwaitedPlugins({
    isShared: true,
    waitMs: 20,
    watch,
    findRunning: (name, route) => up.has(name) ? running(name, route) : undefined,
  });
  const read = Promise.withResolvers<void>();
  const start = Promise.withResolvers<void>();
  assertEquals([plugins.reading, plugins.starting(), plugins.match("/p/x")], [
    undefined,
    undefined,
    undefined,
  ]);
  const readApproval = () => read.promise.then(() => void plugins.add("lib/p", PAYLOAD));
  plugins.follow("lib/p", readApproval, () => start.promise);
  read.resolve();
  await plugins.reading;
  assertStrictEquals(plugins.reading, undefined);
  const waiting = ask(plugins.match("/p/x"));
  up.add("lib/p");
  start.resolve();
  assertEquals(await waiting, "/p");
  await plugins.starting();
  assertStrictEquals(plugins.starting("lib/p"), undefined);
  up.clear();
  assertEquals(["/p/x", "/q"].map((path) => plugins.wasRoute(path)), [false, false]);
  await assertRejects(ask(plugins.match("/p/x")), { type: "unavailable" });
  plugins.follow("lib/p", () => Promise.resolve(), () => new Promise(() => {}));
  await assertRejects(ask(plugins.match("/p/x")), { type: "unavailable" });
});

Deno.test("AwaitedPlugins.fallback is the plugin that was approved as the fallback", async () => {
  const plugins = new AwaitedPlugins({ isShared: true, watch, findRunning: running });
  plugins.add("lib/p", PAYLOAD);
  assertEquals([plugins.fallback], [undefined]);
  plugins.add("lib/f", { ...PAYLOAD, routes: ["/f"], fallback: true });
  const found = plugins.fallback;
  assertEquals([found?.plugin, await ask(found)], ["lib/f", ""]);
  plugins.delete("lib/f");
  assertEquals(["/f/x", "/q"].map((path) => plugins.wasRoute(path)), [true, false]);
  assertEquals([plugins.fallback], [undefined]);
});

Deno.test("AwaitedPlugins.claim() refuses a plugin with a route that another plugin has", async () => {
  const plugins = new AwaitedPlugins({ isShared: true, watch, findRunning: () => undefined });
  const claimed: [string, readonly string[]][] = [];
  const coordination = (other?: string) => ({
    claimRoutes(name: string, routes: readonly string[]) {
      claimed.push([name, routes]);
      return Promise.resolve(other);
    },
  });
  await plugins.claim("lib/p", PAYLOAD, coordination());
  await assertRejects(plugins.claim("lib/p", PAYLOAD, coordination("lib/q")), {
    type: "unprocessable",
    message: /^\/lib\/q has a route/,
  });
  assertEquals(claimed, [["lib/p", ["/p"]], ["lib/p", ["/p"]]]);
});

Deno.test("AwaitedPlugins.retry() starts a plugin when one of its config worlds changes, and once", async () => {
  const hub = new ChangeHub((error) => {
    throw error;
  });
  const plugins = new AwaitedPlugins({
    isShared: true,
    retryMs: 60_000,
    watch: (name, listener) => hub.watch(name, listener),
    findRunning: () => undefined,
  });
  const change = () => hub.publish({ kind: "update", name: "etc/p.conf", version: 1, by: "T3" });
  plugins.add("lib/p", { ...PAYLOAD, config: ["/etc/p.conf"] });
  let starts = 0;
  const start = () => {
    starts += 1;
    return Promise.resolve();
  };
  plugins.retry("lib/p", start);
  change();
  change();
  assertStrictEquals(starts, 1);
  plugins.retry("lib/p", start);
  plugins.delete("lib/p");
  change();
  assertStrictEquals(starts, 1);
  await plugins.starting();
});

Deno.test("AwaitedPlugins.match() lets a capability over the subject of a path wait, and no other", async () => {
  const plugins = new AwaitedPlugins({ isShared: true, watch, findRunning: running });
  plugins.add("lib/s", { ...PAYLOAD, routes: ["/s"], auth: "T2", subject: true });
  const scope = { prefixes: ["/home/a"], mode: "r", exp: 2 ** 40, root: "/home/a" } as const;
  const caller: Caller = { tier: "T2", by: "cap:/home/a", scope, authenticated: true };
  const handle = async (path: string) => {
    const request = new Request(`http://localhost${path}`);
    return await plugins.match(path)?.handle({ request, target: parseTarget(request.url), caller });
  };
  assertEquals(await (await handle("/s/home/a/x"))?.text(), "/s");
  await assertRejects(handle("/s/home/b/x"), { type: "forbidden" });
});
