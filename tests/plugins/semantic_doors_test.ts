/**
 * No caller obtains through the thinking layer what they could not read directly: one case a door. In
 * each, somebody of more authority has had the very same shaped before, so that it lies in the cache.
 */

import { deepStrictEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { install, plugin } from "../plugin/plugin_machine.ts";
import { bearer, CLOSED, TOKEN } from "../support/machine.ts";
import { type Shaper, withShaper } from "./shaper.ts";

const SECRET = "the secret of the boot";
const INTENT = { "accept": "text/plain", "x-semantic-intent": "for me" };

/** Shapes as T3, so that it is kept; the model repeats the secret. */
async function plant({ shape, put, machine, model }: Shaper, path: string): Promise<string> {
  await put(path, SECRET);
  await model.script({ tokens: [SECRET] });
  const reply = await shape(path, { ...INTENT, ...bearer(machine.approveToken) });
  deepStrictEqual([reply.status, reply.text], [200, SECRET]);
  return reply.header("etag") ?? "";
}

function doors(
  list: Readonly<Record<string, (shaper: Shaper, path: string) => Promise<void>>>,
): void {
  Deno.test("semantic opens no door", async (t) => {
    await withShaper({ env: CLOSED, conf: "budget 10000" }, async (shaper) => {
      for (const [at, [name, run]] of Object.entries(list).entries()) {
        await t.step(name, async () => {
          await shaper.model.forget();
          await run(shaper, `/boot/secret-${at}`);
        });
      }
    });
  });
}

doors({
  "the shape: whoever may not read the source is told so, in the words of a direct read": async (
    shaper,
    path,
  ) => {
    const { shape, machine, model, put } = shaper;
    const tag = await plant(shaper, path);
    await put("/home/other", SECRET);
    const callers: [string, Record<string, string>, string][] = [
      ["nobody", {}, path],
      ["T2", bearer(TOKEN), path],
      ["an unknown token", bearer("wrong"), path],
      ["a capability over the path", bearer(machine.capability(path, "rw")), path],
      ["a capability over everything", bearer(machine.capability("/", "rw")), path],
      ["a capability elsewhere", bearer(machine.capability("/home/a", "rw")), "/home/other"],
      ["one over the route", bearer(machine.capability("/shaped", "rw")), "/home/other"],
      ["one that has ended", bearer(machine.capability("/home", "rw", -1)), "/home/other"],
    ];
    for (const [who, credential, source] of callers) {
      const direct = await machine.send({
        method: "GET",
        target: `${source}?raw`,
        headers: { ...credential, accept: "text/plain" },
      });
      // Nobody reads what is public, but it takes T2 to have it shaped.
      const expected = direct.status === 200 ? 401 : direct.status;
      for (const more of [{}, { "if-none-match": tag }, { "if-none-match": "*" }]) {
        for (const method of ["GET", "HEAD"]) {
          const reply = await shape(source, { ...INTENT, ...credential, ...more }, method);
          equal(reply.status, expected, `${who}: ${reply.text}`);
          ok(!reply.text.includes(SECRET) && !reply.head.includes(tag), who);
          equal(reply.header("x-semantic-gpu"), undefined, who);
          ok(["none", undefined].includes(reply.header("x-semantic-cache")), who);
        }
      }
    }
    equal((await model.seen()).calls.length, 1);
  },
  "the cache's answer is the same whether or not anything is kept": async (shaper, path) => {
    const { shape, put } = shaper;
    await plant(shaper, path);
    await put(`${path}-unshaped`, SECRET);
    const look = async (source: string) => {
      const { status, head, text } = await shape(source, { ...INTENT, ...bearer(TOKEN) });
      const plain = (words: string) => words.replaceAll(source, "").replace(/date: .*/i, "");
      return [status, plain(head).replace(/content-length: .*/i, ""), plain(text)];
    };
    const kept = await look(path);
    deepStrictEqual(await look(`${path}-unshaped`), kept);
    deepStrictEqual(await look(`${path}-absent`), kept);
  },
  "a shape under way is joined by nobody who may not read its source": async (
    { shape, machine, model, put },
    path,
  ) => {
    await put(path, SECRET);
    await model.script({ tokens: ["a", "b"], hold: 1 });
    const first = shape(path, { ...INTENT, ...bearer(machine.approveToken) });
    await model.until("it is held", ({ held }) => held === 1);
    for (const accept of ["text/plain", "text/event-stream, text/plain"]) {
      const reply = await shape(path, { ...INTENT, accept, ...bearer(TOKEN) });
      equal(reply.status, 403);
    }
    await model.release();
    equal((await first).status, 200);
  },
  "the cache's worlds: only T3 sees that they are there": async (shaper, path) => {
    const { machine } = shaper;
    await plant(shaper, path);
    const slot = "/var/cache/semantic/0000";
    const told = await machine.approve("GET", `${slot}?raw`);
    equal(told.status, 200, "the case needs a kept shape");
    const readers = [
      {},
      bearer(TOKEN),
      bearer(machine.capability("/var", "r")),
      bearer(machine.capability("/var/cache/semantic", "rw")),
    ];
    const ways = [
      `${slot}?raw`,
      slot,
      `${slot}?at=1`,
      "/var/cache/semantic/",
      "/var/cache/",
      "/VAR/cache/semantic/0000".replace("VAR", "var"),
      "/var/Cache/semantic/0000?raw",
      `/stream${slot}`,
      "/stream/var/cache/semantic/",
      `/proc/log${slot}`,
      `/proc/audit${slot}`,
      `/dav${slot}`,
      "/dav/var/cache/semantic/",
      `/shaped${slot}`,
    ];
    for (const headers of readers) {
      for (const target of ways) {
        const reply = await machine.send({ method: "GET", target, headers });
        // A stream that opened would not end, and this would not come back.
        ok([401, 403, 404].includes(reply.status), `${target}: ${reply.status}`);
        ok(!reply.text.includes(SECRET));
      }
      for (const target of ["/var/", "/proc/worlds", "/dav/var/"]) {
        const reply = await machine.send({ method: "GET", target, headers });
        ok(reply.status !== 200 || !reply.text.includes("cache"), target);
      }
    }
  },
  "a source that shows callers different things is shaped for each as they see it": async (
    { shape, machine, model, put },
  ) => {
    await put("/etc/fstab", "https://x.example /mnt/x ro,bearer=hunter2");
    const T3 = bearer(machine.approveToken);
    equal((await shape("/etc/fstab", { ...INTENT, ...T3 })).status, 200);
    const lesser = await shape("/etc/fstab", { ...INTENT, ...bearer(TOKEN) });
    equal(lesser.header("x-semantic-cache"), "generated");
    const { calls } = await model.seen();
    match(calls[0]?.prompt ?? "", /hunter2/);
    ok(!calls[1]?.prompt.includes("hunter2"));

    const mount = plugin(
      { routes: ["/mnt/who"] },
      `return new Response("told to " + env.caller.tier, { headers: { etag: '"1"' } });`,
    );
    await machine.approve("PUT", "/lib/who", mount);
    equal((await machine.approve("PUT", "/lib/who/state", "active")).status, 200);
    await model.forget();
    equal(
      (await shape("/mnt/who/x", { ...INTENT, ...T3 })).header("x-semantic-cache"),
      "generated",
    );
    const other = await shape("/mnt/who/x", { ...INTENT, ...bearer(TOKEN) });
    equal(other.header("x-semantic-cache"), "generated");
    const told = (await model.seen()).calls.map(({ prompt }) => /told to T\d/.exec(prompt)?.[0]);
    deepStrictEqual(told, ["told to T3", "told to T2"]);
  },
  "what was public once and is gone, or is private now, is kept from everyone": async (
    { shape, machine, put },
  ) => {
    await put("/home/a/x", "x");
    const cap = bearer(machine.capability("/home/a", "r"));
    const T2 = bearer(TOKEN);
    equal(
      (await shape("/home/a/x", { ...INTENT, ...cap })).header("x-semantic-cache"),
      "generated",
    );
    equal((await shape("/home/a/x", { ...INTENT, ...T2 })).header("x-semantic-cache"), "hit");
    await machine.approve("DELETE", "/home/a/x");
    for (const credential of [cap, T2, bearer(machine.approveToken)]) {
      equal((await shape("/home/a/x", { ...INTENT, ...credential })).status, 404);
    }
  },
  "no spelling of a path leads past its authority": async (shaper, path) => {
    const { shape, machine } = shaper;
    await plant(shaper, path);
    const name = path.slice(1);
    const cap = bearer(machine.capability("/home/a", "rw"));
    for (
      const target of [
        `/home/a/../../${name}`,
        `/home/a/%2e%2e/%2e%2e/${name}`,
        `/home/a/..%2f..%2f${name}`,
        `//${name}`,
        `/home/a//../${name}`,
        `/Boot/${name.slice(5)}`,
        `/home/a?accept=text/plain&raw=/${name}`,
        `/home/a?at=1&path=/${name}`,
        `/dev/gpu`,
        `/mnt/../${name}`,
      ]
    ) {
      for (const credential of [cap, bearer(TOKEN)]) {
        const reply = await shape(target, { ...INTENT, ...credential });
        ok(reply.status >= 400, `${target}: ${reply.status} ${reply.text}`);
        ok(!reply.text.includes(SECRET));
      }
    }
  },
  "a plugin that asks on its own needs a grant for the source too": async ({ machine, put }) => {
    await put("/home/granted", SECRET);
    await put("/home/other", SECRET);
    const asking = plugin(
      { routes: ["/asks"], grants: { "/shaped/": "r", "/home/granted": "r" } },
      `const answer = await env.machine.fetch("/shaped" + url.searchParams.get("of"));
      return new Response(await answer.text(), { status: answer.status });`,
    );
    await machine.approve("PUT", "/lib/asks", asking);
    equal((await machine.approve("PUT", "/lib/asks/state", "active")).status, 200);
    const ask = (of: string) => machine.approve("GET", `/asks?of=${of}`);
    equal((await ask("/home/granted")).status, 200);
    equal((await ask("/home/other")).status, 403);
    equal((await ask("/boot/env")).status, 403);
  },
  "another site's page spends nothing": async ({ shape, put, model }) => {
    await put("/home/a", "a");
    for (const site of ["cross-site", "same-site"]) {
      for (const mode of ["no-cors", "cors", "navigate"]) {
        const dest = mode === "navigate" ? "iframe" : "image";
        const reply = await shape("/home/a", {
          ...bearer(TOKEN),
          "sec-fetch-site": site,
          "sec-fetch-mode": mode,
          "sec-fetch-dest": dest,
        });
        equal(reply.status, 403);
      }
    }
    equal((await model.seen()).calls.length, 0);
  },
  "the model is told the source and the intent, and no more of anybody": async (
    { shape, put, model, machine },
  ) => {
    await put("/home/a", "a");
    const cap = machine.capability("/home/a", "r");
    const headers = {
      ...INTENT,
      ...bearer(cap),
      cookie: "x=cookie-value",
      referer: "http://r.example/",
    };
    equal((await shape("/home/a", headers)).status, 200);
    const prompt = (await model.seen()).calls[0]?.prompt ?? "";
    for (const word of [cap, "cookie-value", "r.example", "127.0.0.1", "/home/a", "cap:"]) {
      ok(!prompt.includes(word), word);
    }
    notEqual(prompt, "");
  },
});

Deno.test("semantic refuses on an open machine what a capability of it does not reach", async () => {
  await withShaper({}, async ({ shape, put, machine }) => {
    await put("/home/a/x", "x");
    await put("/home/b", "b");
    // Without a credential a caller on this computer is T2.
    equal((await shape("/home/b", INTENT)).status, 200);
    const cap = bearer(machine.capability("/home/a", "r"));
    equal((await shape("/home/a/x", { ...INTENT, ...cap })).status, 200);
    equal((await shape("/home/b", { ...INTENT, ...cap })).status, 403);
    equal((await shape("/home/ab", { ...INTENT, ...cap })).status, 403);
    const gpu = await machine.send({ method: "GET", target: "/dev/gpu", headers: cap });
    equal(gpu.status, 403);
    await install(machine, "asks", plugin({ routes: ["/asks"] }, "return new Response('x');"));
  });
});
