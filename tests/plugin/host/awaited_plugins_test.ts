import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import { AwaitedPlugins } from "../../../lib/plugin/host/awaited_plugins.ts";
import type { PluginMatch } from "../../../lib/request/plugin_routes.ts";

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
  await assertRejects(ask(plugins.match("/p/x")), { type: "unavailable" });
  plugins.follow("lib/p", () => Promise.resolve(), () => new Promise(() => {}));
  await assertRejects(ask(plugins.match("/p/x")), { type: "unavailable" });
});

Deno.test("AwaitedPlugins.fallback is the plugin that was approved as the fallback", async () => {
  const plugins = new AwaitedPlugins({ isShared: true, findRunning: running });
  plugins.add("lib/p", PAYLOAD);
  assertEquals([plugins.fallback], [undefined]);
  plugins.add("lib/f", { ...PAYLOAD, routes: ["/f"], fallback: true });
  const found = plugins.fallback;
  assertEquals([found?.plugin, await ask(found)], ["lib/f", ""]);
  plugins.delete("lib/f");
  assertEquals([plugins.fallback], [undefined]);
});

Deno.test("AwaitedPlugins.claim() refuses a plugin with a route that another plugin has", async () => {
  const plugins = new AwaitedPlugins({ isShared: true, findRunning: () => undefined });
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
