import { assertEquals, assertMatch } from "../support/assert.ts";
import {
  get,
  install,
  plugin,
  record,
  setState,
  stateOf,
  store,
  withPlugins,
} from "../plugin/plugin_test_server.ts";
import { isPluginCheck } from "../../lib/routes/check_plugin.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { APPROVE, bearer, type TestServer } from "../support/test_server.ts";

function check(server: TestServer, source: string, query = "", headers = bearer(APPROVE)) {
  return server.send({ method: "POST", target: `/lib/?check${query}`, headers, body: source });
}

Deno.test("POST /lib/?check answers what an approval would answer, and stores nothing", () =>
  withPlugins(async (server) => {
    const source = plugin(
      { routes: ["/hello"], auth: "T2", grants: { "/home/": "r" } },
      "return x",
    );
    const checked = await check(server, source, "&name=hello");
    assertEquals(checked.status, 200, checked.text);
    const { name, asks } = record(JSON.parse(checked.text));
    assertEquals(name, "hello");
    assertEquals((await get(server, "/lib/hello")).status, 404);
    assertEquals((await get(server, "/hello")).status, 404);
    // The same answer as ?asks after a PUT, and its digest is accepted.
    await store(server, "hello", source);
    const shown = await server.approve("GET", "/lib/hello/state?asks");
    assertEquals(record(JSON.parse(shown.text)).asks, asks);
    const digest = String(record(asks).digest);
    const state = await setState(server, "hello", `{"state":"active","asks":"${digest}"}`);
    assertEquals(state.status, 200, state.text);
  }));

Deno.test("POST /lib/?check refuses what an approval refuses, with the reason", () =>
  withPlugins(async (server) => {
    await install(server, "taken", plugin({ routes: ["/taken"] }, "return new Response()"));
    for (
      const [source, why] of [
        ["export const routes = [", /422|Expected|Unexpected|syntax/i],
        ['import x from "npm:x"; export default {}', /import/],
        [plugin({ routes: ["/proc/x"] }, ""), /`routes`: /],
        [plugin({ routes: ["/taken/below"] }, ""), /\/lib\/taken has the route \/taken/],
        [plugin({ auth: "T9" }, ""), /auth/],
        [plugin({ grants: { "/boot/": "rw" } }, ""), /grants/],
        ["throw new Error('at load')", /at load/],
      ] as const
    ) {
      const { status, text } = await check(server, source);
      assertEquals(status, 422, `${source} ${text}`);
      assertMatch(text, why);
      assertMatch(text, /nothing was changed/);
    }
    // Its own routes are free for its next source.
    const next = await check(server, plugin({ routes: ["/taken"] }, "x"), "&name=taken");
    assertEquals(next.status, 200, next.text);
    assertEquals((await stateOf(server, "taken")).up, true);
  }));

Deno.test("POST /lib/?check is for T3, because it runs the source", () =>
  withPlugins(async (server) => {
    const source = plugin({}, "return new Response()");
    const { status } = await check(server, source, "", {});
    assertEquals(status === 401 || status === 403, true, String(status));
    for (const name of ["a/b", "", "%00", ".."]) {
      const found = await check(server, source, `&name=${name}`);
      assertEquals(found.status, 400, name);
    }
    for (const target of ["/lib/", "/lib/x/?check", "/home/?check"]) {
      const found = await server.approve("POST", target, source);
      assertEquals(found.status === 405 || found.status === 400, true, `${target} ${found.status}`);
    }
  }));

Deno.test("isPluginCheck() is true for the collection of plugins only", () => {
  const of = (path: string) => isPluginCheck({ target: parseTarget(`http://x${path}`) });
  assertEquals(of("/lib/?check"), true);
  for (const path of ["/lib/", "/lib?check", "/lib/x?check", "/home/?check", "/lib/x/?check"]) {
    assertEquals(of(path), false, path);
  }
});
