/** Tests of config worlds: a change of one changes the permissions of a running plugin. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, bearer, requireOneServer } from "../support/test_server.ts";
import { Wire } from "../support/wire.ts";
import {
  eventsOf,
  eventually,
  get,
  install,
  plugin,
  setState,
  stateOf,
  store,
  withPlugins,
} from "./plugin_test_server.ts";

/** A plugin that returns its config and declares the hosts in it as permissions. */
const SOURCE = `${
  plugin(
    { config: ["/etc/p.conf"] },
    `if (url.pathname === "/p/slow") {
       while ((await env.caller.fetch("/home/go")).status !== 200) {
         await new Promise((resolve) => setTimeout(resolve, 20));
       }
       return new Response("slow " + env.config["/etc/p.conf"]);
     }
     return new Response(env.config["/etc/p.conf"] ?? "none");`,
  )
}export const permissions = ({ config }) => {
  const hosts = (config["/etc/p.conf"] ?? "").trim().split(" ").filter(Boolean);
  if (hosts[0] === "broken") throw new Error("no such hosts");
  return { net: hosts };
};\n`;

Deno.test("PUT of a config world replaces the cell, and open requests are completed", async () => {
  await withPlugins(async (server) => {
    await install(server, "p", SOURCE);
    assertEquals((await get(server, "/p")).text, "none");
    await server.approve("PUT", "/etc/p.conf", "one.example");
    await eventually(async () => {
      return (await get(server, "/p")).text === "one.example" || undefined;
    }, "the plugin has the new config");
    const wire = new Wire(server.port);
    const slow = wire.send({ method: "GET", target: "/p/slow", headers: bearer(APPROVE) });
    await eventually(async () => {
      const { health } = await stateOf(server, "p");
      return JSON.stringify(health).includes('"requests":1') || undefined;
    }, "the slow request is in the plugin");
    await server.approve("PUT", "/etc/p.conf", "two.example");
    await eventually(async () => {
      const reply = await get(server, "/p");
      assertEquals(reply.status, 200, "a request during the replacement succeeds");
      return reply.text === "two.example" || undefined;
    }, "the plugin has the newer config");
    await server.approve("PUT", "/home/go", "");
    assertEquals((await slow).text, "slow one.example");
    wire.close();
    const state = await stateOf(server, "p");
    assertEquals(state.permissions, { net: ["two.example"], read: [], write: [], env: [] });
    // Each node of a cluster records that it has the new config.
    const noted = (await eventsOf(server, "p")).filter(({ type, payload }) =>
      type === "plugin_reconfigured" && (!server.isCluster || payload.node === "n0")
    );
    assertEquals(
      noted.map(({ payload }) => JSON.stringify(payload.permissions).match(/\w+\.example/)?.[0]),
      ["one.example", "two.example"],
    );
    // After a DELETE the plugin gets no config.
    await server.approve("DELETE", "/etc/p.conf");
    await eventually(async () => {
      return (await get(server, "/p")).text === "none" || undefined;
    }, "the plugin has no config");
  });
});

Deno.test("PUT of an invalid config world keeps the old configuration and reports a fault until it is corrected", async () => {
  await withPlugins(async (server) => {
    requireOneServer("a node that starts the plugin with the invalid config has no old one");
    await server.approve("PUT", "/etc/p.conf", "one.example");
    await install(server, "p", SOURCE);
    for (const broken of ["broken", "*", "127.0.0.1:99999"]) {
      await server.approve("PUT", "/etc/p.conf", broken);
      const state = await eventually(async () => {
        const state = await stateOf(server, "p");
        return state.fault === undefined ? undefined : state;
      }, "the fault is reported");
      assertMatch(String(state.fault), /the old one is still used: .*`permissions/);
      assertEquals([state.state, state.up], ["active", true]);
      assertEquals((await get(server, "/p")).text, "one.example");
      assertEquals(JSON.parse((await get(server, "/lib/p/state")).text).fault, "shown to T3 only");
      assert(server.log.some((line) => line.includes("keeps its old configuration")));
      // PUT active is refused while the config is invalid; the running cell continues.
      assertEquals((await setState(server, "p", "active")).status, 422);
      assertEquals((await get(server, "/p")).text, "one.example");
      await server.approve("PUT", "/etc/p.conf", "one.example");
      await eventually(async () => {
        return (await stateOf(server, "p")).fault === undefined || undefined;
      }, "the fault is cleared");
    }
  });
});

Deno.test("PUT of a config world during an approval reaches the plugin", async () => {
  await withPlugins(async (server) => {
    await store(server, "p", SOURCE);
    for (let round = 0; round < 4; round++) {
      const wire = new Wire(server.port);
      const approving = setState(server, "p", "active");
      let last = "";
      for (let at = 0; at < 20; at++) {
        last = `round${round}.at${at}.example`;
        await wire.send({
          method: "PUT",
          target: "/etc/p.conf",
          headers: { authorization: `Bearer ${APPROVE}` },
          body: last,
        });
      }
      wire.close();
      assertEquals((await approving).status, 200);
      await eventually(async () => {
        return (await get(server, "/p")).text === last || undefined;
      }, `the plugin has the last config: ${last}`);
      await setState(server, "p", "disabled");
    }
  });
});

Deno.test("GET /lib/p/state returns to T3 the fault that a plugin reports about its config", async () => {
  await withPlugins(async (server) => {
    const source = `${
      plugin(
        { config: ["/etc/p.conf"] },
        'return new Response(env.config["/etc/p.conf"] ?? "none");',
      )
    }export const permissions = ({ config }) =>
      config["/etc/p.conf"] === "bad" ? { net: [], fault: "line 1: it is bad" } : {};\n`;
    await server.approve("PUT", "/etc/p.conf", "bad");
    await install(server, "p", source);
    assertEquals((await get(server, "/p")).text, "bad");
    const words = "its configuration is invalid: line 1: it is bad";
    assertStrictEquals((await stateOf(server, "p")).fault, words);
    const asks = JSON.parse((await server.approve("GET", "/lib/p/state?asks")).text).asks;
    assertEquals(asks.fault, "line 1: it is bad");
    assertEquals(JSON.parse((await get(server, "/lib/p/state")).text).fault, "shown to T3 only");
    await server.approve("PUT", "/etc/p.conf", "good");
    await eventually(async () => {
      return (await stateOf(server, "p")).fault === undefined || undefined;
    }, "the fault is cleared");
    await server.approve("PUT", "/etc/p.conf", "bad");
    await eventually(async () => {
      return (await stateOf(server, "p")).fault === words || undefined;
    }, "the fault is reported again");
    assertEquals((await get(server, "/p")).text, "bad");
    const noted = (await eventsOf(server, "p")).findLast(({ type }) =>
      type === "plugin_reconfigured"
    );
    assertEquals(noted?.payload.fault, "line 1: it is bad");
  });
});
