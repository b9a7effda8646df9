/** `/proc/health` for every caller, and with a store that fails, hangs or stops. */

import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { HEALTH_CACHE_MS, HEALTH_TIMEOUT_MS } from "../../../lib/limits.ts";
import { type Store, StoreError, type StoreErrorCode } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { withCalls } from "../../support/store_calls.ts";
import { runScenarios } from "../../support/scenario.ts";
import { APPROVE, bearer, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";

/** A store whose health is the result of a function. */
function withHealth(store: Store, checkHealth: () => Promise<void>): Store {
  return withCalls(store, { checkHealth });
}

Deno.test("GET /proc/health answers 200 to every caller, also without a credential", async (t) => {
  await withServer({ env: CLOSED }, async (server) => {
    const remote = { host: "elastik.example" };
    const cap = bearer(server.capability("/home/x", "r"));
    await runScenarios(t, server, [
      ...[{}, bearer(TOKEN), bearer(APPROVE), cap, remote, { ...remote, ...bearer("wrong") }].map(
        (as, at) => ({
          title: `caller ${at}`,
          send: "GET /proc/health",
          as,
          status: 200,
          text: '{"status":"ok"}\n',
          has: { "cache-control": "no-store" },
        }),
      ),
      {
        title: "is text for a client that prefers it",
        send: "GET /proc/health",
        as: remote,
        headers: { accept: "text/plain" },
        status: 200,
        text: "status ok\n",
      },
      { title: "has no content", send: "HEAD /proc/health", as: remote, status: 200, text: "" },
      { title: "only reads", send: "PUT /proc/health", as: remote, body: "x", status: 405 },
      {
        title: "is the only open path of /proc",
        send: "GET /proc/status",
        as: remote,
        status: 401,
      },
    ]);
  });
});

Deno.test("GET /proc/health answers 503 with one of a few reasons, and never with the store's message", async () => {
  const reasons: readonly [StoreErrorCode | undefined, RegExp][] = [
    ["full", /disk of the server is full/],
    ["read-only", /read-only/],
    ["detached", /moved or replaced/],
    ["unusable", /another key/],
    ["closed", /shutting down/],
    ["in-use", /another process/],
    ["damaged", /cannot be used/],
    [undefined, /cannot be used/],
  ];
  for (const [code, reason] of reasons) {
    const error = code === undefined
      ? new Error("secret /disk/path")
      : new StoreError(code, "secret /disk/path");
    const store = (real: Store) => withHealth(real, () => Promise.reject(error));
    await withApp({ store }, async ({ ask }) => {
      const reply = await ask("GET", "/proc/health");
      const text = await reply.text();
      assertEquals([reply.status, reply.headers.get("retry-after")], [503, "5"]);
      assert(reason.test(text) && !text.includes("secret"), text);
    });
  }
});

Deno.test("GET /proc/health checks once for many clients, and again after its time", async () => {
  let now = 0;
  let checks = 0;
  let fails = false;
  const store = (real: Store) =>
    withHealth(real, () => {
      checks++;
      return fails ? Promise.reject(new StoreError("full", "x")) : Promise.resolve();
    });
  await withApp({ store, monotonic: () => now, now: () => Date.now() }, async ({ ask }) => {
    const statuses = async (count: number) =>
      (await Promise.all(Array.from({ length: count }, () => ask("GET", "/proc/health"))))
        .map(({ status }) => status);
    assertEquals(new Set(await statuses(50)), new Set([200]));
    assertStrictEquals(checks, 1);
    fails = true;
    now += HEALTH_CACHE_MS - 1;
    assertEquals(await statuses(1), [200]);
    now += 1;
    assertEquals(await statuses(3), [503, 503, 503]);
    assertStrictEquals(checks, 2);
    fails = false;
    now += HEALTH_CACHE_MS;
    assertEquals(await statuses(1), [200]);
  });
});

Deno.test("GET /proc/health answers 503 while the disk does not answer, and recovers", async () => {
  let now = 0;
  let checks = 0;
  const disk = Promise.withResolvers<void>();
  const store = (real: Store) =>
    withHealth(real, () => {
      checks++;
      return disk.promise;
    });
  await withApp({ store, monotonic: () => now, now: () => Date.now() }, async ({ ask }) => {
    const first = ask("GET", "/proc/health");
    now += HEALTH_TIMEOUT_MS;
    const late = await ask("GET", "/proc/health");
    assertEquals(late.status, 503);
    assert((await late.text()).includes("has not answered for 5 seconds"));
    assertStrictEquals(checks, 1);
    disk.resolve();
    assertEquals((await first).status, 200);
    assertEquals((await ask("GET", "/proc/health")).status, 200);
  });
});

Deno.test("GET /proc/health answers 503 unreachable at once while a server has lost its database", async () => {
  const states = [
    { readable: false },
    {
      readable: true,
      checkHealth: () => Promise.reject(new StoreError("unreachable", "no answer from 10.0.0.7")),
    },
  ];
  for (const state of states) {
    let checks = 0;
    const checkHealth = () => {
      checks += 1;
      return state.checkHealth?.() ?? Promise.resolve();
    };
    const store = (real: Store) => withCalls(real, { ...state, isShared: true, checkHealth });
    await withApp({ store }, async ({ ask }) => {
      const reply = await ask("GET", "/proc/health");
      const { type, detail } = await reply.json();
      assertEquals([reply.status, reply.headers.get("retry-after")], [503, "1"]);
      assertEquals([type, detail], [
        "/usr/share/doc/problems/unreachable.md",
        "Cannot read and write: the server cannot reach its database",
      ]);
      assertStrictEquals(checks, state.readable ? 1 : 0);
    });
  }
});

Deno.test("GET /proc/health says that the database waits for a standby, if the store knows it", async () => {
  const cluster = { leaseAgeMs: 5_000, feedLagMs: 5_000, sessions: 1, commitsWait: true };
  const health = () => ({ engine: "postgres", readable: false, cluster }) as const;
  const store = (real: Store) => withCalls(real, { isShared: true, readable: false, health });
  await withApp({ store }, async ({ ask }) => {
    const reply = await ask("GET", "/proc/health");
    const { type, detail } = await reply.json();
    assertEquals([reply.status, type, detail], [
      503,
      "/usr/share/doc/problems/unreachable.md",
      "Cannot read and write: the database answers, but its commits wait for a synchronous standby",
    ]);
  });
});
