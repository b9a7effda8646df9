/** Tests of requests and responses between a client and a plugin through the whole server. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";
import { eventually, get, install, plugin, QUICK, withPlugins } from "./plugin_test_server.ts";

const BROWSER = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

const SHELL = "<!doctype html><title>the shell</title>";

Deno.test("GET of a bare route with Accept: text/html returns the page of the shell", async () => {
  await withPlugins(async (server) => {
    await install(
      server,
      "p",
      plugin({ routes: ["/p", "/q"], auth: "T3" }, "return new Response('plugin ' + url.search);"),
    );
    // Also to a caller that cannot call the plugin: the page shows what is needed.
    const page = await get(server, "/p", BROWSER);
    assertEquals([page.status, page.text], [200, SHELL]);
    assertEquals((await get(server, "/q", BROWSER)).text, SHELL);
    const head = await server.send({ method: "HEAD", target: "/p", headers: BROWSER });
    assertEquals([head.status, head.body.length], [200, 0]);
    assertStrictEquals((await get(server, "/bin/p", BROWSER)).text, page.text);
    // Every other request goes to the plugin, or is refused by the policy.
    assertEquals((await get(server, "/p")).status, 401);
    assertEquals((await server.approve("GET", "/p")).text, "plugin ");
    const headers = { ...BROWSER, ...bearer(APPROVE) };
    assertEquals((await get(server, "/p", headers)).text, SHELL);
    assertEquals((await get(server, "/p?x=1", headers)).text, "plugin ?x=1");
    assertEquals((await get(server, "/p/below", headers)).text, "plugin ");
    assert((await server.send({ method: "POST", target: "/p", headers: BROWSER })).status === 401);
  });
});

Deno.test("GET of a bare route with Accept: text/html returns a page that the plugin has, sandboxed", async () => {
  await withPlugins(async (server) => {
    const body = `if (url.pathname === "/fails") throw new Error("no");
      const type = request.headers.get("accept").startsWith("text/html") ? "text/html" : "text/plain";
      const status = url.pathname === "/none" ? 404 : 200;
      return new Response("<p>own</p>", { status, headers: { "content-type": type } });`;
    await install(server, "p", plugin({ routes: ["/own", "/none", "/fails"] }, body));
    const page = await get(server, "/own", BROWSER);
    assertEquals(page.text, "<p>own</p>");
    assertMatch(page.headers.get("content-security-policy") ?? "", /sandbox/);
    for (const path of ["/none", "/fails"]) {
      assertEquals((await get(server, path, BROWSER)).text, SHELL, path);
    }
  });
});

Deno.test("GET of a route answers 403 without the page of the shell to a caller that cannot read it", async () => {
  await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
    const source = plugin({ auth: "T2", description: "in hiding" }, "return new Response('x');");
    await server.send({ method: "PUT", target: "/lib/p", headers: bearer(TOKEN), body: source });
    assertEquals((await server.approve("PUT", "/lib/p/state", "active")).status, 200);
    const cap = bearer(server.capability("/home/a", "r"));
    const reply = await get(server, "/p", { ...BROWSER, ...cap });
    assertEquals(reply.status, 403);
    assert(!reply.text.includes("in hiding"));
  });
});

Deno.test("GET of a mount and of a fallback path goes to the plugin, not to the shell", async () => {
  await withPlugins(async (server) => {
    await install(server, "mnt", plugin({ routes: ["/mnt"] }, "return new Response('mounts');"));
    assertEquals((await get(server, "/mnt", BROWSER)).text, "mounts");
    await install(
      server,
      "last",
      plugin({ routes: [], fallback: true }, "return new Response('resolved');"),
    );
    assertEquals((await get(server, "/somewhere", BROWSER)).text, "resolved");
  });
});

Deno.test("GET of a plugin returns its status and headers, without cookies, with a sandbox policy", async () => {
  await withPlugins(async (server) => {
    const body = `
      if (url.pathname === "/p/own") {
        return new Response("own", { headers: { "content-security-policy": "default-src 'self'" } });
      }
      const headers = new Headers({ "content-type": "text/html", "x-own": "1", etag: '"e"',
        connection: "close", "transfer-encoding": "chunked", upgrade: "h2c" });
      headers.append("set-cookie", "a=1; Path=/p");
      headers.append("set-cookie", "b=2");
      return new Response("<h1>" + request.headers.get("x-sent") + url.search, { status: 203, headers });`;
    await install(server, "p", plugin({}, body));
    const reply = await get(server, "/p/x?y=%2F", { "x-sent": "yes" });
    assertEquals([reply.status, reply.text], [203, "<h1>yes?y=%2F"]);
    assertEquals(reply.headers.get("content-security-policy"), "sandbox allow-scripts");
    assertEquals(reply.headers.get("x-content-type-options"), "nosniff");
    assertEquals(reply.headers.get("x-own"), "1");
    assert(!reply.headers.has("set-cookie"));
    assert(!reply.headers.has("upgrade") && !/connection: close/i.test(reply.head));
    const own = await get(server, "/p/own");
    assertEquals(
      own.headers.get("content-security-policy"),
      "sandbox allow-scripts, default-src 'self'",
    );
    const head = await server.send({ method: "HEAD", target: "/p/x" });
    assertEquals([head.status, head.body.length], [203, 0]);
  });
});

Deno.test("requests to a plugin are forwarded with their method, range and long query", async () => {
  await withPlugins(async (server) => {
    const body = `
      if (request.headers.has("range")) {
        return new Response("bc", { status: 206, headers: { "content-range": "bytes 1-2/4" } });
      }
      return Response.json([request.method, url.pathname, url.search.length]);`;
    await install(server, "p", plugin({}, body));
    const range = await get(server, "/p", { range: "bytes=1-2" });
    assertEquals(
      [range.status, range.headers.get("content-range"), range.text],
      [206, "bytes 1-2/4", "bc"],
    );
    for (const method of ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
      const reply = await server.send({ method, target: `/p/a%20b?${"x".repeat(4000)}` });
      assertStrictEquals(reply.text, JSON.stringify([method, "/p/a%20b", 4001]));
    }
    assertEquals((await server.send({ method: "TRACE", target: "/p" })).status, 501);
  });
});

Deno.test("POST to a plugin works with a Host header that does not form a valid URL", async () => {
  await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
    const source = plugin({}, "return new Response(url.pathname + await request.text());");
    await server.send({ method: "PUT", target: "/lib/p", headers: bearer(TOKEN), body: source });
    assertEquals((await server.approve("PUT", "/lib/p/state", "active")).status, 200);
    const headers = { ...bearer(TOKEN), host: "1.2.3.4.5" };
    const reply = await server.send({ method: "POST", target: "/p/x", headers, body: "sent" });
    assertEquals([reply.status, reply.text], [200, "/p/xsent"]);
  });
});

Deno.test("GET of a plugin with a WebSocket upgrade answers 501", async () => {
  await withPlugins(async (server) => {
    await install(server, "p", plugin({}, "return new Response('x');"));
    const reply = await get(server, "/p", {
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-version": "13",
    });
    assertEquals(reply.status, 501);
    assertMatch(reply.text, /text\/event-stream/);
  });
});

Deno.test("GET of an event stream returns each event at once, and its end aborts request.signal", async () => {
  await withPlugins(async (server) => {
    const body = `
      if (url.pathname === "/p/state") return Response.json(globalThis.state ?? null);
      if (url.pathname === "/p/next") { globalThis.send(); return new Response("sent"); }
      const { readable, writable } = new TransformStream();
      const writer = writable.getWriter();
      let count = 0;
      globalThis.send = () => writer.write(new TextEncoder().encode("data: " + count++ + "\\n\\n"));
      request.signal.addEventListener("abort", () => globalThis.state = "aborted");
      send();
      return new Response(readable, { headers: { "content-type": "text/event-stream" } });`;
    await install(server, "p", plugin({}, body));
    const abort = new AbortController();
    const answer = await fetch(`http://127.0.0.1:${server.port}/p`, { signal: abort.signal });
    assertEquals(answer.headers.get("content-type"), "text/event-stream");
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    // Each event is read before the next one is created, so no part of the path buffers events.
    for (let at = 0; at < 3; at++) {
      assertEquals((await reader.read()).value, `data: ${at}\n\n`);
      await get(server, "/p/next");
    }
    abort.abort();
    await reader.read().catch((error) => assertEquals(error.name, "AbortError"));
    await eventually(async () => {
      return (await get(server, "/p/state")).text === '"aborted"' || undefined;
    }, "the plugin's request.signal was aborted");
  });
});

Deno.test("GET of a plugin aborts request.signal if the client disconnects before the response", async () => {
  await withPlugins(async (server) => {
    const body = `
      if (url.pathname === "/p/state") return Response.json(globalThis.state ?? null);
      globalThis.state = "waiting";
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      globalThis.state = "aborted";
      return new Response("not read");`;
    await install(server, "p", plugin({}, body));
    const untilState = (what: string) =>
      eventually(
        async () => (await get(server, "/p/state")).text === `"${what}"` || undefined,
        what,
      );
    for (const path of ["/p", "/bin/p"]) {
      const connection = await Connection.open(server.port);
      await connection.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
      await untilState("waiting");
      connection.close();
      await untilState("aborted");
    }
  });
});
