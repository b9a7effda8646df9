/** Tests of the states of a plugin over HTTP: transitions, events on the chain, and refusals. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { APPROVE, bearer } from "../support/test_server.ts";
import { Wire } from "../support/wire.ts";
import {
  eventsOf,
  get,
  install,
  plugin,
  record,
  setState,
  stateOf,
  store,
  withPlugins,
} from "./plugin_test_server.ts";

const hash = (text: string) => sha256Hex(new TextEncoder().encode(text));
const SAYS = (words: string) => plugin({}, `return new Response(${JSON.stringify(words)});`);

Deno.test("PUT /lib/p/state activates a plugin, disables it and activates it again", async () => {
  await withPlugins(async (server) => {
    const source = plugin(
      { description: "says <hi>", auth: "T1", grants: { "/var/cache/p/": "rw" } },
      `return Response.json({ hi: await request.text() });`,
    );
    const stored = await server.send({ method: "PUT", target: "/lib/p", body: source });
    assertEquals(stored.status, 201);
    assertEquals((await stateOf(server, "p")).state, "pending");
    assertEquals((await get(server, "/p")).status, 404);

    const active = await setState(server, "p", "active");
    assertEquals(active.status, 200, active.text);
    const described = JSON.parse(active.text);
    assertEquals(
      [
        described.state,
        described.up,
        described.sha256,
        described.routes,
        described.auth,
        described.grants,
        described.permissions,
      ],
      ["active", true, hash(source), ["/p"], "T1", { "/var/cache/p/": "rw" }, {
        net: [],
        read: [],
        write: [],
        env: [],
      }],
    );
    const used = await server.send({ method: "POST", target: "/p/deeper", body: "there" });
    assertEquals(JSON.parse(used.text), { hi: "there" });
    const byAlias = await server.send({ method: "POST", target: "/bin/p/x?y=1", body: "alias" });
    assertEquals(JSON.parse(byAlias.text), { hi: "alias" });
    assertMatch((await get(server, "/bin")).text, /^\/p\tsays <hi>$/m);
    const listed = JSON.parse((await get(server, "/lib/", { accept: "application/json" })).text);
    assertEquals(listed[0].state, "active");
    const worlds = await get(server, "/proc/worlds", { accept: "application/json" });
    assertEquals(
      JSON.parse(worlds.text).find((row: { name: string }) => row.name === "lib/p").state,
      "active",
    );
    assertEquals(JSON.parse((await get(server, "/lib/p")).text).state, "active");
    assertEquals(JSON.parse((await get(server, "/proc/status")).text).plugins, 1);

    for (let times = 0; times < 2; times++) {
      const off = await setState(server, "p", "disabled");
      assertEquals(JSON.parse(off.text).state, "disabled");
      assertEquals((await get(server, "/p")).status, 404);
      assert(!(await get(server, "/bin")).text.includes("/p\t"));
    }
    assertEquals((await setState(server, "p", " active\n")).status, 200);
    const gone = JSON.parse((await server.approve("DELETE", "/lib/p")).text);
    assertEquals(gone.deleted, ["lib/p"]);
    assertEquals((await get(server, "/p")).status, 404);
    assertEquals((await server.approve("GET", "/lib/p/state")).status, 404);
    assert(Deno.statSync(`${server.data}/.trash/${gone.trash[0]}/lib%2Fp/universe.db`).isFile);
    // A new source with the same name has no approval.
    await store(server, "p", source);
    assertEquals((await stateOf(server, "p")).state, "pending");
  });
});

Deno.test("GET /proc/log/lib/p lists every transition with the hash of the source and its author", async () => {
  await withPlugins(async (server) => {
    const first = SAYS("one");
    await install(server, "p", first);
    await setState(server, "p", "disabled");
    await setState(server, "p", "active");
    const second = SAYS("two");
    await store(server, "p", second);
    await store(server, "p", "import 'x';");
    assertEquals((await setState(server, "p", "active")).status, 422);
    const events = await eventsOf(server, "p");
    const summary = events.map(({ type, payload }) => [
      type,
      payload.by,
      payload.to ?? null,
      payload.source_sha256 ?? payload.body_sha256_after ?? null,
    ]);
    assertEquals(summary, [
      ["stage_written", "T2:local", null, hash(first)],
      ["state_transition", "T3", "active", hash(first)],
      ["state_transition", "T3", "disabled", hash(first)],
      ["state_transition", "T3", "active", hash(first)],
      ["stage_written", "T2:local", null, hash(second)],
      ["state_transition", "T2:local", "pending", null],
      ["stage_written", "T2:local", null, hash("import 'x';")],
      ["plugin_refused", "T3", null, hash("import 'x';")],
    ]);
    // The event of an approval contains what was approved.
    const { routes, auth, grants, permissions } = events[1]?.payload ?? {};
    assertEquals({ routes, auth, grants, permissions }, {
      routes: ["/p"],
      auth: "T1",
      grants: {},
      permissions: { net: [], read: [], write: [], env: [] },
    });
    assertMatch(String(events.at(-1)?.payload.reason), /an import \(line 1, column 1\)/);
    await server.audit();
  });
});

const BAD: Record<string, [source: string, names: RegExp]> = {
  "an import": ['import x from "npm:x";\nexport default {};', /import \(line 1, column 1\)/],
  "a dynamic import": ["\nimport('x');", /import\(\) \(line 2, column 1\)/],
  "a source that is not JavaScript": ["export default {", /line 1/],
  "a source that does not parse": ["\u0000", /parse/],
  "no default export": ["export const routes = ['/p'];", /fetch|default/],
  "a throw at import": ["throw new Error('no luck');", /no luck/],
  "no routes": [plugin({ routes: [] }, ""), /`routes`/],
  "routes that are not an array": [plugin({ routes: "/p" }, ""), /`routes`/],
  "a relative route": [plugin({ routes: ["p"] }, ""), /`routes`/],
  "a route of the core": [
    plugin({ routes: ["/home/x"] }, ""),
    /`routes`: \/home\/x is reserved/,
  ],
  "the root": [plugin({ routes: ["/"] }, ""), /`routes`/],
  "the route /dev": [plugin({ routes: ["/dev"] }, ""), /`routes`/],
  "a route with dots": [plugin({ routes: ["/a/../home"] }, ""), /`routes`/],
  "an unknown tier": [plugin({ auth: "T4" }, ""), /`auth`/],
  "a config of T2": [plugin({ config: ["/home/x"] }, ""), /`config`.*\/etc\//],
  "a config outside worlds": [plugin({ config: ["/proc/x"] }, ""), /`config`/],
  "a grant of everything": [plugin({ grants: { "/": "r" } }, ""), /`grants`/],
  "a grant to write sources": [plugin({ grants: { "/lib/": "rw" } }, ""), /`grants`/],
  "a grant to write the shell": [plugin({ grants: { "/usr/": "rw" } }, ""), /`grants`.*shell/],
  "a grant to write its own config": [
    plugin({ config: ["/etc/p.conf"], grants: { "/etc/p.conf": "rw" } }, ""),
    /`grants`.*a config world of this plugin/,
  ],
  "an unknown mode of a grant": [plugin({ grants: { "/home/": "w" } }, ""), /`grants`/],
  "an unknown permission": [plugin({ permissions: { run: ["ls"] } }, ""), /`permissions.run`/],
  "the whole disk": [plugin({ permissions: { read: ["/"] } }, ""), /`permissions.read`/],
  "every host": [plugin({ permissions: { net: ["*"] } }, ""), /`permissions.net`/],
  "a secret of the server": [
    plugin({ permissions: { env: ["ELASTIK_TOKEN"] } }, ""),
    /`permissions.env`/,
  ],
  "permissions that throw": [
    `export const permissions = () => { throw new Error("later"); }; ${plugin({}, "")}`,
    /`permissions`.*later/,
  ],
  "a long description": [plugin({ description: "x".repeat(2000) }, ""), /`description`/],
};

Deno.test("PUT /lib/bad/state answers 422 with the reason and changes nothing", async (t) => {
  await withPlugins(async (server) => {
    for (const [what, [source, names]] of Object.entries(BAD)) {
      await t.step(what, async () => {
        await store(server, "bad", source);
        const { version } = await stateOf(server, "bad");
        const reply = await setState(server, "bad", "active");
        assertEquals(reply.status, 422, reply.text);
        assertEquals(reply.headers.get("content-type"), "application/problem+json");
        assertMatch(JSON.parse(reply.text).detail, names);
        const after = await stateOf(server, "bad");
        assertEquals([after.state, after.version, after.up], ["pending", version, false]);
        assertEquals((await get(server, "/p")).status, 404);
        assertEquals(JSON.parse((await get(server, "/proc/status")).text).plugins, 0);
      });
    }
    await t.step("the server's own data folder", async () => {
      await store(server, "bad", plugin({ permissions: { read: [server.data] } }, ""));
      const reply = await setState(server, "bad", "active");
      assertEquals(reply.status, 422);
      assertMatch(reply.text, /server's own data/);
    });
  });
});

Deno.test("PUT /lib/second/state answers 422 for a route that equals, contains or is below another's", async () => {
  await withPlugins(async (server) => {
    await install(server, "first", plugin({ routes: ["/a/b"] }, "return new Response('first');"));
    for (const route of ["/a/b", "/a", "/a/b/c"]) {
      await store(server, "second", plugin({ routes: ["/free", route] }, ""));
      const reply = await setState(server, "second", "active");
      assertEquals(reply.status, 422);
      assertMatch(reply.text, /`routes`.* is taken: \/lib\/first has the route \/a\/b/);
      assertEquals((await get(server, "/free")).status, 404);
    }
    await install(server, "second", plugin({ routes: ["/a/bc"] }, "return new Response('bc');"));
    assertEquals((await get(server, "/a/bc")).text, "bc");
    assertEquals((await get(server, "/a/b/c")).text, "first");
    await setState(server, "first", "disabled");
    await install(server, "second", plugin({ routes: ["/a"] }, "return new Response('second');"));
    assertEquals((await get(server, "/a/b/c")).text, "second");
    assertEquals((await setState(server, "first", "active")).status, 422);
  });
});

Deno.test("PUT /lib/<name>/state of two plugins for one route at the same time activates one of them", async () => {
  await withPlugins(async (server) => {
    await store(server, "one", SAYS("one"));
    await store(server, "two", SAYS("two"));
    const wires = [new Wire(server.port), new Wire(server.port)];
    const replies = await Promise.all(["one", "two"].map((name, at) =>
      wires[at]!.send({
        method: "PUT",
        target: `/lib/${name}/state`,
        headers: bearer(APPROVE),
        body: "active",
      })
    ));
    for (const wire of wires) wire.close();
    assertEquals(replies.map(({ status }) => status).sort(), [200, 422]);
    const winner = replies[0]?.status === 200 ? "one" : "two";
    assertStrictEquals((await get(server, "/p")).text, winner);
  });
});

Deno.test("PUT /lib/other/state answers 422 for a second fallback; the first answers GET and HEAD", async () => {
  await withPlugins(async (server) => {
    const fallback = plugin({ routes: [], fallback: true }, "return new Response(url.pathname);");
    await install(server, "last", fallback);
    assertEquals((await get(server, "/nothing/here")).text, "/nothing/here");
    assertEquals(
      (await server.send({ method: "POST", target: "/nothing", body: "x" })).status,
      404,
    );
    assertEquals((await get(server, "/home/nothing")).status, 404);
    assertEquals((await get(server, "/proc/nothing")).status, 404);
    await store(server, "other", fallback);
    const reply = await setState(server, "other", "active");
    assertEquals(reply.status, 422);
    assertMatch(reply.text, /`fallback`: it is taken: \/lib\/last is the fallback/);
    await setState(server, "last", "disabled");
    assertEquals((await get(server, "/nothing/here")).status, 404);
  });
});

Deno.test("PUT /lib/p/state answers 412 if If-Match is not the current version", async () => {
  await withPlugins(async (server) => {
    await store(server, "p", SAYS("one"));
    const seen = (await get(server, "/lib/p?raw")).headers.get("etag") ?? "";
    await store(server, "p", SAYS("two"));
    const late = await setState(server, "p", "active", { "if-match": seen });
    assertEquals(late.status, 412, late.text);
    assertEquals((await get(server, "/p")).status, 404);
    const { version } = await stateOf(server, "p");
    assertEquals(
      (await setState(server, "p", "active", { "if-match": `"${version}"` })).status,
      200,
    );
    assertEquals((await get(server, "/p")).text, "two");
    // The same for an active plugin, and for disabling it.
    assertEquals((await setState(server, "p", "active", { "if-match": seen })).status, 412);
    assertEquals((await setState(server, "p", "disabled", { "if-match": seen })).status, 412);
    assertEquals((await get(server, "/p")).text, "two");
  });
});

Deno.test("PUT /lib/p/state answers 409 if the source changes while it is loaded", async () => {
  await withPlugins(async (server) => {
    const loading = Promise.withResolvers<void>();
    const changed = Promise.withResolvers<void>();
    const other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async () => {
      loading.resolve();
      await changed.promise;
      return new Response("changed");
    });
    const host = `127.0.0.1:${other.addr.port}`;
    // The source has no permissions while they are read from it; then the start waits for the test.
    const source =
      `try { await (await fetch("http://${host}/")).text(); } catch { /* no permission */ }
      ${plugin({ permissions: { net: [host] } }, `return new Response("one");`)}`;
    await store(server, "p", source);
    const wire = new Wire(server.port);
    const approving = wire.send({
      method: "PUT",
      target: "/lib/p/state",
      headers: bearer(APPROVE),
      body: "active",
    });
    await Promise.race([loading.promise, approving]);
    await store(server, "p", SAYS("two"));
    changed.resolve();
    const reply = await approving;
    wire.close();
    await other.shutdown();
    assertEquals(reply.status, 409, reply.text);
    assertMatch(reply.text, /another caller changed its source/);
    assertEquals((await stateOf(server, "p")).state, "pending");
    assertEquals((await get(server, "/p")).status, 404);
  });
});

Deno.test("POST /lib/p during an approval never leaves a route active with a pending source", async () => {
  await withPlugins(async (server) => {
    const wire = new Wire(server.port);
    for (let round = 0; round < 6; round++) {
      await store(server, "p", SAYS("approved"));
      let over = false;
      const approving = wire.send({
        method: "PUT",
        target: "/lib/p/state",
        headers: bearer(APPROVE),
        body: "active",
      }).finally(() => over = true);
      await new Promise((resolve) => setTimeout(resolve, 60 + 10 * round));
      while (!over) await server.send({ method: "POST", target: "/lib/p", body: "//\n" });
      await approving;
      await server.send({ method: "POST", target: "/lib/p", body: "//\n" });
      assertEquals((await stateOf(server, "p")).state, "pending");
      assertEquals((await get(server, "/p")).status, 404);
    }
    wire.close();
  });
});

const CHANGES: Record<string, (data: string) => { method: string; target: string; body?: string }> =
  {
    "replaced": () => ({ method: "PUT", target: "/lib/p", body: SAYS("new") }),
    "replaced by the same bytes": () => ({ method: "PUT", target: "/lib/p", body: SAYS("old") }),
    "appended to": () => ({ method: "POST", target: "/lib/p", body: "// more\n" }),
    "restored from an older approved version": () => ({
      method: "PUT",
      target: "/lib/p?from=1",
    }),
  };

Deno.test("PUT and POST /lib/p remove the plugin's routes before the response", async (t) => {
  await withPlugins(async (server) => {
    for (const [what, change] of Object.entries(CHANGES)) {
      await t.step(what, async () => {
        await install(server, "p", SAYS("old"));
        assertEquals((await get(server, "/p")).text, "old");
        const reply = await server.send(change(server.data));
        assertEquals(reply.status, 200, reply.text);
        assertEquals((await get(server, "/p")).status, 404);
        const state = await stateOf(server, "p");
        assertEquals([state.state, state.up], ["pending", false]);
        assertEquals((await setState(server, "p", "active")).status, 200);
        assert((await get(server, "/p")).status === 200);
      });
    }
  });
});

Deno.test("PUT /lib/q/state that fails does not affect a running plugin", async () => {
  await withPlugins(async (server) => {
    await install(server, "p", SAYS("fine"));
    await store(server, "q", plugin({ routes: ["/q"] }, ""));
    assertEquals((await setState(server, "q", "approved")).status, 400);
    assertEquals((await setState(server, "nothing", "active")).status, 404);
    assertEquals((await setState(server, "nothing", "disabled")).status, 404);
    const { version } = await stateOf(server, "p");
    // Approving an active plugin again changes nothing and adds no event.
    assertEquals((await setState(server, "p", "active")).status, 200);
    assertStrictEquals((await stateOf(server, "p")).version, version);
    assertEquals((await get(server, "/p")).text, "fine");
  });
});

Deno.test("a 422 of a source that does not parse has its place, for each request that T3 sends", () =>
  withPlugins(async (server) => {
    const source = "export const routes: string[] = ['/p'];\nexport default {\n\tfetch( { },\n};\n";
    await store(server, "p", source);
    const requests = [
      { method: "PUT", target: "/lib/p/state", body: "active" },
      { method: "GET", target: "/lib/p/state?asks" },
      { method: "POST", target: "/lib/?check&name=p", body: source },
    ];
    for (const request of requests) {
      const reply = await server.send({ ...request, headers: bearer(APPROVE) });
      assertEquals(reply.status, 422, reply.text);
      const problem = record(JSON.parse(reply.text));
      assertMatch(String(problem.detail), /^Cannot activate \/lib\/p: .*\(line 4, column 1\)/);
      assertEquals([problem.line, problem.column, problem.excerpt], [4, 1, "};\n^"]);
      const text = await server.send({
        ...request,
        headers: { ...bearer(APPROVE), accept: "text/plain" },
      });
      assertMatch(text.text, /^422 .*\nCannot activate .*\n};\n\^\n$/);
    }
    // Without T3 no caller gets a line of it this way.
    for (const request of requests) {
      const reply = await server.send(request);
      assertEquals(reply.status, 401, reply.text);
      assertEquals(reply.text.includes("excerpt"), false);
    }
  }));
