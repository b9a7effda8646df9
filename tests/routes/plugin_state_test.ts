import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { parseStatePath } from "../../lib/routes/plugin_state.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withMachine } from "../support/machine.ts";
import { runScenarios } from "../support/scenario.ts";
import {
  eventually,
  get,
  install,
  plugin,
  QUICK,
  stateOf,
  store,
} from "../plugin/plugin_machine.ts";

Deno.test("parseStatePath() names the world of exactly /lib/<name>/state", () => {
  equal(parseStatePath("lib/gpu/state"), "lib/gpu");
  equal(parseStatePath("lib/__proto__/state"), "lib/__proto__");
  equal(parseStatePath("lib/state/state"), "lib/state");
  for (
    const name of ["lib/state", "lib//state", "lib/a/b/state", "home/lib/a/state", "lib/a/states"]
  ) {
    equal(parseStatePath(name), undefined, name);
  }
});

const SOURCE = plugin({ description: "d" }, "return new Response('x');");
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

Deno.test("handlePluginState() takes its methods from those who may use them, and no others", async (t) => {
  await withMachine({ env: { ...CLOSED, ...QUICK } }, async (machine) => {
    const cap = bearer(machine.capability("/lib/p", "rw"));
    const stored = await machine.send({
      method: "PUT",
      target: "/lib/p",
      headers: T2,
      body: SOURCE,
    });
    equal(stored.status, 201);
    await runScenarios(t, machine, [
      {
        title: "T1 reads it, and learns that it waits for approval",
        send: "GET /lib/p/state",
        status: 200,
        has: { "content-type": "application/json", "cache-control": "no-store" },
        json: { name: "p", state: "pending", up: false, health: { state: "down" } },
        lacks: ["asks", "pid"],
      },
      { title: "as HEAD", send: "HEAD /lib/p/state", status: 200, text: "" },
      {
        title: "OPTIONS tells the methods",
        send: "OPTIONS /lib/p/state",
        status: 204,
        has: { allow: "GET, HEAD, PUT, OPTIONS" },
      },
      ...["POST", "DELETE", "PATCH"].map((method) => ({
        title: "no other method, for nobody",
        send: `${method} /lib/p/state`,
        as: T3,
        status: 405,
        has: { allow: "GET, HEAD, PUT, OPTIONS" },
      })),
      { title: "T1 does not approve", send: "PUT /lib/p/state", body: "active", status: 401 },
      { title: "nor does T2", send: "PUT /lib/p/state", as: T2, body: "active", status: 403 },
      { title: "nor a capability", send: "PUT /lib/p/state", as: cap, body: "active", status: 403 },
      { title: "T2 learns no wishes", send: "GET /lib/p/state?asks", as: T2, status: 403 },
      {
        title: "T3 learns what it asks for, and nothing is started",
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
        title: "there are two states to be set",
        send: "PUT /lib/p/state",
        as: T3,
        body: "pending",
        status: 400,
        json: { type: "/usr/share/doc/problems/bad-body.md" },
      },
      { title: "not none", send: "PUT /lib/p/state", as: T3, body: "", status: 400 },
      {
        title: "a long word is not even read",
        send: "PUT /lib/p/state",
        as: T3,
        body: "active".repeat(1000),
        status: 413,
      },
      { title: "nothing there", send: "PUT /lib/q/state", as: T3, body: "active", status: 404 },
      { title: "nothing there to T1 either", send: "GET /lib/q/state", status: 404 },
      {
        title: "a name that is none",
        send: "PUT /lib/a:b/state",
        as: T3,
        body: "active",
        status: 400,
      },
      {
        title: "approval, by T3",
        send: "PUT /lib/p/state",
        as: T3,
        body: "active",
        status: 200,
        json: { state: "active", up: true, routes: ["/p"], auth: "T1" },
        changes: { "lib/p": ["state_transition"] },
      },
      {
        title: "T1 sees no process id",
        send: "GET /lib/p/state",
        status: 200,
        json: { health: { state: "running", transport: "process", crashes: 0 } },
        lacks: ["pid"],
      },
      {
        title: "T3 sees it",
        send: "GET /lib/p/state",
        as: T3,
        status: 200,
        text: /"pid":\d+/,
      },
      {
        title: "and turns it off",
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

Deno.test("handlePluginState() tells nobody a plugin's own words; the log has them", async () => {
  await withMachine({ env: QUICK }, async (machine) => {
    const words = "the-plugins-own-words";
    await install(machine, "p", plugin({}, `throw new Error("${words}");`));
    const reply = await get(machine, "/p");
    equal(reply.status, 502);
    ok(!reply.text.includes(words));
    // A throw is the request's affair; the cell lives on.
    const { text } = await get(machine, "/lib/p/state");
    equal(JSON.parse(text).health.crashes, 0);
    ok(!text.includes(words));
    ok(machine.log.some((line) => line.includes(words)));
  });
});

Deno.test("handlePluginState() shows a crash and its reason, and what goes on the chain", async () => {
  const env = { ...QUICK, ELASTIK_CELL_HEAP: "32", ELASTIK_CELL_MEMORY: "200" };
  await withMachine({ env }, async (machine) => {
    const bomb = `
      if (url.pathname === "/p/fine") return new Response("fine");
      const all = [];
      for (;;) all.push({ a: new Array(1000).fill(all.length) });`;
    await install(machine, "p", plugin({}, bomb));
    const { version } = await stateOf(machine, "p");
    const reply = await get(machine, "/p");
    ok(reply.status === 502 || reply.status === 504, reply.text);
    const state = await eventually(async () => {
      const told = await stateOf(machine, "p");
      return JSON.stringify(told.health).includes('"crashes":1') ? told : undefined;
    }, "the crash is counted");
    deepStrictEqual([state.state, state.up, state.version], ["active", true, version]);
    match(JSON.stringify(state.health), /"reason":"/);
    const shown = JSON.parse((await get(machine, "/lib/p/state")).text);
    equal(shown.health.reason, "shown to T3 only");
    const log = await eventually(async () => {
      const { text } = await machine.approve("GET", "/proc/log/lib/p");
      return text.includes("plugin_ended") ? text : undefined;
    }, "the end is on the chain");
    match(log, new RegExp(`"source_sha256":"${state.sha256}"`));
    equal((await get(machine, "/p/fine")).text, "fine");
    await machine.audit();
  });
});

Deno.test("handlePluginState() approves nothing for a page of another site", async () => {
  await withMachine({ env: QUICK }, async (machine) => {
    await store(machine, "p", SOURCE);
    const headers = { ...T3, "sec-fetch-site": "cross-site", origin: "http://evil.example" };
    const reply = await machine.send({
      method: "PUT",
      target: "/lib/p/state",
      headers,
      body: "active",
    });
    equal(reply.status, 403);
    equal((await stateOf(machine, "p")).state, "pending");
  });
});
