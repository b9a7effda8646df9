/**
 * A caller gets nothing through the semantic plugin that a direct read refuses. In each step a T3
 * caller has requested the same shape before, so that it is stored.
 */

import { plugin } from "../plugin/plugin_test_server.ts";
import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { bearer, TOKEN } from "../support/test_server.ts";
import { type Shaper, withShaper } from "./shaper.ts";

const SECRET = "the secret of the boot";
const PLAIN = { "accept": "text/plain", "x-semantic-intent": "for me" };

/** Stores a world with the secret and, with T3, a shape that repeats it. Returns its entity tag. */
async function storeSecretShape(shaper: Shaper, path: string): Promise<string> {
  const { shape, put, server, model } = shaper;
  await put(path, SECRET);
  await model.script({ tokens: [SECRET] });
  const reply = await shape(path, { ...PLAIN, ...bearer(server.approveToken) });
  assertEquals([reply.status, reply.text], [200, SECRET]);
  return reply.header("etag") ?? "";
}

const STEPS: Readonly<Record<string, (shaper: Shaper, path: string) => Promise<void>>> = {
  "answers what a direct read answers, without a trace of the stored shape": async (
    shaper,
    path,
  ) => {
    const { shape, server, model, put } = shaper;
    const tag = await storeSecretShape(shaper, path);
    await put("/home/other", SECRET);
    const callers: [string, Record<string, string>, string][] = [
      ["no credential", {}, path],
      ["T2", bearer(TOKEN), path],
      ["an unknown token", bearer("wrong"), path],
      ["a capability for the path", bearer(server.capability(path, "rw")), path],
      ["a capability for all paths", bearer(server.capability("/", "rw")), path],
      ["a capability for another path", bearer(server.capability("/home/a", "rw")), "/home/other"],
      ["a capability for the route", bearer(server.capability("/shaped", "rw")), "/home/other"],
      ["an expired capability", bearer(server.capability("/home", "rw", -1)), "/home/other"],
    ];
    for (const [caller, credential, source] of callers) {
      const direct = await server.send({
        method: "GET",
        target: `${source}?raw`,
        headers: { ...credential, accept: "text/plain" },
      });
      // Anyone can read a public world, but a shape of it requires T2.
      const expected = direct.status === 200 ? 401 : direct.status;
      for (const more of [{}, { "if-none-match": tag }, { "if-none-match": "*" }]) {
        for (const method of ["GET", "HEAD"]) {
          const reply = await shape(source, { ...PLAIN, ...credential, ...more }, method);
          assertEquals(reply.status, expected, `${caller}: ${reply.text}`);
          assert(!reply.text.includes(SECRET) && !reply.head.includes(tag), caller);
          assertEquals(reply.header("x-semantic-gpu"), undefined, caller);
          assert(["none", undefined].includes(reply.header("x-semantic-cache")), caller);
        }
      }
    }
    assertEquals((await model.state()).calls.length, 1);
  },
  "answers the same whether or not a shape is stored": async (shaper, path) => {
    const { shape, put } = shaper;
    await storeSecretShape(shaper, path);
    await put(`${path}-unshaped`, SECRET);
    const answerTo = async (source: string) => {
      const { status, head, text } = await shape(source, { ...PLAIN, ...bearer(TOKEN) });
      const withoutPath = (part: string) => part.replaceAll(source, "").replace(/date: .*/i, "");
      return [status, withoutPath(head).replace(/content-length: .*/i, ""), withoutPath(text)];
    };
    const stored = await answerTo(path);
    assertEquals(await answerTo(`${path}-unshaped`), stored);
    assertEquals(await answerTo(`${path}-absent`), stored);
  },
  "does not let a caller join a generation whose source it cannot read": async (
    { shape, server, model, put },
    path,
  ) => {
    await put(path, SECRET);
    await model.script({ tokens: ["a", "b"], hold: 1 });
    const first = shape(path, { ...PLAIN, ...bearer(server.approveToken) });
    await model.until("the model waits", ({ held }) => held === 1);
    for (const accept of ["text/plain", "text/event-stream, text/plain"]) {
      const reply = await shape(path, { ...PLAIN, accept, ...bearer(TOKEN) });
      assertEquals(reply.status, 403);
    }
    await model.release();
    assertEquals((await first).status, 200);
  },
  "stores shapes in worlds that only T3 can see": async (shaper, path) => {
    const { server } = shaper;
    await storeSecretShape(shaper, path);
    const world = "/var/cache/semantic/0000";
    const stored = await server.approve("GET", `${world}?raw`);
    assertEquals(stored.status, 200, "the step needs a stored shape");
    const credentials = [
      {},
      bearer(TOKEN),
      bearer(server.capability("/var", "r")),
      bearer(server.capability("/var/cache/semantic", "rw")),
    ];
    const targets = [
      `${world}?raw`,
      world,
      `${world}?at=1`,
      "/var/cache/semantic/",
      "/var/cache/",
      "/VAR/cache/semantic/0000".replace("VAR", "var"),
      "/var/Cache/semantic/0000?raw",
      `/stream${world}`,
      "/stream/var/cache/semantic/",
      `/proc/log${world}`,
      `/proc/audit${world}`,
      `/dav${world}`,
      "/dav/var/cache/semantic/",
      `/shaped${world}`,
    ];
    for (const headers of credentials) {
      for (const target of targets) {
        const reply = await server.send({ method: "GET", target, headers });
        // A stream that opened would not end, and send() would not return.
        assert([401, 403, 404].includes(reply.status), `${target}: ${reply.status}`);
        assert(!reply.text.includes(SECRET));
      }
      for (const target of ["/var/", "/proc/worlds", "/dav/var/"]) {
        const reply = await server.send({ method: "GET", target, headers });
        assert(reply.status !== 200 || !reply.text.includes("cache"), target);
      }
    }
  },
  "shapes a source that differs between callers as each of them sees it": async (
    { shape, server, model, put },
  ) => {
    await put("/etc/fstab", "https://x.example /mnt/x ro,bearer=hunter2");
    const T3 = bearer(server.approveToken);
    assertEquals((await shape("/etc/fstab", { ...PLAIN, ...T3 })).status, 200);
    const redacted = await shape("/etc/fstab", { ...PLAIN, ...bearer(TOKEN) });
    assertEquals(redacted.header("x-semantic-cache"), "generated");
    const { calls } = await model.state();
    assertMatch(calls[0]?.prompt ?? "", /hunter2/);
    assert(!calls[1]?.prompt.includes("hunter2"));

    const mount = plugin(
      { routes: ["/mnt/tier"] },
      `return new Response("sent to " + env.caller.tier, { headers: { etag: '"1"' } });`,
    );
    await server.approve("PUT", "/lib/tier", mount);
    assertEquals((await server.approve("PUT", "/lib/tier/state", "active")).status, 200);
    await model.forget();
    for (const credential of [T3, bearer(TOKEN)]) {
      const reply = await shape("/mnt/tier/x", { ...PLAIN, ...credential });
      assertEquals(reply.header("x-semantic-cache"), "generated");
    }
    const sources = (await model.state()).calls
      .map(({ prompt }) => /sent to T\d/.exec(prompt)?.[0]);
    assertEquals(sources, ["sent to T3", "sent to T2"]);
  },
  "answers 404 for a deleted world whose shape is stored": async ({ shape, server, put }) => {
    await put("/home/a/x", "x");
    const capability = bearer(server.capability("/home/a", "r"));
    const T2 = bearer(TOKEN);
    const cacheStatus = async (credential: Record<string, string>) =>
      (await shape("/home/a/x", { ...PLAIN, ...credential })).header("x-semantic-cache");
    assertEquals(await cacheStatus(capability), "generated");
    assertEquals(await cacheStatus(T2), "hit");
    await server.approve("DELETE", "/home/a/x");
    for (const credential of [capability, T2, bearer(server.approveToken)]) {
      assertEquals((await shape("/home/a/x", { ...PLAIN, ...credential })).status, 404);
    }
  },
  "refuses every spelling of a path that the caller cannot read": async (shaper, path) => {
    const { shape, server } = shaper;
    await storeSecretShape(shaper, path);
    const name = path.slice(1);
    const capability = bearer(server.capability("/home/a", "rw"));
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
      for (const credential of [capability, bearer(TOKEN)]) {
        const reply = await shape(target, { ...PLAIN, ...credential });
        assert(reply.status >= 400, `${target}: ${reply.status} ${reply.text}`);
        assert(!reply.text.includes(SECRET));
      }
    }
  },
  "requires a grant for the source from a plugin that calls with its own grants": async (
    { server, put },
  ) => {
    await put("/home/granted", SECRET);
    await put("/home/other", SECRET);
    const calling = plugin(
      { routes: ["/calls"], grants: { "/shaped/": "r", "/home/granted": "r" } },
      `const answer = await env.machine.fetch("/shaped" + url.searchParams.get("path"));
      return new Response(await answer.text(), { status: answer.status });`,
    );
    await server.approve("PUT", "/lib/calls", calling);
    assertEquals((await server.approve("PUT", "/lib/calls/state", "active")).status, 200);
    const statusOf = async (path: string) =>
      (await server.approve("GET", `/calls?path=${path}`)).status;
    assertEquals(await statusOf("/home/granted"), 200);
    assertEquals(await statusOf("/home/other"), 403);
    assertEquals(await statusOf("/boot/env"), 403);
  },
  "answers 403 to pages of other sites, without a generation": async ({ shape, put, model }) => {
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
        assertEquals(reply.status, 403);
      }
    }
    assertEquals((await model.state()).calls.length, 0);
  },
  "sends the model the source and the intent, and nothing else of the request": async (
    { shape, put, model, server },
  ) => {
    await put("/home/a", "a");
    const capability = server.capability("/home/a", "r");
    const headers = {
      ...PLAIN,
      ...bearer(capability),
      cookie: "x=cookie-value",
      referer: "http://r.example/",
    };
    assertEquals((await shape("/home/a", headers)).status, 200);
    const prompt = (await model.state()).calls[0]?.prompt ?? "";
    for (const part of [capability, "cookie-value", "r.example", "127.0.0.1", "/home/a", "cap:"]) {
      assert(!prompt.includes(part), part);
    }
    assertNotEquals(prompt, "");
  },
};

Deno.test("GET /shaped/… follows the rights of the caller", async (t) => {
  await withShaper({ hasTokens: true, conf: "budget 10000" }, async (shaper) => {
    for (const [at, [name, run]] of Object.entries(STEPS).entries()) {
      await t.step(name, async () => {
        await shaper.model.forget();
        await run(shaper, `/boot/secret-${at}`);
      });
    }
  });
});

Deno.test("GET /shaped/… without tokens refuses what a capability does not cover", async () => {
  await withShaper({}, async ({ shape, put, server }) => {
    await put("/home/a/x", "x");
    await put("/home/b", "b");
    // Without a credential, a loopback caller has T2.
    assertEquals((await shape("/home/b", PLAIN)).status, 200);
    const capability = bearer(server.capability("/home/a", "r"));
    assertEquals((await shape("/home/a/x", { ...PLAIN, ...capability })).status, 200);
    assertEquals((await shape("/home/b", { ...PLAIN, ...capability })).status, 403);
    assertEquals((await shape("/home/ab", { ...PLAIN, ...capability })).status, 403);
    const gpu = await server.send({ method: "GET", target: "/dev/gpu", headers: capability });
    assertEquals(gpu.status, 403);
  });
});
