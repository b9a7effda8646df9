/** Mounted web servers: what is sent to them, what is returned, and what is neither. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { bearer } from "../support/test_server.ts";
import { BEARER, T2, T3, withMountServer } from "./fstab/mount_server.ts";

const LIMIT = 5 * 1024 * 1024;

Deno.test("GET /mnt/<name> reads a mounted web server", async (t) => {
  await withMountServer(async ({ server, folder, upstream, get, send, mount }) => {
    await t.step("sends the content, media type and version of the upstream", async () => {
      upstream.answer = (_, path) =>
        new Response(`{"path":"${path}"}`, {
          headers: { "content-type": "application/json", "etag": 'W/"v1"' },
        });
      const found = await get("/mnt/api/users/42?page=2&raw");
      assertEquals(found.text, '{"path":"/users/42"}');
      assertEquals(upstream.requests.at(-1)?.url, `${upstream.origin}/users/42?page=2`);
      assertEquals(found.headers.get("content-type"), "application/json");
      assertEquals(found.headers.get("x-mount-version"), 'etag:W/"v1"');
      assertEquals(found.headers.get("etag"), 'W/"v1"');
      assertStrictEquals(found.headers.get("content-length"), String(found.body.length));
      assertEquals(found.headers.get("content-security-policy"), "sandbox allow-scripts");
      assertEquals((await get("/mnt/api/users/42", { "if-none-match": '"v1"' })).status, 304);
      const head = await send("HEAD", "/mnt/api/users/42");
      assertEquals(
        [head.status, head.headers.get("content-length"), head.body.length],
        [200, String(found.body.length), 0],
      );
    });
    await t.step("creates an entity tag if the upstream sent none", async () => {
      upstream.answer = () => new Response("hello", { headers: { "content-type": "text/plain" } });
      const found = await get("/mnt/api/x");
      assertEquals(found.headers.get("x-mount-version"), "len=5;head=68656c6c6f");
      const etag = found.headers.get("etag") ?? "";
      assertMatch(etag, /^"[0-9a-f]{16}\.5"$/);
      assertEquals((await get("/mnt/api/x", { "if-none-match": etag })).status, 304);
      upstream.answer = () => new Response("hullo");
      assertEquals((await get("/mnt/api/x", { "if-none-match": etag })).text, "hullo");
    });
    await t.step("forwards preconditions and the 304", async () => {
      upstream.answer = (request) =>
        request.headers.get("if-none-match") === '"v9"'
          ? new Response(null, { status: 304, headers: { etag: '"v9"' } })
          : new Response("nine", { headers: { etag: '"v9"' } });
      const found = await get("/mnt/api/x", { "if-none-match": '"v9"' });
      assertEquals([found.status, found.headers.get("etag")], [304, '"v9"']);
    });
    await t.step("requests the same path and query below the mounted URL", async () => {
      upstream.answer = () => new Response("ok");
      const rows: [path: string, expected: string][] = [
        ["/mnt/api", "/"],
        ["/mnt/api/", "/"],
        ["/mnt/api/a/", "/a/"],
        ["/mnt/api/a%20b/%C3%BC%25", "/a%20b/%C3%BC%25"],
        ["/mnt/api/u@x:y+z,=$&", "/u@x:y+z,=$&"],
        ["/mnt/api/%252e%252e/x", "/%252e%252e/x"],
        ["/mnt/api/a%3Fb%23c", "/a%3Fb%23c"],
        ["/mnt/api/x?a=%2F&b=c%20d", "/x?a=%2F&b=c%20d"],
      ];
      for (const [path, expected] of rows) {
        assertEquals((await get(path)).status, 200, path);
        assertStrictEquals(upstream.requests.at(-1)?.url, upstream.origin + expected, path);
      }
      for (const path of ["/mnt/api/../x", "/mnt/api/%2e%2e/x", "/mnt/api/a%2fb", "/mnt/api//x"]) {
        assertEquals((await get(path)).status, 400, path);
      }
      assertEquals((await get("/mnt/api/..;/x")).status, 403);
    });
    await t.step("sends the mount's bearer and no credential of the caller", async () => {
      upstream.answer = () => new Response("ok");
      const cap = bearer(server.capability("/mnt/api", "r"));
      for (const as of [T2, T3, cap]) {
        const mine = { ...as, cookie: "session=1", "x-forwarded-for": "1.2.3.4", "x-other": "y" };
        assertEquals((await get("/mnt/api/x", { ...mine, "accept": "text/csv" })).status, 200);
        const { headers } = upstream.requests.at(-1) ?? { headers: new Headers() };
        assertEquals(headers.get("authorization"), `Bearer ${BEARER}`);
        assertEquals(headers.get("accept"), "text/csv");
        for (const name of ["cookie", "x-forwarded-for", "x-other", "origin", "referer"]) {
          assertEquals(headers.get(name), null, name);
        }
      }
    });
    await t.step("sends only the headers that describe the content", async () => {
      upstream.answer = () =>
        new Response("<h1>x</h1>", {
          headers: {
            "content-type": "text/html",
            "set-cookie": "a=b",
            "content-security-policy": "default-src *",
            "x-show": "shell",
            "clear-site-data": '"*"',
            "access-control-allow-origin": "*",
            "location": "/x",
            "refresh": "0;url=/",
            "cache-control": "public, max-age=31536000",
            "service-worker-allowed": "/",
            "strict-transport-security": "max-age=1",
            "www-authenticate": "Basic",
            "link": "</x>; rel=preload",
            "server": "x",
          },
        });
      const found = await get("/mnt/api/page", { accept: "text/html" });
      assertEquals(found.text, "<h1>x</h1>");
      assertEquals([...found.headers.keys()].sort(), [
        "cache-control",
        "content-length",
        "content-security-policy",
        "content-type",
        "cross-origin-resource-policy",
        "date",
        "etag",
        "vary",
        "x-content-type-options",
        "x-mount-version",
      ]);
      assertEquals(found.headers.get("content-security-policy"), "sandbox allow-scripts");
      assertEquals(found.headers.get("cache-control"), "no-cache");
    });
    await t.step("refuses a response that contains the bearer", async () => {
      upstream.answer = (request) => Response.json([...request.headers]);
      assertEquals((await get("/mnt/api/echo")).status, 502);
      upstream.answer = (request) =>
        new Response("x", { headers: { etag: `"${request.headers.get("authorization")}"` } });
      assertEquals((await get("/mnt/api/echo")).status, 502);
      upstream.answer = (request) =>
        new Response(`no: ${request.headers.get("authorization")}`, {
          status: 403,
          headers: { "content-type": "text/plain" },
        });
      assertEquals((await get("/mnt/api/echo")).status, 502);
      // An entity tag that is not returned is not used for the version either.
      for (const more of ["\u00e9", "x".repeat(1024)]) {
        upstream.answer = (request) =>
          new Response("x", {
            headers: { etag: `"${more}${request.headers.get("authorization")}"` },
          });
        const found = await get("/mnt/api/echo");
        assertEquals(found.headers.get("x-mount-version"), "len=1;head=78");
      }
    });
    await t.step("sends errors of the upstream as problems", async () => {
      const rows: [status: number, becomes: number, words: RegExp][] = [
        [400, 400, /its server answered 400: no \[31m such thing/],
        [404, 404, /answered 404/],
        [409, 409, /answered 409/],
        [418, 418, /answered 418/],
        [429, 429, /answered 429/],
        [401, 502, /answered 401.*it does not accept the mount's bearer, see \/etc\/fstab/],
        [407, 502, /answered 407/],
        [500, 502, /answered 500/],
        [503, 502, /answered 503/],
        [206, 502, /answered 206/],
        [300, 502, /answered 300/],
      ];
      for (const [status, becomes, words] of rows) {
        upstream.answer = () =>
          new Response("no \u001b[31m such\r\nthing", {
            status,
            headers: { "content-type": "text/plain", "retry-after": "7" },
          });
        const found = await get("/mnt/api/x");
        assertStrictEquals(found.status, becomes, found.text);
        assertEquals(found.headers.get("content-type"), "application/problem+json");
        assertMatch(JSON.parse(found.text).detail, words);
        assertStrictEquals(found.headers.get("retry-after"), becomes < 500 ? "7" : undefined);
        assertEquals(found.headers.get("www-authenticate"), undefined);
      }
      upstream.answer = () => new Response(null, { status: 204 });
      assertEquals((await get("/mnt/api/x")).status, 204);
    });
    await t.step("follows redirects inside the mount only", async () => {
      const other = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen: () => {} },
        (request) => {
          stolen.push(request.headers.get("authorization") ?? "nothing");
          return new Response("another server");
        },
      );
      const stolen: string[] = [];
      await mount(`${upstream.origin}/v1 /mnt/api ro,bearer=${BEARER}`);
      const rows: [location: string | null, status: number][] = [
        ["/v1/end", 200],
        ["end", 200],
        [`${upstream.origin}/v1/end?x`, 200],
        ["/v2/end", 502],
        ["/v1/../v2/end", 502],
        ["/v1/%2e%2e/v2/end", 502],
        ["/v1/..%2fv2/end", 502],
        ["/v1\\..\\v2\\end", 502],
        ["/v1/..;/v2/end", 502],
        ["/v1x/end", 502],
        [`http://127.0.0.1:${other.addr.port}/v1/end`, 502],
        [`//127.0.0.1:${other.addr.port}/v1/end`, 502],
        [`http://u:p@127.0.0.1:${new URL(upstream.origin).port}/v1/end`, 502],
        [`http://127.0.0.1:${server.port}/proc/status`, 502],
        ["file:///etc/passwd", 502],
        ["data:text/plain,x", 502],
        ["http://", 502],
        ["/v1/start", 502],
        [null, 502],
      ];
      for (const [location, status] of rows) {
        upstream.answer = (_, path) => {
          if (path === "/v1/end") return new Response("the end");
          if (path !== "/v1/start") return new Response(`strayed to ${path}`);
          return new Response("moved", {
            status: 302,
            headers: location === null ? {} : { location },
          });
        };
        const found = await get("/mnt/api/start");
        assertStrictEquals(found.status, status, `${location}: ${found.text}`);
        assertEquals(found.text.includes("strayed"), false, `${location}`);
        if (status === 200) assertEquals(found.text, "the end");
      }
      await other.shutdown();
      assertEquals(stolen, []);
    });
    await t.step(
      "refuses a response of more than 5 MiB, with or without Content-Length",
      async () => {
        await mount(`${upstream.origin} /mnt/api ro,timeout=25`);
        upstream.answer = () => new Response(new Uint8Array(LIMIT + 1));
        assertEquals((await get("/mnt/api/declared")).status, 413);
        let sent = 0;
        upstream.answer = () =>
          new Response(
            new ReadableStream({
              pull(controller) {
                sent += 65_536;
                controller.enqueue(new Uint8Array(65_536));
              },
            }),
          );
        assertEquals((await get("/mnt/api/endless")).status, 413);
        assert(sent < 4 * LIMIT, `${sent} bytes were taken`);
        upstream.answer = () => new Response(new Uint8Array(LIMIT).fill(65));
        const most = await get("/mnt/api/most");
        assertEquals([most.status, most.body.length], [200, LIMIT]);
        // A few kilobytes that decompress to 100 MB.
        const bomb = new Blob([new Uint8Array(100_000_000)]).stream()
          .pipeThrough(new CompressionStream("gzip"));
        const packed = await new Response(bomb).bytes();
        upstream.answer = () => new Response(packed, { headers: { "content-encoding": "gzip" } });
        assertEquals((await get("/mnt/api/bomb")).status, 413);
        const small = new Blob(["small"]).stream().pipeThrough(new CompressionStream("gzip"));
        const little = await new Response(small).bytes();
        upstream.answer = () => new Response(little, { headers: { "content-encoding": "gzip" } });
        assertEquals((await get("/mnt/api/gzip")).text, "small");
        upstream.answer = () => new Response("x", { headers: { "content-encoding": "compress" } });
        assertEquals((await get("/mnt/api/odd")).status, 502);
      },
    );
    await t.step("releases the memory of large responses", async () => {
      upstream.answer = () => new Response(new Uint8Array(LIMIT));
      for (let round = 0; round < 2; round++) {
        const statuses = await Promise.all(Array.from({ length: 20 }, async () => {
          const answer = await fetch(`http://127.0.0.1:${server.port}/mnt/api/x`);
          await answer.bytes();
          return answer.status;
        }));
        assertEquals([...new Set(statuses)], [200]);
      }
    });
    await t.step("answers 504 or 502 if the upstream is slow, broken or absent", async () => {
      const gone = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const { port } = gone.addr;
      gone.close();
      const raw = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      void serveBroken(raw);
      await mount(
        `${upstream.origin} /mnt/slow ro,timeout=0.3`,
        `http://127.0.0.1:${port} /mnt/gone ro`,
        `http://127.0.0.1:${raw.addr.port} /mnt/broken ro,timeout=25`,
        `http://127.0.0.1:${server.port} /mnt/self ro`,
        "http://no-such-host.invalid /mnt/nowhere ro",
        `${folder} /mnt/works ro`,
      );
      const never = Promise.withResolvers<Response>();
      upstream.answer = () => never.promise;
      assertEquals((await get("/mnt/slow/head")).status, 504);
      upstream.answer = () =>
        new Response(
          new ReadableStream({
            start: (controller) => controller.enqueue(new Uint8Array(10)),
          }),
        );
      assertEquals((await get("/mnt/slow/body")).status, 504);
      never.resolve(new Response("late"));
      assertEquals((await get("/mnt/gone/x")).status, 502);
      assertEquals((await get("/mnt/nowhere/x")).status, 502);
      assertEquals((await get("/mnt/broken/head")).status, 502);
      assertEquals((await get("/mnt/broken/body")).status, 502);
      assertEquals(
        (await get("/mnt/self/proc/status")).status,
        502,
        "the server cannot mount itself",
      );
      assertEquals((await get("/mnt/works/hello.txt")).status, 200);
      raw.close();
    });
    await t.step("refuses writes and sends the upstream no request", async () => {
      await mount(`${upstream.origin} /mnt/api rw`);
      const before = upstream.requests.length;
      for (const method of ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"]) {
        for (const as of [{}, T2, T3]) {
          const found = await send(method, "/mnt/api/x", "x", as);
          assertEquals(
            [found.status, found.headers.get("allow")],
            [405, "GET, HEAD, OPTIONS"],
            method,
          );
        }
      }
      assertEquals((await send("OPTIONS", "/mnt/api/x")).status, 204);
      assertStrictEquals(upstream.requests.length, before);
    });
  });
});

/** Closes the connection before a response, or in the middle of it. */
async function serveBroken(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    const request = new Uint8Array(4096);
    await connection.read(request);
    if (new TextDecoder().decode(request).startsWith("GET /body")) {
      const head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
      await connection.write(new TextEncoder().encode(head));
    }
    connection.close();
  }
}
