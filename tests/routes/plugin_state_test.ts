import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { parseStatePath } from "../../lib/routes/plugin_state.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";
import { runScenarios } from "../support/scenario.ts";
import {
  eventually,
  get,
  install,
  plugin,
  QUICK,
  stateOf,
  store,
} from "../plugin/plugin_test_server.ts";

Deno.test("parseStatePath() returns the world of exactly /lib/<name>/state", () => {
  assertEquals(parseStatePath("lib/gpu/state"), "lib/gpu");
  assertEquals(parseStatePath("lib/__proto__/state"), "lib/__proto__");
  assertEquals(parseStatePath("lib/state/state"), "lib/state");
  for (
    const name of ["lib/state", "lib//state", "lib/a/b/state", "home/lib/a/state", "lib/a/states"]
  ) {
    assertEquals(parseStatePath(name), undefined, name);
  }
});

const SOURCE = plugin({ description: "d" }, "return new Response('x');");
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

Deno.test("/lib/<name>/state allows each method to the callers with the right for it", async (t) => {
  await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
    const cap = bearer(server.capability("/lib/p", "rw"));
    const stored = await server.send({
      method: "PUT",
      target: "/lib/p",
      headers: T2,
      body: SOURCE,
    });
    assertEquals(stored.status, 201);
    await runScenarios(t, server, [
      {
        title: "shows T1 a pending plugin",
        send: "GET /lib/p/state",
        status: 200,
        has: { "content-type": "application/json", "cache-control": "no-store" },
        json: { name: "p", state: "pending", up: false, health: { state: "down" } },
        lacks: ["asks", "pid"],
      },
      { title: "answers HEAD", send: "HEAD /lib/p/state", status: 200, text: "" },
      {
        title: "lists the methods",
        send: "OPTIONS /lib/p/state",
        as: T3,
        status: 204,
        has: { allow: "GET, HEAD, PUT, OPTIONS" },
      },
      ...["POST", "DELETE", "PATCH"].map((method) => ({
        title: "answers 405",
        send: `${method} /lib/p/state`,
        as: T3,
        status: 405,
        has: { allow: "GET, HEAD, PUT, OPTIONS" },
      })),
      { title: "is refused to T1", send: "PUT /lib/p/state", body: "active", status: 401 },
      { title: "is refused to T2", send: "PUT /lib/p/state", as: T2, body: "active", status: 403 },
      {
        title: "is refused to a capability",
        send: "PUT /lib/p/state",
        as: cap,
        body: "active",
        status: 403,
      },
      {
        title: "does not show T2 what the source requests",
        send: "GET /lib/p/state?asks",
        as: T2,
        status: 403,
      },
      {
        title: "shows T3 what the source requests, without starting it",
        send: "GET /lib/p/state?asks",
        as: T3,
        status: 200,
        json: {
          state: "pending",
          up: false,
          asks: { routes: ["/p"], auth: "T1", grants: {}, description: "d", fallback: false },
        },
      },
      {
        title: "rejects other states",
        send: "PUT /lib/p/state",
        as: T3,
        body: "pending",
        status: 400,
        json: { type: "/usr/share/doc/problems/bad-body.md" },
      },
      { title: "rejects an empty state", send: "PUT /lib/p/state", as: T3, body: "", status: 400 },
      {
        title: "answers 413 for a long body",
        send: "PUT /lib/p/state",
        as: T3,
        body: "active".repeat(1000),
        status: 413,
      },
      {
        title: "answers 404 without a source",
        send: "PUT /lib/q/state",
        as: T3,
        body: "active",
        status: 404,
      },
      { title: "answers T1 404 without a source", send: "GET /lib/q/state", status: 404 },
      {
        title: "rejects an invalid name",
        send: "PUT /lib/a:b/state",
        as: T3,
        body: "active",
        status: 400,
      },
      {
        title: "activates the plugin for T3",
        send: "PUT /lib/p/state",
        as: T3,
        body: "active",
        status: 200,
        json: { state: "active", up: true, routes: ["/p"], auth: "T1" },
        changes: { "lib/p": ["state_transition"] },
      },
      {
        title: "hides the process id from T1",
        send: "GET /lib/p/state",
        status: 200,
        json: { health: { state: "running", transport: "process", crashes: 0 } },
        lacks: ["pid"],
      },
      {
        title: "shows T3 the process id",
        send: "GET /lib/p/state",
        as: T3,
        status: 200,
        text: /"pid":\d+/,
      },
      {
        title: "disables the plugin",
        send: "PUT /lib/p/state",
        as: T3,
        body: "disabled",
        status: 200,
        json: { state: "disabled", up: false },
        changes: { "lib/p": ["state_transition"] },
      },
    ]);
  });
});

Deno.test("GET /lib/<name>/state shows texts of a plugin to T3 only; the log has them", async () => {
  await withServer({ env: QUICK }, async (server) => {
    const words = "the-plugins-own-words";
    await install(server, "p", plugin({}, `throw new Error("${words}");`));
    const reply = await get(server, "/p");
    assertEquals(reply.status, 502);
    assert(!reply.text.includes(words));
    // An exception fails one request; the cell continues.
    const { text } = await get(server, "/lib/p/state");
    assertEquals(JSON.parse(text).health.crashes, 0);
    assert(!text.includes(words));
    await eventually(
      () => Promise.resolve(server.log.find((line) => line.includes(words))),
      "the log has the text",
    );
  });
});

Deno.test("GET /lib/<name>/state shows a crash and its reason, and the chain records the state", async () => {
  const env = { ...QUICK, ELASTIK_CELL_HEAP: "32", ELASTIK_CELL_MEMORY: "200" };
  const atOneNode = "the health is that of the process of the node";
  await withServer({ env, atOneNode }, async (server) => {
    const bomb = `
      if (url.pathname === "/p/fine") return new Response("fine");
      const all = [];
      for (;;) all.push({ a: new Array(1000).fill(all.length) });`;
    await install(server, "p", plugin({}, bomb));
    const { version } = await stateOf(server, "p");
    const reply = await get(server, "/p");
    assert(reply.status === 502 || reply.status === 504, reply.text);
    const state = await eventually(async () => {
      const state = await stateOf(server, "p");
      return JSON.stringify(state.health).includes('"crashes":1') ? state : undefined;
    }, "the crash is counted");
    assertEquals([state.state, state.up, state.version], ["active", true, version]);
    assertMatch(JSON.stringify(state.health), /"reason":"/);
    const shown = JSON.parse((await get(server, "/lib/p/state")).text);
    assertEquals(shown.health.reason, "shown to T3 only");
    const log = await eventually(async () => {
      const { text } = await server.approve("GET", "/proc/log/lib/p");
      return text.includes("plugin_ended") ? text : undefined;
    }, "the end is on the chain");
    assertMatch(log, new RegExp(`"source_sha256":"${state.sha256}"`));
    assertEquals((await get(server, "/p/fine")).text, "fine");
    await server.audit();
  });
});

Deno.test("PUT /lib/<name>/state rejects a page of another site", async () => {
  await withServer({ env: QUICK }, async (server) => {
    await store(server, "p", SOURCE);
    const headers = { ...T3, "sec-fetch-site": "cross-site", origin: "http://evil.example" };
    const reply = await server.send({
      method: "PUT",
      target: "/lib/p/state",
      headers,
      body: "active",
    });
    assertEquals(reply.status, 403);
    assertEquals((await stateOf(server, "p")).state, "pending");
  });
});
