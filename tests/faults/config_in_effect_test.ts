/**
 * Property: a change of a configuration world is in effect when it is answered. A request that begins
 * after the response, over whatever connection, sees the new configuration; the same holds for accounts
 * and for the state of plugins.
 */

import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { withGpuServer } from "../plugins/gpu/gpu_server.ts";
import { installPlugin, putWorld, withPluginServer } from "../support/plugin_server.ts";
import { basic, bearer, TOKEN } from "../support/test_server.ts";
import { sha256Hex } from "../../lib/base/hash.ts";

/** Returns its config world; its permissions follow from it. */
const SOURCE = `export const routes = ["/conf"]; export const config = ["/etc/conf"];
export const permissions = ({ config }) => ({ net: (config["/etc/conf"] ?? "").split(" ").filter(Boolean) });
export default { fetch: (request, env) => new Response(env.config["/etc/conf"] ?? "none") };`;

Deno.test("a request that begins after a config world was changed sees the new text, by every method", async () => {
  await withPluginServer({ plugins: [["conf", SOURCE]] }, async (server) => {
    await putWorld(server, "/home/next", "moved.example");
    const dav = (method: string) =>
      server.send({
        method,
        target: "/dav/home/next",
        headers: { ...bearer(server.approveToken), destination: "/dav/etc/conf" },
      });
    const steps: [string, () => Promise<{ status: number }>, string][] = [
      ["PUT", () => server.approve("PUT", "/etc/conf", "one.example"), "one.example"],
      ["PUT again", () => server.approve("PUT", "/etc/conf", "two.example"), "two.example"],
      [
        "POST",
        () => server.approve("POST", "/etc/conf", " three.example"),
        "two.example three.example",
      ],
      ["restore", () => server.approve("PUT", "/etc/conf?from=1"), "one.example"],
      ["DELETE", () => server.approve("DELETE", "/etc/conf"), "none"],
      ["COPY", () => dav("COPY"), "moved.example"],
      ["DELETE again", () => server.approve("DELETE", "/etc/conf"), "none"],
      ["MOVE", () => dav("MOVE"), "moved.example"],
      ["DAV PUT", () => server.approve("PUT", "/dav/etc/conf", "dav.example"), "dav.example"],
    ];
    for (const [title, act, expected] of steps) {
      const { status } = await act();
      assert(status < 300, `${title} ${status}`);
      const replies = await Promise.all(
        [1, 2, 3].map(() => server.send({ method: "GET", target: "/conf" })),
      );
      for (const reply of replies) assertStrictEquals(reply.text, expected, title);
      const state = await server.approve("GET", "/lib/conf/state");
      const { permissions } = JSON.parse(state.text);
      const hosts = expected === "none" ? [] : expected.split(" ");
      assertEquals(permissions.net, hosts, `${title}: ${state.text}`);
    }
  });
});

Deno.test("the first broadcast after a change of /etc/fanout.conf goes to the new targets only", async () => {
  await withPluginServer({
    plugins: ["fanout"],
    worlds: { "/etc/fanout.conf": "/home/a\n" },
  }, async (server) => {
    for (let turn = 0; turn < 3; turn++) {
      await putWorld(server, "/etc/fanout.conf", `/home/t${turn}\n`);
      const sent = await server.send({
        method: "PUT",
        target: "/dev/fanout",
        headers: bearer(TOKEN),
        body: "x",
      });
      assertStrictEquals(sent.status < 300, true, sent.text);
      assertStrictEquals((await server.approve("GET", `/home/t${turn}`)).status, 200);
    }
    assertStrictEquals((await server.approve("GET", "/home/a")).status, 404);
  });
});

Deno.test("during many changes of a config world, requests to the plugin are answered with a text that is new enough", async () => {
  await withPluginServer({ plugins: [["conf", SOURCE]] }, async (server) => {
    let written = 0;
    let isOver = false;
    const writer = (async () => {
      while (!isOver) {
        await putWorld(server, "/etc/conf", `h${written + 1}.example`);
        written++;
      }
    })();
    try {
      for (let turn = 0; turn < 5; turn++) {
        const before = written;
        const reply = await server.send({ method: "GET", target: "/conf" });
        assertStrictEquals(reply.status, 200, reply.text);
        const seen = Number(/h(\d+)/.exec(reply.text)?.[1] ?? 0);
        assert(seen >= before, `${seen} < ${before}`);
      }
    } finally {
      isOver = true;
      await writer;
    }
  });
});

Deno.test("/shaped uses the model of /etc/gpu.conf as soon as its change is answered", async () => {
  await withGpuServer(async ({ server, backend }) => {
    backend.behaviour = {
      body: 'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n',
    };
    await installPlugin(server, "semantic");
    await putWorld(server, "/home/x", "The source.");
    for (const model of ["one", "two", "one", "two"]) {
      await putWorld(server, "/etc/gpu.conf", `openai://${backend.host}\nmodel ${model}`);
      for (const times of [1, 2]) {
        const headers = { ...bearer(TOKEN), accept: "text/plain" };
        const reply = await server.send({ method: "GET", target: "/shaped/home/x", headers });
        const found = reply.headers.get("x-semantic-gpu");
        assertEquals(found, `openai/${model}; local`, `${model}, request ${times}: ${reply.text}`);
      }
    }
  });
});

Deno.test("a request that begins after a change of the accounts has the new accounts", async () => {
  await withPluginServer({ plugins: [] }, async (server) => {
    const hash = (password: string) => sha256Hex(new TextEncoder().encode(password));
    const tierOf = async (password: string) => {
      const headers = basic("ada", password);
      const { status, text } = await server.send({
        method: "GET",
        target: "/auth/whoami",
        headers,
      });
      return status === 200 ? JSON.parse(text).tier : status;
    };
    await putWorld(server, "/etc/shadow", `ada:${hash("one")}\n`);
    for (let turn = 0; turn < 10; turn++) {
      await putWorld(server, "/etc/passwd", "ada:T3\n");
      assertEquals(await tierOf("one"), "T3");
      await putWorld(server, "/etc/passwd", "ada:T2\n");
      assertEquals(await tierOf("one"), "T2");
      await putWorld(server, "/etc/shadow", `ada:${hash("two")}\n`);
      assertEquals([await tierOf("one"), await tierOf("two")], [401, "T2"]);
      await server.approve("DELETE", "/etc/passwd");
      assertEquals(await tierOf("two"), 401);
      await putWorld(server, "/etc/shadow", `ada:${hash("one")}\n`);
    }
  });
});

Deno.test("routes are as answered when a plugin was activated, disabled, replaced or deleted", async () => {
  await withPluginServer({ plugins: [] }, async (server) => {
    const status = async () => (await server.send({ method: "GET", target: "/conf" })).status;
    for (let turn = 0; turn < 2; turn++) {
      await putWorld(server, "/lib/conf", SOURCE);
      assertEquals((await server.approve("PUT", "/lib/conf/state", "active")).status, 200);
      assertEquals(await status(), 200);
      assertEquals((await server.approve("PUT", "/lib/conf/state", "disabled")).status, 200);
      assertEquals(await status(), 404);
      assertEquals((await server.approve("PUT", "/lib/conf/state", "active")).status, 200);
      assertEquals(await status(), 200);
      await putWorld(server, "/lib/conf", `${SOURCE}\n`);
      assertEquals(await status(), 404);
      assertEquals((await server.approve("DELETE", "/lib/conf")).status, 200);
      assertEquals(await status(), 404);
    }
  });
});
