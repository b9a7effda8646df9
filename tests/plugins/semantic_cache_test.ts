/** Stored shapes in a server: after a restart of the plugin, beyond the limit, and overwritten. */

import { eventually, setState } from "../plugin/plugin_test_server.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { bearer, type TestServer } from "../support/test_server.ts";
import { type Shaper, withShaper } from "./shaper.ts";

const FOLDER = "/var/cache/semantic/";

/** The names of the worlds that store shapes. */
async function cacheWorlds(server: TestServer): Promise<string[]> {
  const { status, text } = await server.approve("GET", FOLDER);
  return status === 404 ? [] : text.split("\n").filter((line) => line !== "").sort();
}

/** Waits until this many worlds store shapes: a shape is sent before it is stored. */
async function untilStored(server: TestServer, count: number): Promise<void> {
  await eventually(
    async () => (await cacheWorlds(server)).length === count || undefined,
    `${count} worlds store shapes`,
  );
}

async function cacheStatus(shaper: Shaper, intent: string): Promise<string | undefined> {
  const reply = await shaper.shape("/home/a", { "x-semantic-intent": intent });
  assertEquals(reply.status, 200, reply.text);
  return reply.header("x-semantic-cache");
}

/** Generates a shape and waits until it is stored: before that, the same request would share it. */
async function generate(shaper: Shaper, intent: string): Promise<void> {
  const { server } = shaper;
  assertEquals(await cacheStatus(shaper, intent), "generated");
  await eventually(async () => {
    for (const name of await cacheWorlds(server)) {
      const { headers } = await server.approve("HEAD", `${FOLDER}${name}?raw`);
      if (headers.get("x-meta-intent") === intent) return true;
    }
    return undefined;
  }, `the shape for ${intent} is stored`);
}

/** Stops the process of the plugin, and with it the shapes in memory, and starts another. */
async function restart({ server }: Shaper): Promise<void> {
  for (const state of ["disabled", "active"]) {
    assertEquals((await setState(server, "semantic", state)).status, 200);
  }
}

Deno.test("GET /shaped/… finds a shape after a restart of the plugin", async () => {
  await withShaper({ conf: "source 1024" }, async (shaper) => {
    const { server, put, shape, model } = shaper;
    await put("/home/a", "ä".repeat(600));
    await model.script({ tokens: ["a,b\n1,", '"x\ny"'] });
    const headers = { "accept": "text/csv", "x-semantic-intent": "f%C3%BCr mich" };
    const first = await shape("/home/a", headers);
    assertEquals(first.status, 200, first.text);
    await untilStored(server, 1);
    const world = await server.approve("GET", `${FOLDER}0000?raw`);
    assertEquals(world.text, 'a,b\n1,"x\ny"');
    assertMatch(world.headers.get("content-type") ?? "", /^text\/plain/);
    const names = ["shape", "gpu", "source", "intent", "cut"];
    assertEquals(
      names.map((name) => world.headers.get(`x-meta-${name}`)),
      ["text/csv", "fake/m1; local", "/home/a", "f%C3%BCr%20mich", "1024/1200"],
    );
    await restart(shaper);
    const again = await shape("/home/a", headers);
    assertEquals(again.header("x-semantic-cache"), "hit");
    assertEquals(again.text, first.text);
    for (const name of ["etag", "content-type", "x-semantic-cut", "x-semantic-gpu"]) {
      assertEquals(again.header(name), first.header(name), name);
    }
    assertEquals((await model.state()).calls.length, 1);
  });
});

Deno.test("GET /shaped/… stores as many shapes as configured, the recently used ones", async () => {
  await withShaper({ conf: "budget 1000\ncache 3" }, async (shaper) => {
    const { server, put, configure } = shaper;
    await put("/home/a", "a");
    for (const intent of ["1", "2", "3"]) await generate(shaper, intent);
    assertEquals(await cacheStatus(shaper, "1"), "hit");
    await generate(shaper, "4");
    assertEquals(await cacheStatus(shaper, "1"), "hit");
    await generate(shaper, "2");
    assertEquals(await cacheWorlds(server), ["0000", "0001", "0002"]);
    // The worlds are overwritten and not deleted, so that nothing goes to the trash.
    const trash = await Array.fromAsync(Deno.readDir(`${server.data}/.trash`)).catch(() => []);
    assertEquals(trash.length, 0);

    await restart(shaper);
    for (const intent of ["1", "2", "4"]) assertEquals(await cacheStatus(shaper, intent), "hit");

    await configure("budget 1000\ncache 1");
    await generate(shaper, "9");
    assertEquals(await cacheWorlds(server), ["0000"]);
    assertEquals(await cacheStatus(shaper, "9"), "hit");

    await configure("budget 1000\ncache 0");
    assertEquals(await cacheStatus(shaper, "9"), "generated");
    assertEquals(await cacheStatus(shaper, "9"), "generated");
  });
});

Deno.test("GET /shaped/… sends nothing from its worlds that it did not store", async () => {
  await withShaper({ conf: "budget 1000" }, async (shaper) => {
    const { server, put, shape, model } = shaper;
    await put("/home/a", "a");
    await model.script({ tokens: ['{"true":1}'] });
    const headers = { "accept": "application/json", "x-semantic-intent": "x" };
    assertEquals((await shape("/home/a", headers)).status, 200);
    await untilStored(server, 1);
    const world = await server.approve("HEAD", `${FOLDER}0000?raw`);
    const stored = [...world.headers].filter(([name]) => name.startsWith("x-meta-"));
    const metadata = Object.fromEntries(stored);
    const rows: [body: string, metadata: Record<string, string>][] = [
      ["<html>not JSON</html>", metadata],
      ["", metadata],
      ['{"forged":1}', { ...metadata, "x-meta-key": "0".repeat(64) }],
      ['{"forged":1}', {}],
    ];
    for (const [body, metadata] of rows) {
      const overwritten = await server.send({
        method: "PUT",
        target: `${FOLDER}0000`,
        headers: { ...bearer(server.approveToken), ...metadata },
        body,
      });
      assertEquals(overwritten.status, 200, overwritten.text);
      await restart(shaper);
      await model.script({ tokens: ['{"true":2}'] });
      const reply = await shape("/home/a", headers);
      assertEquals([reply.header("x-semantic-cache"), reply.text], ["generated", '{"true":2}']);
      await eventually(async () => {
        for (const name of await cacheWorlds(server)) {
          const { text } = await server.approve("GET", `${FOLDER}${name}?raw`);
          if (text === '{"true":2}') return true;
        }
        return undefined;
      }, "the new shape is stored");
      for (const name of await cacheWorlds(server)) {
        if (name !== "0000") await server.approve("DELETE", `${FOLDER}${name}`);
      }
    }
  });
});

Deno.test("PUT /etc/semantic.conf keeps the old configuration if the new one is invalid", async () => {
  const conf = "budget 7 # a minute\n\ntimeout = 9\n";
  await withShaper({ conf }, async ({ server, put, shape }) => {
    await put("/home/a", "a");
    assertEquals((await shape("/home/a")).status, 200);
    const rows: [conf: string, reason: RegExp][] = [
      ["bugdet 7", /line 1 is .*bugdet 7/],
      ["cache 99999", /cache is 99999; 0 to 4096 are allowed/],
    ];
    for (const [text, reason] of rows) {
      await server.approve("PUT", "/etc/semantic.conf", text);
      const state = await eventually(async () => {
        const { text } = await server.approve("GET", "/lib/semantic/state");
        return reason.test(text) ? text : undefined;
      }, "the state gives the reason");
      assertMatch(state, /"up":true/);
      assertEquals((await shape("/home/a")).header("x-semantic-cache"), "hit");
    }
  });
});
