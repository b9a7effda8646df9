/** `env.kv` inside a plugin, over HTTP: values, versions, pages, rights, restart and SIGKILL. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { bearer, startTestServer, TOKEN, withServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { approval, ServerProcess } from "../faults/server_process.ts";
import {
  eventually,
  get,
  install,
  plugin,
  QUICK,
  record,
  setState,
  store,
} from "./plugin_test_server.ts";

/** Runs one expression with `kv` and answers its result as JSON; bytes as an array. */
const RUN = `
  const calls = await request.json();
  const results = [];
  for (const [name, ...args] of calls) {
    const found = await env.kv[name](...args.map((a) => a?.bytes ? new Uint8Array(a.bytes) : a));
    results.push(found?.value instanceof Uint8Array ? [...found.value] : found ?? null);
  }
  return Response.json(results);`;

type Call = readonly [name: string, ...args: unknown[]];

Deno.test("env.kv keeps text, bytes and JSON by key, and compares versions", () =>
  withServer({ env: QUICK }, async (server) => {
    await install(server, "p", plugin({ kv: true }, RUN));
    const run = async (...calls: Call[]): Promise<unknown> => {
      const body = JSON.stringify(calls);
      const reply = await server.send({ method: "POST", target: "/p", body });
      assertEquals(reply.status, 200, reply.text);
      return JSON.parse(reply.text);
    };
    assertEquals(await run(["list"], ["get", "a"], ["delete", "a"]), [{ keys: [] }, null, {
      ok: true,
    }]);
    const values = ["text", "", "ö🙂", 0, null, false, { a: [1] }, "null"];
    for (const [i, value] of values.entries()) {
      assertEquals(await run(["set", "a", value], ["get", "a"]), [
        { ok: true, version: i + 1 },
        { value, version: i + 1 },
      ]);
    }
    assertEquals(await run(["set", "b", { bytes: [0, 255] }], ["get", "b"]), [
      { ok: true, version: 1 },
      [0, 255],
    ]);
    assertEquals(
      await run(
        ["set", "a", 1, { ifVersion: 7 }],
        ["set", "a", 1, { ifVersion: 0 }],
        ["set", "a", 1, { ifVersion: 8 }],
        ["delete", "a", { ifVersion: 8 }],
        ["delete", "a", { ifVersion: 9 }],
        ["delete", "a", { ifVersion: 9 }],
        ["set", "a", 1, { ifVersion: 9 }],
        ["set", "a", 1, { ifVersion: 0 }],
      ),
      [
        { ok: false },
        { ok: false },
        { ok: true, version: 9 },
        { ok: false },
        { ok: true },
        { ok: false },
        { ok: false },
        { ok: true, version: 10 },
      ],
      "a deleted key does not use a version twice",
    );
    const keys = ["x", "x:0", "x:1", "x:A", "x0", "x/y", "y"];
    await run(...keys.map((key): Call => ["set", key, key]));
    const list = async (page: Record<string, unknown>) => {
      const [found] = JSON.parse(JSON.stringify(await run(["list", page])));
      return [found.keys.map(({ key }: { key: string }) => key).sort(), found.after ?? "end"];
    };
    assertEquals(await list({ prefix: "x:" }), [["x:0", "x:1", "x:A"], "end"]);
    assertEquals(await list({ prefix: "x" }), [["x", "x/y", "x0", "x:0", "x:1", "x:A"], "end"]);
    assertEquals(await list({ prefix: "x0" }), [["x0"], "end"]);
    assertEquals(await list({ prefix: "nothing" }), [[], "end"]);
    const all: string[] = [];
    for (let after = ""; after !== "end";) {
      const [page, next] = await list({ limit: 2, after });
      all.push(...page);
      after = next;
    }
    assertEquals(all.sort(), ["a", "b", ...keys].sort());
    await server.audit();
  }));

Deno.test("env.kv increments without a lost update under concurrent requests", () =>
  withServer({ env: QUICK }, async (server) => {
    await install(
      server,
      "p",
      plugin(
        { kv: true },
        `for (;;) {
          const { value = 0, version = 0 } = await env.kv.get("n") ?? {};
          const { ok } = await env.kv.set("n", value + 1, { ifVersion: version });
          if (ok) return Response.json(value + 1);
        }`,
      ),
    );
    const replies = await Promise.all(Array.from({ length: 8 }, () => get(server, "/p")));
    assertEquals(replies.map(({ text }) => Number(text)).sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  }));

Deno.test("only T3 and the plugin read its values, and ?asks shows kv", () =>
  withServer({ env: { ...QUICK, ELASTIK_TOKEN: TOKEN } }, async (server) => {
    const other = plugin(
      { routes: ["/q"], kv: true, grants: { "/var/": "rw" } },
      `
      const paths = ["/var/lib/p/kv/a", "/var/lib/p/kv/", "/var/lib/", "/proc/log/var/lib/p/kv/a"];
      const found = [];
      for (const path of paths) found.push((await env.machine.fetch(path)).status);
      const put = await env.machine.fetch("/var/lib/p/kv/a", { method: "PUT", body: "x" });
      found.push(put.status, (await env.kv.get("a")) ?? null);
      return Response.json(found);`,
    );
    for (const [name, source] of [["p", plugin({ kv: true }, RUN)], ["q", other]] as const) {
      const stored = await server.approve("PUT", `/lib/${name}`, source);
      assertEquals(stored.status, 201, stored.text);
      const asks = await server.approve("GET", `/lib/${name}/state?asks`);
      const { digest, kv } = record(record(JSON.parse(asks.text)).asks);
      assertEquals(kv, true);
      const body = JSON.stringify({ state: "active", asks: digest });
      assertEquals((await server.approve("PUT", `/lib/${name}/state`, body)).status, 200);
    }
    const token = bearer(TOKEN);
    const set = JSON.stringify([["set", "a", "private-text"]]);
    const reply = await server.send({ method: "POST", target: "/p", headers: token, body: set });
    assertEquals(reply.status, 200, reply.text);
    assertEquals((await server.approve("GET", "/var/lib/p/kv/a?raw")).text, "private-text");
    for (
      const target of ["/var/lib/p/kv/a", "/var/lib/p/kv/", "/var/lib/", "/proc/log/var/lib/p/kv/a"]
    ) {
      assertEquals((await get(server, target)).status, 401, target);
      assertEquals((await get(server, target, token)).status, 403, target);
    }
    for (const target of ["/proc/log/var/", "/proc/changes/var/", "/proc/search/?q=private-text"]) {
      const { text } = await get(server, target, token);
      assert(!text.includes("var/lib"), text);
    }
    const [read, list, above, log, put, own] = JSON.parse((await get(server, "/q", token)).text);
    assertEquals([read, list, above, log, put, own], [403, 403, 403, 403, 403, null]);
    // A capability of mode r may not make the plugin write values with POST.
    const cap = bearer(server.capability("/p", "r"));
    const refused = await server.send({ method: "POST", target: "/p", headers: cap, body: set });
    assertEquals(refused.status, 403, refused.text);
  }));

Deno.test("a plugin without kv has no env.kv, and the name dav cannot have it", () =>
  withServer({ env: QUICK }, async (server) => {
    await install(server, "p", plugin({}, "return Response.json(env.kv ?? null);"));
    assertEquals((await get(server, "/p")).text, "null");
    await store(server, "dav", plugin({ routes: ["/d"], kv: true }, ""));
    const refused = await setState(server, "dav", "active");
    assertEquals(refused.status, 422);
    assertMatch(refused.text, /`kv`.*\/var\/lib\/dav\/kv\//);
  }));

Deno.test("values survive a restart, and the deletion of the plugin", () =>
  withTempFolder(async (folder) => {
    const options = { env: QUICK, data: `${folder}/data` };
    const source = plugin(
      { kv: true },
      `if (request.method === "POST") await env.kv.set("k", await request.text());
      return Response.json(await env.kv.get("k") ?? null);`,
    );
    const first = await startTestServer(options);
    await install(first, "p", source);
    await first.send({ method: "POST", target: "/p", body: "kept" });
    await first.stop();
    const second = await startTestServer(options);
    assertEquals(JSON.parse((await get(second, "/p")).text), { value: "kept", version: 1 });
    assertEquals((await second.approve("DELETE", "/lib/p")).status, 200);
    await install(second, "p", source);
    assertEquals(JSON.parse((await get(second, "/p")).text), { value: "kept", version: 1 });
    await second.stop();
  }));

Deno.test("a value that was set is there after SIGKILL", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const start = () => ServerProcess.start({ data, env: { ELASTIK_SYNC: "normal" } });
    let server = await start();
    try {
      const headers = approval(data);
      const source = plugin(
        { kv: true },
        `if (request.method === "POST") {
          const text = await request.text();
          const { version } = await env.kv.set("n", text);
          return Response.json(version);
        }
        return Response.json(await env.kv.get("n"));`,
      );
      await server.ask("/lib/p", { method: "PUT", headers, body: source });
      const active = await server.ask("/lib/p/state", { method: "PUT", headers, body: "active" });
      assertEquals(active.status, 200, active.text);
      let answered = 0;
      const enough = Promise.withResolvers<void>();
      const writing = (async () => {
        for (let at = 1;; at++) {
          try {
            const { status, text } = await server.ask("/p", { method: "POST", body: String(at) });
            assertEquals([status, text], [200, String(at)]);
          } catch (error) {
            if (!(error instanceof TypeError)) throw error;
            return; // the server is dead
          }
          answered = at;
          if (at === 20) enough.resolve();
        }
      })();
      await Promise.race([enough.promise, writing]);
      await server.end("SIGKILL");
      await writing;
      server = await start();
      const restarted = server;
      // 503 while the plugin is being started.
      const read = async () => {
        const { status, text } = await restarted.ask("/p");
        return status === 503 ? undefined : text;
      };
      const { value, version } = record(
        JSON.parse(await eventually(read, "the plugin is started")),
      );
      assertEquals(Number(value), version);
      assert(Number(version) === answered || Number(version) === answered + 1, `${version}`);
    } finally {
      await server.end();
    }
  }));
