import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { mint } from "../../lib/auth/capability.ts";
import type { RequestContext } from "../../lib/request/request_context.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { Problem } from "../../lib/http/problem.ts";
import { FALLBACK_DECLINE_CACHE_ENTRIES, FALLBACK_DECLINE_MS } from "../../lib/limits.ts";
import type { PluginRoute } from "../../lib/request/plugin_routes.ts";
import { type TestApp, withApp } from "../support/app.ts";
import { APPROVE, bearer, KEY } from "../support/test_server.ts";

const FALLBACK: PluginRoute = { path: "", plugin: "lib/last", description: "", auth: "T1" };
const SEE = (location = "/home/there") =>
  new Response(null, { status: 303, headers: { location } });
const PROSE = (status = 404) => new Response("words", { status });

/** An app with a fallback that a test controls and that records its requests. */
async function withFallback(
  test: (
    app: TestApp,
    fallback: { answer(context: RequestContext): Response | Promise<Response> },
    calls: string[],
  ) => unknown,
  { auth = "T1", now = Date.now }: { auth?: PluginRoute["auth"]; now?: () => number } = {},
): Promise<void> {
  const fallback = { answer: (_exchange: RequestContext): Response | Promise<Response> => SEE() };
  const calls: string[] = [];
  const plugins = {
    fallback: {
      ...FALLBACK,
      auth,
      handle: async (context: RequestContext) => {
        calls.push(`${context.request.method} ${context.target.path}`);
        return await fallback.answer(context);
      },
    },
    match: (path: string) => path === "/taken" ? { ...FALLBACK, path, handle: refuse } : undefined,
  };
  await withApp({ plugins, now }, async (app) => void await test(app, fallback, calls));
}

function refuse(): Promise<Response> {
  return Promise.reject(new Problem("not-found", "Cannot find it"));
}

function cap(prefix: string): Record<string, string> {
  return bearer(mint({ key: KEY, prefix, mode: "r", exp: Math.floor(Date.now() / 1000) + 60 }));
}

Deno.test("Fallback is called for absent worlds, absent collections and unknown paths", async () => {
  await withFallback(async ({ ask }, fallback, calls) => {
    const paths = [
      "/home/x",
      "/home/x?raw",
      "/home/a/b/",
      "/usr/x",
      "/etc/x",
      "/lib/x",
      "/x",
      "/x/?y",
    ];
    for (const path of paths) {
      for (const method of ["GET", "HEAD"]) {
        calls.length = 0;
        assertEquals((await ask(method, path)).status, 303, path);
        assertEquals(calls, [`${method} ${parseTarget(`http://x${path}`).path}`]);
      }
    }
    fallback.answer = () => PROSE();
    assertEquals(await (await ask("GET", "/home/x")).text(), "words");
    fallback.answer = () => PROSE(300);
    assertEquals((await ask("GET", "/home/x")).status, 300);
  });
});

Deno.test("Fallback is not called for other requests", async () => {
  await withFallback(async ({ ask, store }, _fallback, calls) => {
    const put = { body: new TextEncoder().encode("x"), ext: "txt", meta: [], by: "T2" } as const;
    await store.put({ ...put, name: "home/there", state: "" });
    await store.put({ ...put, name: "home/folder/x", state: "" });
    const rows: [method: string, path: string, headers?: Record<string, string>][] = [
      ["GET", "/home/there"],
      ["GET", "/home/there?raw"],
      ["GET", "/home/there/"],
      ["GET", "/home/there?at=9"],
      ["GET", "/home/folder?raw"],
      ["GET", "/home/folder/?raw"],
      ["GET", "/home?raw"],
      ["GET", "/home/x?at=1"],
      ["GET", "/home/x?v=1"],
      ["GET", "/home/x?anything"],
      ["GET", "/lib/x/state"],
      ["GET", "/lib/x/state?asks"],
      ["GET", "/stream/home/x"],
      ["GET", "/dav/home/x"],
      ["GET", "/proc/nothing"],
      ["GET", "/proc/log/home/x"],
      ["GET", "/auth/nothing"],
      ["GET", "/dev/nothing"],
      ["GET", "/mnt/nothing"],
      ["GET", "/bin/nothing"],
      ["GET", "/taken"],
      ["POST", "/x"],
      ["PUT", "/x"],
      ["DELETE", "/home/x", bearer(APPROVE)],
      ["DELETE", "/home/x/", bearer(APPROVE)],
      ["OPTIONS", "/x"],
      ["GET", "/home/x", { range: "bytes=0-1" }],
      ["GET", "/home/x", { "if-none-match": '"a"' }],
      ["GET", "/home/x", { "if-match": "*" }],
      ["GET", "/home/x", { "if-modified-since": "Thu, 01 Jan 2026 00:00:00 GMT" }],
      ["GET", "/home/x", { prefer: "handling=strict" }],
      ["GET", "/x", { prefer: 'respond-async, handling="strict"; wait=1' }],
      ["GET", "/home/x", { "sec-fetch-mode": "cors" }],
      ["GET", "/home/x", { "sec-fetch-mode": "no-cors" }],
      ["GET", "/boot/x"],
      ["GET", "/etc/shadow"],
      ["GET", "/home/x", cap("/home/other")],
    ];
    for (const [method, path, headers = {}] of rows) {
      const answer = await ask(method, path, { headers });
      assertEquals(calls, [], `${method} ${path} ${JSON.stringify(headers)}`);
      assert(answer.status !== 303, `${method} ${path}`);
    }
  });
});

Deno.test("Fallback does not replace 401 and 403", async () => {
  await withFallback(async ({ ask }, _fallback, calls) => {
    assertEquals((await ask("GET", "/boot/x")).status, 401);
    assertEquals((await ask("GET", "/home/x", { headers: cap("/home/other") })).status, 403);
    assertEquals(calls, []);
  });
});

Deno.test("Fallback is called only for callers with its tier; others get the 404", async () => {
  await withFallback(async ({ ask }, _fallback, calls) => {
    for (const headers of [{}, cap("/home")]) {
      const plain = await ask("GET", "/home/x", { headers });
      assertEquals(plain.status, 404);
      assertMatch(await plain.text(), /a PUT would create it/);
      assertEquals((await ask("GET", "/x", { headers })).status, 404);
    }
    assertEquals(calls, []);
    assertEquals((await ask("GET", "/x", { headers: bearer(APPROVE) })).status, 303);
  }, { auth: "T3" });
});

Deno.test("Fallback is not called for requests of plugins", async () => {
  await withFallback(async ({ app, server }, _fallback, calls) => {
    for (const path of ["/home/x", "/x"]) {
      const request = new Request(`http://machine${path}`);
      const caller = server.authenticator.authenticate(null, true);
      const exchange = { request, target: parseTarget(request.url), caller, depth: 1 };
      assertEquals((await app.handleInternal(exchange)).status, 404);
    }
    assertEquals(calls, []);
  });
});

Deno.test("Fallback may answer with a redirect on this server, 300 or 404; otherwise the 404 is sent", async () => {
  await withFallback(async ({ ask }, fallback) => {
    const bad: [string, () => Response][] = [
      ["a success", () => new Response("taken over")],
      ["an empty 404", () => new Response(null, { status: 404 })],
      [
        "another redirect",
        () => new Response(null, { status: 302, headers: { location: "/home/a" } }),
      ],
      ["a refusal", () => new Response("no", { status: 401 })],
      ["a failure", () => new Response("oh", { status: 500 })],
      ["a 303 to nowhere", () => new Response(null, { status: 303 })],
      ["a 303 to another host", () => SEE("https://example.com/home/a")],
      ["a 303 to a host without scheme", () => SEE("//example.com/home/a")],
      ["the same for careless browsers", () => SEE("/\\example.com/home/a")],
      ["a relative 303", () => SEE("a")],
      ["a Problem", () => {
        throw new Problem("gateway-timeout", "The plugin gave no answer");
      }],
      ["a surprise", () => {
        throw new TypeError("what");
      }],
    ];
    for (const [i, [what, answer]] of bad.entries()) {
      fallback.answer = answer;
      const plain = await ask("GET", `/home/x${i}`);
      assertEquals(plain.status, 404, what);
      assertEquals(
        JSON.parse(await plain.text()).type,
        "/usr/share/doc/problems/not-found.md",
        what,
      );
    }
  });
});

Deno.test("Fallback may serve paths outside the namespaces, but not to a capability", async () => {
  await withFallback(async ({ ask }, fallback) => {
    fallback.answer = () => new Response("served", { headers: { etag: '"a"' } });
    assertEquals(
      await (await ask("GET", "/x", { headers: { "if-none-match": '"b"' } })).text(),
      "served",
    );
    const headers = cap("/home/scratch");
    assertEquals((await ask("GET", "/y", { headers })).status, 404);
    fallback.answer = () => SEE();
    assertEquals((await ask("GET", "/z", { headers })).status, 303);
    fallback.answer = () => new Response("oh", { status: 502 });
    assertEquals((await ask("GET", "/u")).status, 404);
  });
});

Deno.test("Fallback logs a failure and sends the 404", async () => {
  await withFallback(async ({ ask, log }, fallback) => {
    fallback.answer = () => {
      throw new Problem("bad-gateway", "The plugin last failed to answer");
    };
    const plain = await ask("GET", "/home/x");
    assert(!/plugin|last/.test(await plain.text()));
    assertMatch(
      log.join("\n"),
      /^fallback failed: GET \/home\/x: 502 The plugin last failed to answer$/m,
    );
  });
});

Deno.test("Fallback does not replace a world that was created during its call", async () => {
  await withFallback(async ({ ask, store }, fallback) => {
    const called = Promise.withResolvers<void>();
    const thought = Promise.withResolvers<Response>();
    fallback.answer = () => {
      called.resolve();
      return thought.promise;
    };
    const pending = ask("GET", "/home/slow");
    await called.promise;
    const body = new TextEncoder().encode("x");
    await store.put({ name: "home/slow", body, ext: "txt", meta: [], by: "T2", state: "" });
    thought.resolve(SEE());
    assertEquals((await pending).status, 404);
    assertEquals((await ask("GET", "/home/slow?raw")).status, 200);
  });
});

Deno.test("Fallback is not called again for a declined path until a world changes or a time passes", async () => {
  let now = Date.now();
  await withFallback(async ({ ask, store }, fallback, calls) => {
    fallback.answer = () => new Response(null, { status: 404 });
    for (let i = 0; i < 3; i++) assertEquals((await ask("GET", "/home/x")).status, 404);
    assertEquals(calls, ["GET /home/x"]);
    // Another path or another caller is a new request.
    await ask("GET", "/home/x/");
    await ask("GET", "/home/x", { headers: bearer(APPROVE) });
    assertEquals(calls.length, 3);
    fallback.answer = () => SEE();
    const body = new TextEncoder().encode("x");
    await store.put({ name: "home/y", body, ext: "txt", meta: [], by: "T2", state: "" });
    assertEquals((await ask("GET", "/home/x")).status, 303);
    fallback.answer = () => new Response(null, { status: 404 });
    assertEquals((await ask("GET", "/home/x")).status, 404);
    fallback.answer = () => SEE();
    assertEquals((await ask("GET", "/home/x")).status, 404);
    now += FALLBACK_DECLINE_MS;
    assertEquals((await ask("GET", "/home/x")).status, 303);
    // The number of remembered paths is limited.
    fallback.answer = () => new Response(null, { status: 404 });
    for (let i = 0; i <= FALLBACK_DECLINE_CACHE_ENTRIES; i++) await ask("GET", `/n${i}`);
    const before = calls.length;
    await ask("GET", "/n0");
    assertStrictEquals(calls.length, before + 1);
  }, { now: () => now });
});
