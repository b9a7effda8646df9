/** What the thinking layer keeps: worlds that outlive their cell, so many and no more. */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { eventually, setState } from "../plugin/plugin_machine.ts";
import type { TestMachine } from "../support/machine.ts";
import { type Shaper, withShaper } from "./shaper.ts";

const FOLDER = "/var/cache/semantic/";

async function slots(machine: TestMachine): Promise<string[]> {
  const { status, text } = await machine.approve("GET", FOLDER);
  return status === 404 ? [] : text.split("\n").filter((line) => line !== "").sort();
}

async function keptBy(shaper: Shaper, intent: string): Promise<string | undefined> {
  const reply = await shaper.shape("/home/a", { "x-semantic-intent": intent });
  equal(reply.status, 200, reply.text);
  return reply.header("x-semantic-cache");
}

/** Ends the cell, and with it everything it held in memory. */
async function anew({ machine }: Shaper): Promise<void> {
  for (const state of ["disabled", "active"]) {
    equal((await setState(machine, "semantic", state)).status, 200);
  }
}

Deno.test("semantic finds after a restart what it kept, as it was", async () => {
  await withShaper({ conf: "source 1024" }, async (shaper) => {
    const { machine, put, shape, model } = shaper;
    await put("/home/a", "ä".repeat(600));
    await model.script({ tokens: ["a,b\n1,", '"x\ny"'] });
    const asked = { "accept": "text/csv", "x-semantic-intent": "für mich" };
    const first = await shape("/home/a", { ...asked, "x-semantic-intent": "f%C3%BCr mich" });
    equal(first.status, 200, first.text);
    await eventually(async () => (await slots(machine)).length === 1 || undefined, "it is kept");
    const world = await machine.approve("GET", `${FOLDER}0000?raw`);
    equal(world.text, 'a,b\n1,"x\ny"');
    match(world.headers.get("content-type") ?? "", /^text\/plain/);
    deepStrictEqual(
      ["shape", "gpu", "source", "intent", "cut"].map((name) =>
        world.headers.get(`x-meta-${name}`)
      ),
      ["text/csv", "fake/m1; local", "/home/a", "f%C3%BCr%20mich", "1024/1200"],
    );
    await anew(shaper);
    const again = await shape("/home/a", { ...asked, "x-semantic-intent": "f%C3%BCr mich" });
    equal(again.header("x-semantic-cache"), "hit");
    equal(again.text, first.text);
    for (const name of ["etag", "content-type", "x-semantic-cut", "x-semantic-gpu"]) {
      equal(again.header(name), first.header(name), name);
    }
    equal((await model.seen()).calls.length, 1);
  });
});

Deno.test("semantic keeps as many as it may, and lets the least recently used go", async () => {
  await withShaper({ conf: "budget 1000\ncache 3" }, async (shaper) => {
    const { machine, put, configure } = shaper;
    await put("/home/a", "a");
    for (const intent of ["1", "2", "3"]) equal(await keptBy(shaper, intent), "generated");
    equal(await keptBy(shaper, "1"), "hit");
    equal(await keptBy(shaper, "4"), "generated");
    equal(await keptBy(shaper, "1"), "hit");
    equal(await keptBy(shaper, "2"), "generated");
    await eventually(
      async () => (await slots(machine)).length === 3 || undefined,
      "three are kept",
    );
    deepStrictEqual(await slots(machine), ["0000", "0001", "0002"]);
    // Slots are written over: nothing of it piles up in the trash.
    const trash = await Array.fromAsync(Deno.readDir(`${machine.data}/.trash`)).catch(() => []);
    equal(trash.length, 0);

    await anew(shaper);
    const after = new Set<string | undefined>();
    for (const intent of ["1", "2", "4"]) after.add(await keptBy(shaper, intent));
    ok(after.has("hit"));

    await configure("budget 1000\ncache 1");
    equal(await keptBy(shaper, "9"), "generated");
    await eventually(async () => (await slots(machine)).length === 1 || undefined, "one is kept");
    equal(await keptBy(shaper, "9"), "hit");

    await configure("budget 1000\ncache 0");
    equal(await keptBy(shaper, "9"), "generated");
    equal(await keptBy(shaper, "9"), "generated");
  });
});

Deno.test("semantic serves nothing from its worlds that is not what it kept", async () => {
  await withShaper({ conf: "budget 1000" }, async (shaper) => {
    const { machine, put, shape, model } = shaper;
    await put("/home/a", "a");
    await model.script({ tokens: ['{"true":1}'] });
    const asked = { "accept": "application/json", "x-semantic-intent": "x" };
    equal((await shape("/home/a", asked)).status, 200);
    await eventually(async () => (await slots(machine)).length === 1 || undefined, "it is kept");
    const { headers } = await machine.approve("HEAD", `${FOLDER}0000?raw`);
    const meta = Object.fromEntries([...headers].filter(([name]) => name.startsWith("x-meta-")));
    const wrongs: [string, Record<string, string>][] = [
      ["<html>no JSON</html>", meta],
      ["", meta],
      ['{"forged":1}', { ...meta, "x-meta-key": "0".repeat(64) }],
      ['{"forged":1}', {}],
    ];
    for (const [body, more] of wrongs) {
      const credential = { authorization: `Bearer ${machine.approveToken}` };
      const put = await machine.send({
        method: "PUT",
        target: `${FOLDER}0000`,
        headers: { ...credential, ...more },
        body,
      });
      equal(put.status, 200, put.text);
      await anew(shaper);
      await model.script({ tokens: ['{"true":2}'] });
      const reply = await shape("/home/a", asked);
      deepStrictEqual([reply.header("x-semantic-cache"), reply.text], ["generated", '{"true":2}']);
      await eventually(async () => {
        for (const name of await slots(machine)) {
          const { text } = await machine.approve("GET", `${FOLDER}${name}?raw`);
          if (text === '{"true":2}') return true;
        }
        return undefined;
      }, "it is kept again");
      for (const name of await slots(machine)) {
        if (name !== "0000") await machine.approve("DELETE", `${FOLDER}${name}`);
      }
    }
  });
});

Deno.test("semantic refuses a configuration that it cannot read, and goes on with the old one", async () => {
  await withShaper(
    { conf: "budget 7 # a minute\n\ntimeout = 9\n" },
    async ({ machine, put, shape }) => {
      await put("/home/a", "a");
      equal((await shape("/home/a")).status, 200);
      for (
        const [text, words] of [["bugdet 7", /budget, cache/], [
          "cache 99999",
          /cache is 0 to/,
        ]] as const
      ) {
        await machine.approve("PUT", "/etc/semantic.conf", text);
        const state = await eventually(async () => {
          const told = (await machine.approve("GET", "/lib/semantic/state")).text;
          return words.test(told) ? told : undefined;
        }, "the state says why");
        match(state, /"up":true/);
        equal((await shape("/home/a")).header("x-semantic-cache"), "hit");
      }
    },
  );
});
