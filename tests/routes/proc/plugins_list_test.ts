import { assertEquals } from "../../support/assert.ts";
import { mint } from "../../../lib/auth/capability.ts";
import { APPROVE, bearer, KEY } from "../../support/test_server.ts";
import { get, install, plugin, withPlugins } from "../../plugin/plugin_test_server.ts";

const JSON_TYPE = { accept: "application/json" };

Deno.test("GET /proc/plugins lists each plugin with its state, its routes and its health", async () => {
  await withPlugins(async (server) => {
    await install(server, "p", plugin({ description: "says x" }, "return new Response('x');"));
    await server.approve("PUT", "/lib/waiting", plugin({}, "return new Response('y');"));
    assertEquals((await get(server, "/p")).text, "x");
    const { text } = await get(server, "/proc/plugins", JSON_TYPE);
    const [active, waiting, ...others] = JSON.parse(text);
    assertEquals(others, []);
    const { name, state, version, up, description, routes, auth, health } = active;
    assertEquals(
      [name, state, version, up, description, routes, auth],
      ["p", "active", 1, true, "says x", ["/p"], "T1"],
    );
    assertEquals([health.state, health.served, health.requests], ["running", 1, 0]);
    assertEquals(health.limits.requests > 0 && health.limits.answer_ms > 0, true);
    assertEquals("pid" in health, false, "only T3 gets the process id");
    assertEquals([waiting.name, waiting.state, waiting.up], ["waiting", "pending", false]);
    const trusted = await get(server, "/proc/plugins", { ...JSON_TYPE, ...bearer(APPROVE) });
    assertEquals(JSON.parse(trusted.text)[0].health.pid > 0, true);
    const lines = await get(server, "/proc/plugins", { accept: "text/plain" });
    assertEquals(lines.text, "p\tactive\tup\nwaiting\tpending\tdown\n");
  }, "the health is that of the process of the node");
});

Deno.test("GET /proc/plugins answers 403 to a capability, which cannot read it", async () => {
  await withPlugins(async (server) => {
    const exp = Math.floor(Date.now() / 1000) + 60;
    const cap = bearer(mint({ key: KEY, prefix: "/home/a", mode: "r", exp }));
    assertEquals((await get(server, "/proc/plugins", cap)).status, 403);
  });
});
