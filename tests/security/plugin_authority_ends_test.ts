/**
 * Property: with the authority of its caller, a plugin changes nothing that outlives the request: no
 * capability, approval, account, source or permission. The authority ends with the request and with the
 * credential of the caller. All authority of a plugin ends at once when it is disabled, deleted or
 * replaced.
 */

import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { installPlugin, putWorld, withPluginServer } from "../support/plugin_server.ts";
import { APPROVE, basic, bearer, type TestServer, TOKEN } from "../support/test_server.ts";
import { bytesOf, Connection } from "../support/wire.ts";
import { sha256Hex } from "../../lib/base/hash.ts";

/** Sends the subrequest that the body describes with the caller's authority. */
const GUEST = `export const routes = ["/guest"];
export default { async fetch(request, env) {
  const { method, path, headers, body } = JSON.parse(await request.text());
  const reply = await env.caller.fetch(path, { method, headers, body });
  return Response.json({ status: reply.status, text: await reply.text() });
} };`;
/** Passes the request to the guest. */
const CHAIN = `export const routes = ["/chain"];
export default { async fetch(request, env) {
  return await env.caller.fetch("/guest", { method: "POST", body: await request.text() });
} };`;
const CONFIGURED = `export const routes = ["/configured"]; export const config = ["/etc/c/conf"];
export const permissions = ({ config }) => JSON.parse(config["/etc/c/conf"] ?? "{}");
export default { fetch: () => new Response("x") };`;

interface Attempt {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function send(server: TestServer, token: string, attempt: Attempt, target = "/guest") {
  const headers = bearer(token);
  const reply = await server.send({
    method: "POST",
    target,
    headers,
    body: JSON.stringify(attempt),
  });
  assertEquals(reply.status, 200, reply.text);
  const { status, text }: { status: number; text: string } = JSON.parse(reply.text);
  return { status, text };
}

Deno.test("a plugin that T3 calls cannot mint, approve, create accounts, or change sources and permissions", async () => {
  const plugins = [["guest", GUEST], ["chain", CHAIN], ["configured", CONFIGURED]] as const;
  await withPluginServer({ plugins }, async (server) => {
    await putWorld(server, "/lib/other", CONFIGURED.replaceAll("configured", "other"));
    await putWorld(server, "/home/stage/conf", "{}");
    await putWorld(server, "/home/stage/passwd", "eve:T3\n");
    const put = (path: string): Attempt => ({ method: "PUT", path, body: "x" });
    const dav = (method: string, from: string, to: string): Attempt => ({
      method,
      path: `/dav${from}`,
      headers: { destination: `/dav${to}`, depth: "infinity" },
    });
    const attempts: Attempt[] = [
      { method: "POST", path: "/auth/mint?prefix=/home&ttl=60" },
      { method: "POST", path: "/bin/auth/mint?prefix=/home&ttl=60" },
      { method: "PUT", path: "/lib/other/state", body: "active" },
      { method: "PUT", path: "/lib/guest/state", body: "disabled" },
      { method: "DELETE", path: "/lib/other" },
      { method: "DELETE", path: "/lib/" },
      ...["passwd", "shadow", "revoked", "c/conf", "c", "PASSWD"].map((name) =>
        put(`/etc/${name}`)
      ),
      ...["/lib/other", "/lib/new", "/usr/lib/shell/app.js", "/boot/x", "/usr/bin/boot"].map(put),
      { method: "POST", path: "/etc/passwd", body: "eve:T3" },
      { method: "PUT", path: "/etc/c/conf?from=1" },
      { method: "DELETE", path: "/etc/c/conf" },
      { method: "DELETE", path: "/etc/c/" },
      { method: "DELETE", path: "/etc/" },
      put("/dav/etc/passwd"),
      put("/dav/etc/c/conf"),
      { method: "DELETE", path: "/dav/etc/c/" },
      dav("COPY", "/home/stage/conf", "/etc/c/conf"),
      dav("COPY", "/home/stage/", "/etc/c/"),
      dav("MOVE", "/home/stage/", "/etc/c/"),
      dav("COPY", "/home/stage/passwd", "/etc/passwd"),
      dav("MOVE", "/home/stage/passwd", "/etc/passwd"),
      dav("COPY", "/home/stage/", "/etc/"),
      { method: "LOCK", path: "/dav/home/stage/conf", headers: { depth: "0" } },
    ];
    for (const target of ["/guest", "/chain"]) {
      for (const attempt of attempts) {
        const { status, text } = await send(server, APPROVE, attempt, target);
        const label = `${target} ${JSON.stringify(attempt)} ${status} ${text.slice(0, 200)}`;
        // DELETE of a collection that does not exist is 404 for every caller.
        assert(status === 403 || status === 404 && attempt.method === "DELETE", label);
      }
    }
    const source = await send(server, TOKEN, put("/lib/from-t2"));
    assertEquals(source.status, 403, "a source is not stored with T2 either");
    // Everything else is done with the rights of the caller.
    assertEquals((await send(server, APPROVE, put("/etc/motd"))).status, 201);
    assertEquals((await send(server, APPROVE, { method: "GET", path: "/etc/motd?raw" })).text, "x");
    assertEquals((await server.approve("GET", "/etc/passwd?raw")).status, 404);
    assertEquals((await server.approve("GET", "/home/stage/passwd?raw")).status, 200);
  });
});

Deno.test("env.machine is refused from the moment the plugin is disabled, deleted or replaced", async () => {
  const source = `export const routes = ["/lives"]; export const grants = { "/home/lives/": "rw" };
    const write = (env, text) => env.machine.fetch("/home/lives/log", { method: "POST", body: text });
    export default { async fetch(request, env, ctx) {
      const loop = (async () => { for (;;) {
        await write(env, ".").catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 5));
      } })();
      ctx.waitUntil(loop);
      return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("open")); } }));
    } };`;
  const ends: [string, (server: TestServer) => Promise<{ status: number }>][] = [
    ["disabled", (server) => server.approve("PUT", "/lib/lives/state", "disabled")],
    ["deleted", (server) => server.approve("DELETE", "/lib/lives")],
    ["replaced", (server) => server.approve("PUT", "/lib/lives", `${source}\n`)],
  ];
  for (const [end, act] of ends) {
    await withPluginServer({ plugins: [["lives", source]] }, async (server) => {
      const connection = await Connection.open(server.port);
      const call = `GET /lives HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n\r\n`;
      const open = connection.ask(bytesOf(call)).catch(() => undefined);
      const length = async () => {
        const log = await server.approve("GET", "/home/lives/log?raw");
        return log.status === 200 ? log.text.length : 0;
      };
      await eventually(async () => await length() > 3 || undefined, "the plugin writes");
      assertEquals((await act(server)).status, 200, end);
      // The one writer commits in order, so a write that was accepted before the end is done now.
      await server.approve("PUT", "/home/barrier", end);
      const after = await length();
      // Twenty times the pause between two writes of the plugin.
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertStrictEquals(await length(), after, end);
      connection.close();
      await open;
    });
  }
});

Deno.test("a plugin call ends when the account of its caller ends, before and after the response head", async () => {
  const source = `export const routes = ["/slow"]; export default { async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/slow/head") await new Promise(() => {});
    return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("open")); } }));
  } };`;
  await withPluginServer({ plugins: [["slow", source]] }, async (server) => {
    await putWorld(server, "/etc/shadow", `ada:${sha256Hex(new TextEncoder().encode("pw"))}\n`);
    await putWorld(server, "/etc/passwd", "ada:T2\n");
    const headers = basic("ada", "pw");
    const url = `http://127.0.0.1:${server.port}`;
    const head = fetch(`${url}/slow/head`, { headers });
    const body = (await fetch(`${url}/slow/body`, { headers })).body?.getReader();
    assertEquals(new TextDecoder().decode((await body?.read())?.value), "open");
    await putWorld(server, "/etc/passwd", "");
    const refused = await head;
    assertEquals(refused.status, 401);
    await refused.body?.cancel();
    const rest = await body?.read().then(({ done }) => done, () => true);
    assertEquals(rest, true, "the response ends");
  });
});

Deno.test("env.caller is refused after the response, and after the client disconnected", async () => {
  const source = `export const routes = ["/late"]; export const grants = { "/home/late/": "rw" };
    export default { fetch(request, env, ctx) {
      const path = new URL(request.url).pathname;
      const later = (async () => {
        if (path === "/late/gone") {
          const aborted = new Promise((resolve) => request.signal.addEventListener("abort", resolve));
          await env.machine.fetch("/home/late/arrived", { method: "PUT", body: "x" });
          await aborted;
        } else while ((await env.machine.fetch("/home/late/answered")).status !== 200) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        const said = await env.caller.fetch("/home/secret?raw").then((r) => r.status, () => "refused");
        await env.machine.fetch("/home" + path, { method: "PUT", body: String(said) });
      })();
      ctx.waitUntil(later);
      return path === "/late/gone" ? new Promise(() => {}) : new Response("done");
    } };`;
  await withPluginServer({ plugins: [] }, async (server) => {
    await putWorld(server, "/home/secret", "secret");
    await installPlugin(server, ["late", source]);
    const said = (name: string) =>
      eventually(async () => {
        const reply = await server.approve("GET", `/home/late/${name}?raw`);
        return reply.status === 200 ? reply.text : undefined;
      }, `the plugin reports ${name}`);
    await server.approve("GET", "/late/after");
    await putWorld(server, "/home/late/answered", "x");
    assertEquals(await said("after"), "refused");
    const abort = new AbortController();
    const gone = fetch(`http://127.0.0.1:${server.port}/late/gone`, {
      headers: bearer(APPROVE),
      signal: abort.signal,
    }).catch(() => undefined);
    assertEquals(await said("arrived"), "x");
    abort.abort();
    await gone;
    assertEquals(await said("gone"), "refused");
  });
});
