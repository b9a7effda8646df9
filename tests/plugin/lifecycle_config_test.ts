/** A plugin's configuration: worlds of T3, read unredacted, that change its permissions while it runs. */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
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
} from "./plugin_machine.ts";

/** Shows its config, and asks for the hosts that stand in it. */
const SOURCE = `${
  plugin(
    { config: ["/etc/p.conf"] },
    `if (url.pathname === "/p/slow") {
       await new Promise((resolve) => setTimeout(resolve, 1500));
       return new Response("slow " + env.config["/etc/p.conf"]);
     }
     return new Response(env.config["/etc/p.conf"] ?? "none");`,
  )
}export const permissions = ({ config }) => {
  const hosts = (config["/etc/p.conf"] ?? "").trim().split(" ").filter(Boolean);
  if (hosts[0] === "broken") throw new Error("no such hosts");
  return { net: hosts };
};\n`;

Deno.test("a config that changes swaps the cell, and no request in flight is dropped", async () => {
  await withPlugins(async (machine) => {
    await install(machine, "p", SOURCE);
    equal((await get(machine, "/p")).text, "none");
    await machine.approve("PUT", "/etc/p.conf", "one.example");
    await eventually(async () => {
      return (await get(machine, "/p")).text === "one.example" || undefined;
    }, "the new config is there");
    const wire = new Wire(machine.port);
    const slow = wire.send({ method: "GET", target: "/p/slow" });
    await eventually(async () => {
      const { health } = await stateOf(machine, "p");
      return JSON.stringify(health).includes('"requests":1') || undefined;
    }, "the slow request is in the plugin");
    await machine.approve("PUT", "/etc/p.conf", "two.example");
    await eventually(async () => {
      const reply = await get(machine, "/p");
      equal(reply.status, 200, "no request meets a cell that is not there");
      return reply.text === "two.example" || undefined;
    }, "the newer config is there");
    equal((await slow).text, "slow one.example");
    wire.close();
    const state = await stateOf(machine, "p");
    deepStrictEqual(state.permissions, { net: ["two.example"], read: [], write: [], env: [] });
    const noted = (await eventsOf(machine, "p")).filter(({ type }) =>
      type === "plugin_reconfigured"
    );
    deepStrictEqual(
      noted.map(({ payload }) => JSON.stringify(payload.permissions).match(/\w+\.example/)?.[0]),
      ["one.example", "two.example"],
    );
    // Deleted, it is gone from the plugin, too.
    await machine.approve("DELETE", "/etc/p.conf");
    await eventually(async () => {
      return (await get(machine, "/p")).text === "none" || undefined;
    }, "the config is gone");
  });
});

Deno.test("a config that does not work keeps the old one, says so, and is forgiven when mended", async () => {
  await withPlugins(async (machine) => {
    await machine.approve("PUT", "/etc/p.conf", "one.example");
    await install(machine, "p", SOURCE);
    for (const broken of ["broken", "*", "127.0.0.1:99999"]) {
      await machine.approve("PUT", "/etc/p.conf", broken);
      const state = await eventually(async () => {
        const told = await stateOf(machine, "p");
        return told.fault === undefined ? undefined : told;
      }, "the fault is told");
      match(String(state.fault), /the old one goes on: .*`permissions/);
      deepStrictEqual([state.state, state.up], ["active", true]);
      equal((await get(machine, "/p")).text, "one.example");
      equal(JSON.parse((await get(machine, "/lib/p/state")).text).fault, "told to T3");
      ok(machine.log.some((line) => line.includes("keeps its old configuration")));
      // PUT active tries again, and is refused while it is broken; what runs goes on.
      equal((await setState(machine, "p", "active")).status, 422);
      equal((await get(machine, "/p")).text, "one.example");
      await machine.approve("PUT", "/etc/p.conf", "one.example");
      await eventually(async () => {
        return (await stateOf(machine, "p")).fault === undefined || undefined;
      }, "the fault is forgiven");
    }
  });
});

Deno.test("what was configured while a plugin was approved reaches it", async () => {
  await withPlugins(async (machine) => {
    await store(machine, "p", SOURCE);
    for (let round = 0; round < 4; round++) {
      const wire = new Wire(machine.port);
      const approving = setState(machine, "p", "active");
      let last = "";
      for (let at = 0; at < 20; at++) {
        last = `round${round}.at${at}.example`;
        await wire.send({
          method: "PUT",
          target: "/etc/p.conf",
          headers: { authorization: "Bearer t3-5ecret-0f-the-test-machine" },
          body: last,
        });
      }
      wire.close();
      equal((await approving).status, 200);
      await eventually(async () => {
        return (await get(machine, "/p")).text === last || undefined;
      }, `the last of all configs is there: ${last}`);
      await setState(machine, "p", "disabled");
    }
  });
});

Deno.test("a config that a plugin finds fault with is in force, and T3 is told what it said", async () => {
  await withPlugins(async (machine) => {
    const source = `${
      plugin(
        { config: ["/etc/p.conf"] },
        'return new Response(env.config["/etc/p.conf"] ?? "none");',
      )
    }export const permissions = ({ config }) =>
      config["/etc/p.conf"] === "bad" ? { net: [], fault: "line 1: it is bad" } : {};\n`;
    await machine.approve("PUT", "/etc/p.conf", "bad");
    await install(machine, "p", source);
    equal((await get(machine, "/p")).text, "bad");
    const words = "its configuration is of no use: line 1: it is bad";
    equal((await stateOf(machine, "p")).fault, words);
    const asks = JSON.parse((await machine.approve("GET", "/lib/p/state?asks")).text).asks;
    equal(asks.fault, "line 1: it is bad");
    equal(JSON.parse((await get(machine, "/lib/p/state")).text).fault, "told to T3");
    await machine.approve("PUT", "/etc/p.conf", "good");
    await eventually(async () => {
      return (await stateOf(machine, "p")).fault === undefined || undefined;
    }, "the fault is mended");
    await machine.approve("PUT", "/etc/p.conf", "bad");
    await eventually(async () => {
      return (await stateOf(machine, "p")).fault === words || undefined;
    }, "the fault is back");
    equal((await get(machine, "/p")).text, "bad");
    const noted = (await eventsOf(machine, "p")).findLast(({ type }) =>
      type === "plugin_reconfigured"
    );
    equal(noted?.payload.fault, "line 1: it is bad");
  });
});
