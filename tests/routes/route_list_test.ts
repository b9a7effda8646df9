import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { PluginRoute } from "../../lib/request/plugin_routes.ts";
import { CORE_ROUTES, RESERVED_SEGMENTS } from "../../lib/request/core_routes.ts";
import { NAMESPACES } from "../../lib/world/name.ts";
import { withApp } from "../support/app.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";
import { runScenarios } from "../support/scenario.ts";

Deno.test("GET /bin lists every route with a description, as text and as JSON", async (t) => {
  await withServer({ env: CLOSED }, async (server) => {
    const first = await server.send({ method: "GET", target: "/bin" });
    const tag = first.headers.get("etag") ?? "";
    await runScenarios(t, server, [
      {
        title: "sends one line per route",
        send: "GET /bin/",
        status: 200,
        text: /^\/auth\/mint\t.+\n\/auth\/whoami\t.+\n\/bin\t.+\n/,
        has: {
          "content-type": "text/plain; charset=utf-8",
          vary: "Accept, Accept-Encoding",
          etag: tag,
        },
        lacks: ["/boot"],
      },
      {
        title: "sends one row per route",
        send: "GET /bin",
        headers: { accept: "application/json" },
        status: 200,
        text: /^\[\{"route":"\/auth\/mint","description":"/,
        has: { "content-type": "application/json" },
      },
      {
        title: "answers 304",
        send: "GET /bin",
        headers: { "if-none-match": tag },
        status: 304,
      },
      {
        title: "sends another tag for JSON",
        send: "GET /bin",
        headers: { "if-none-match": tag, accept: "application/json" },
        status: 200,
      },
      {
        title: "sends browsers the shell",
        send: "GET /bin",
        headers: { accept: "text/html" },
        status: 200,
        text: /the shell/,
      },
      { title: "answers 405", send: "PUT /bin", as: bearer(APPROVE), body: "x", status: 405 },
      {
        title: "answers 405",
        send: "OPTIONS /bin",
        status: 204,
        has: { allow: "GET, HEAD, OPTIONS" },
      },
      {
        title: "lists everything for T3",
        send: "GET /bin",
        as: bearer(APPROVE),
        status: 200,
        text: /^\/boot\t/m,
      },
      {
        title: "lists what a capability can use",
        send: "GET /bin",
        as: bearer(server.capability("/home/a", "rw")),
        status: 200,
        text: /^\/proc\/log\t/m,
        lacks: ["/boot"],
      },
      {
        title: "is allowed to a wider capability",
        send: "GET /bin",
        as: bearer(TOKEN),
        status: 200,
      },
    ]);
  });
});

Deno.test("CORE_ROUTES all lead to a handler", async () => {
  await withApp({}, async ({ ask }) => {
    const headers = bearer(APPROVE);
    await ask("PUT", "/home/x", { headers, body: "x" });
    for (const route of Object.keys(CORE_ROUTES)) {
      const method = route === "/auth/mint" ? "POST" : "GET";
      const below = /^\/proc\/(audit|log|snapshot)$/.test(route) ? "/home/x" : "";
      const query = method === "POST" ? "?prefix=/home" : route === "/proc/search" ? "/?q=x" : "";
      const response = await ask(method, `${route}${below}${query}`, { headers });
      assertEquals(response.status, 200, route);
      await response.body?.cancel();
    }
  });
});

Deno.test("RESERVED_SEGMENTS contain every first segment that only the core answers", () => {
  for (const namespace of NAMESPACES) assert(RESERVED_SEGMENTS.has(namespace), namespace);
  for (const route of Object.keys(CORE_ROUTES)) {
    const segment = route.split("/")[1] ?? "";
    // Plugins can claim paths below these two.
    if (segment === "dev" || segment === "mnt") continue;
    assert(RESERVED_SEGMENTS.has(segment), route);
  }
});

Deno.test("GET /bin lists routes of plugins with their sources", async () => {
  const route: PluginRoute = {
    path: "/example",
    plugin: "lib/example",
    description: "says hello",
    auth: "T1",
  };
  const plugins = { list: () => [route] };
  await withApp({ plugins }, async ({ ask }) => {
    assertMatch(
      await (await ask("GET", "/bin")).text(),
      /^\/etc\t.*\n\/example\tsays hello\n\/home\t/m,
    );
    const rows: unknown =
      await (await ask("GET", "/bin", { headers: { accept: "application/json" } })).json();
    assert(Array.isArray(rows));
    assertEquals(rows.find((row) => row.plugin !== undefined), {
      route: "/example",
      description: "says hello",
      plugin: "/lib/example",
    });
  });
});
