/** Requests to a server that shares its store with others, from Request to Response. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { type Store, StoreError } from "../../lib/world/store.ts";
import { type TestApp, withApp } from "../support/app.ts";
import { withCalls } from "../support/store_calls.ts";

const NO_CACHE = { headers: { "cache-control": "max-age=0, no-cache" } };

/** Runs a test on an app whose store is shared; `calls` replaces further members of the store. */
async function withShared(
  calls: Partial<Store>,
  test: (app: TestApp) => Promise<void>,
): Promise<void> {
  await withApp({ store: (real) => withCalls(real, { isShared: true, ...calls }) }, async (app) => {
    const body = new TextEncoder().encode("text");
    await app.store.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    await test(app);
  });
}

/** Sends a request of a loopback client, and returns what the app returned. */
function handle({ app }: TestApp, method: string, target: string, headers = {}) {
  const request = new Request(`http://localhost${target}`, {
    method,
    headers: { host: "localhost", ...headers },
  });
  return app.handle(request, "127.0.0.1");
}

Deno.test("waitForStore() refuses requests while the store is not readable, except about the server", () =>
  withShared({ readable: false }, async (app) => {
    const refused = [
      ["GET", "/home/x"],
      ["HEAD", "/home/x"],
      ["GET", "/home/"],
      ["PUT", "/home/y"],
      ["PROPFIND", "/dav/home/"],
      ["GET", "/stream/home/x"],
      ["GET", "/proc/worlds"],
      ["GET", "/auth/whoami"],
      ["GET", "/"],
      ["OPTIONS", "/home/x"],
      ["GET", "/no/such/route"],
    ] as const;
    for (const [method, target] of refused) {
      const response = await app.ask(method, target);
      assertEquals([response.status, response.headers.get("retry-after")], [503, "1"], target);
      const text = await response.text();
      if (method === "HEAD") continue;
      const { type, detail } = JSON.parse(text);
      assertStrictEquals(type, "/usr/share/doc/problems/unreachable.md", target);
      assertMatch(detail, /cannot reach its database; nothing was changed/);
    }
    for (const path of ["health", "metrics", "status", "uptime", "version"]) {
      const response = await app.ask("GET", `/proc/${path}`, NO_CACHE);
      assertStrictEquals(response.status, 200, path);
      await response.body?.cancel();
    }
    assertEquals(app.store.stat("home/y"), undefined);
  }));

Deno.test("waitForStore() makes reads with Cache-Control: no-cache wait for a refresh", async () => {
  let refreshes = 0;
  const refresh = Promise.withResolvers<void>();
  await withShared({
    refresh() {
      refreshes += 1;
      return refresh.promise;
    },
  }, async (app) => {
    for (const [method, target] of [["GET", "/home/x"], ["PUT", "/home/y"]] as const) {
      assert((await app.ask(method, target, method === "PUT" ? NO_CACHE : {})).ok);
    }
    // Only a read with the header waits; one from memory without it needs no promise.
    assert(handle(app, "GET", "/home/x?raw") instanceof Response);
    assertEquals(refreshes, 0);
    const waiting = [
      handle(app, "GET", "/home/x?raw", NO_CACHE.headers),
      handle(app, "HEAD", "/home/x", NO_CACHE.headers),
      handle(app, "GET", "/home/", NO_CACHE.headers),
      handle(app, "PROPFIND", "/dav/home/x", { ...NO_CACHE.headers, depth: "0" }),
      handle(app, "GET", "/bin/proc/worlds", NO_CACHE.headers),
    ];
    assertEquals(refreshes, waiting.length);
    // What another server acknowledged before is seen when the refresh is complete.
    const body = new TextEncoder().encode("newer");
    await app.store.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    refresh.resolve();
    const responses = await Promise.all(waiting);
    assertEquals(responses.map(({ status }) => status), [200, 200, 200, 207, 200]);
    const [text] = await Promise.all(responses.map((response) => response.text()));
    assertEquals(text, "newer");
  });
});

Deno.test("a refresh that fails is a 503, and nothing is answered from memory", () =>
  withShared({
    refresh: () => Promise.reject(new StoreError("unreachable", "no answer from 10.0.0.7:5432")),
  }, async (app) => {
    const response = await app.ask("GET", "/home/x?raw", NO_CACHE);
    assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
    assertEquals((await response.text()).includes("10.0.0.7"), false);
    assertEquals(await (await app.ask("GET", "/home/x?raw")).text(), "text");
  }));

Deno.test("a store that is not shared is asked for nothing", () => {
  let asked = 0;
  const calls = {
    get readable() {
      asked += 1;
      return true;
    },
    refresh() {
      asked += 1;
      return Promise.resolve();
    },
  };
  return withApp({ store: (real) => withCalls(real, calls) }, async (app) => {
    await app.ask("PUT", "/home/x", { body: "text" });
    const response = handle(app, "GET", "/home/x?raw", NO_CACHE.headers);
    assert(response instanceof Response);
    assertEquals([response.status, asked], [200, 0]);
    await response.body?.cancel();
  });
});
