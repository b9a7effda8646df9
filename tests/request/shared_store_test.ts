/** Requests to a server that shares its store with others, from Request to Response. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { mint } from "../../lib/auth/capability.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { waitForStore } from "../../lib/request/shared_store.ts";
import { NOTHING_REVOKED } from "../../lib/world/revoked_list.ts";
import { type Store, StoreError, type WorldEntry } from "../../lib/world/store.ts";
import { LockTable } from "../../lib/dav/locks/lock_table.ts";
import type { Lock } from "../../lib/dav/locks/locks.ts";
import { currentWriteChecks } from "../../lib/world/write_checks.ts";
import { type TestApp, withApp } from "../support/app.ts";
import { asShared, withCalls } from "../support/store_calls.ts";
import { APPROVE, basic, bearer, KEY } from "../support/test_server.ts";

/** Positions of two servers. */
const OWN = "3f0c7a52-5d0e-4c55-9c1e-0b6f2d6a1e01";
const OTHER = "b1d2c3e4-0001-4f6a-8a1b-9f8e7d6c5b4a";
const CURRENT = { readable: true, position: OWN };
const NO_CACHE = { headers: { "cache-control": "max-age=0, no-cache" } };

/** Runs a test on an app whose store is shared; `calls` replaces further members of the store. */
async function withShared(
  calls: Partial<Store>,
  test: (app: TestApp) => Promise<void>,
): Promise<void> {
  await withApp({ store: (real) => asShared(real, calls) }, async (app) => {
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

const lost = () => Promise.reject(new StoreError("unreachable", "no answer from 10.0.0.7:5432"));

Deno.test("waitForStore() refuses requests while the store is not readable, except about the server", () =>
  withShared({ readable: false, refresh: lost, reached: lost }, async (app) => {
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
      // The health says that the server must get no requests now.
      assertStrictEquals(response.status, path === "health" ? 503 : 200, path);
      await response.body?.cancel();
    }
    assertEquals(app.store.stat("home/y"), undefined);
  }));

Deno.test("waitForStore() asks the database before it refuses, because the process may have been stopped", () => {
  let refreshes = 0;
  const refresh = () => {
    refreshes += 1;
    return Promise.resolve();
  };
  return withShared({ readable: false, refresh }, async (app) => {
    assertEquals(await (await app.ask("GET", "/home/x?raw")).text(), "text");
    assertEquals((await app.ask("PUT", "/home/y", { body: "y" })).status, 201);
    assertEquals(refreshes, 2);
  });
});

Deno.test("waitForStore() makes every request wait for a refresh if reads are linearizable", async () => {
  let refreshes = 0;
  const refresh = () => {
    refreshes += 1;
    return Promise.resolve();
  };
  // A change of text without a type keeps the extension, which memory has.
  for (
    const [method, path, expected] of [
      ["GET", "/home/x", 1],
      ["PUT", "/home/x", 2],
      ["LOCK", "/dav/home/x", 3],
      ["GET", "/proc/health", 3],
    ] as const
  ) {
    const request = new Request(`http://localhost${path}`, { method });
    const target = { path, name: path.slice(1), query: "", isCollection: false };
    const context = { request, target, caller: { tier: "T1", by: "T1" } } as const;
    await waitForStore({ ...CURRENT, refresh, reached: refresh }, context, true);
    assertEquals(refreshes, expected, `${method} ${path}`);
  }
});

Deno.test("waitForStore() makes changes of config worlds through a plugin wait for a refresh", async () => {
  let refreshes = 0;
  const refresh = () => {
    refreshes += 1;
    return Promise.resolve();
  };
  const t3: Caller = { tier: "T3", by: "T3" };
  const delegation = { plugin: "p", holder: t3, isConfigPath: () => false };
  for (
    const [method, path, caller, expected] of [
      ["PUT", "/etc/p.conf", t3, 0],
      ["PUT", "/etc/p.conf", { ...t3, delegation }, 1],
      ["PUT", "/dav/usr/p.conf", { ...t3, delegation }, 2],
      ["MOVE", "/home/x", { ...t3, delegation }, 3],
      ["GET", "/etc/p.conf", { ...t3, delegation }, 3],
      ["PUT", "/home/x", { ...t3, delegation }, 3],
    ] as const
  ) {
    const request = new Request(`http://localhost${path}`, { method });
    const target = { path, name: path.slice(1), query: "", isCollection: false };
    await waitForStore({ ...CURRENT, refresh, reached: refresh }, { request, target, caller });
    assertEquals(refreshes, expected, `${method} ${path}`);
  }
});

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
  withShared({ refresh: lost }, async (app) => {
    const response = await app.ask("GET", "/home/x?raw", NO_CACHE);
    assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
    assertEquals((await response.text()).includes("10.0.0.7"), false);
    assertEquals(await (await app.ask("GET", "/home/x?raw")).text(), "text");
  }));

/** Requests with each kind of credential that the store decides. */
function credentials(): Readonly<Record<"account" | "capability", Record<string, string>>> {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const cap = mint({ key: KEY, prefix: "/home", mode: "rw", exp });
  return { account: basic("ada", "right"), capability: bearer(cap) };
}

const ACCOUNT = `ada:${sha256Hex("right")}`;

Deno.test("waitForCaller() authenticates after the refresh, so that a withdrawn credential is refused", async () => {
  let refresh = () => Promise.resolve();
  // The second row: a server that was stopped for longer than its lease follows before it answers.
  for (const [readable, sent] of [[true, NO_CACHE.headers], [false, {}]] as const) {
    await withShared({ readable, refresh: () => refresh() }, async (app) => {
      const { authenticator } = app.server;
      for (const [kind, headers] of Object.entries(credentials())) {
        authenticator.setAccounts("ada:T2", ACCOUNT);
        authenticator.setRevoked(NOTHING_REVOKED);
        refresh = () => Promise.resolve();
        const ask = (method: string, target: string) =>
          handle(app, method, target, { ...sent, ...headers });
        assertEquals((await ask("GET", "/auth/whoami")).status, 200, kind);
        refresh = () => {
          authenticator.setAccounts("", "");
          authenticator.setRevoked({ ...NOTHING_REVOKED, prefixes: new Map([["/", Infinity]]) });
          return Promise.resolve();
        };
        assertEquals((await ask("GET", "/auth/whoami")).status, 401, kind);
      }
    });
  }
});

Deno.test("waitForCaller() asks the store before a credential is refused", async () => {
  let refreshes = 0;
  let refresh = () => {};
  await withShared({
    refresh() {
      refreshes += 1;
      refresh();
      return Promise.resolve();
    },
  }, async (app) => {
    const { authenticator } = app.server;
    authenticator.setAccounts("", "");
    const { account } = credentials();
    refresh = () => authenticator.setAccounts("ada:T2", ACCOUNT);
    const created = await app.ask("PUT", "/home/new", { body: "text", headers: account });
    assertEquals([created.status, refreshes], [201, 1]);
    // It is known now, and nothing that the store cannot change is asked for.
    assertEquals((await app.ask("PUT", "/home/new", { body: "2", headers: account })).status, 200);
    const wrong = { authorization: "Bearer wrong" };
    assertEquals((await app.ask("PUT", "/home/new", { body: "3", headers: wrong })).status, 401);
    assertEquals(refreshes, 1);
    // A refusal that is true costs one refresh.
    const guess = basic("ada", "wrong");
    assertEquals((await app.ask("PUT", "/home/new", { body: "4", headers: guess })).status, 401);
    assertEquals(refreshes, 2);
  });
});

Deno.test("waitForCaller() waits for accounts that are being read", () =>
  withShared({ refresh: () => Promise.resolve() }, async (app) => {
    const { authenticator } = app.server;
    authenticator.setAccounts("ada:T2", ACCOUNT);
    authenticator.suspendAccounts();
    const { account } = credentials();
    const response = app.ask("PUT", "/home/new", { body: "text", headers: account });
    authenticator.setAccounts("ada:T2", ACCOUNT);
    assertEquals((await response).status, 201);
  }));

Deno.test("waitForCaller() refuses accounts at a server that has lost the database, and accepts tokens", () =>
  withShared({ readable: false, refresh: lost }, async (app) => {
    app.server.authenticator.setAccounts("ada:T2", ACCOUNT);
    for (const [kind, headers] of Object.entries(credentials())) {
      for (const path of ["/proc/status", "/proc/metrics", "/home/x"]) {
        const reply = await app.ask("GET", path, { headers });
        assertEquals(reply.status, 503, `${path} ${kind}`);
        const { detail } = await reply.json();
        assert(detail.startsWith(`Cannot read ${path}: `), detail);
      }
    }
    assertEquals((await app.ask("GET", "/proc/status", { headers: bearer(APPROVE) })).status, 200);
  }));

Deno.test("waitForCaller() refuses accounts while memory answers without the database, and accepts tokens", async () => {
  const cluster = { leaseAgeMs: 7_900, feedLagMs: 7_900, sessions: 0, isStale: true };
  const health = () => ({ engine: "postgres", readable: true, cluster }) as const;
  await withShared(
    { health, position: OWN, refresh: lost, reached: () => Promise.resolve() },
    async (app) => {
      app.server.authenticator.setAccounts("ada:T2", ACCOUNT);
      for (const [kind, headers] of Object.entries(credentials())) {
        for (const path of ["/proc/status", "/proc/metrics", "/home/x", "/auth/whoami"]) {
          for (const more of [{}, { "elastik-at": OWN }]) {
            const reply = await app.ask("GET", path, { headers: { ...headers, ...more } });
            assertEquals(reply.status, 503, `${path} ${kind}`);
            const { detail } = await reply.json();
            assert(detail.startsWith(`Cannot read ${path}: `), detail);
          }
        }
      }
      for (const headers of [{}, bearer(APPROVE)]) {
        assertEquals((await app.ask("GET", "/home/x", { headers })).status, 200);
      }
    },
  );
});

Deno.test("a server that has lost the database refuses changes with a credential that is not valid", () =>
  withShared({ readable: false, refresh: lost, reached: lost }, async (app) => {
    app.server.authenticator.setAccounts("ada:T2", ACCOUNT);
    const wrong = bearer("wrong");
    const { account } = credentials();
    for (
      const [method, target, headers, expected] of [
        ["PUT", "/home/y", wrong, 401],
        ["DELETE", "/home/", wrong, 401],
        ["LOCK", "/dav/home/x", wrong, 401],
        ["POST", "/auth/mint?prefix=/home", wrong, 401],
        // No credential is required.
        ["GET", "/home/x", wrong, 503],
        ["PUT", "/home/y", {}, 503],
        ["PUT", "/home/y", bearer(APPROVE), 503],
        // The database decides which of these is valid.
        ["PUT", "/home/y", account, 503],
        ["PUT", "/home/y", basic("ada", "wrong"), 503],
      ] as const
    ) {
      const response = await app.ask(method, target, { headers });
      const title = `${method} ${target} ${JSON.stringify(headers)}`;
      assertEquals(response.status, expected, title);
      assertEquals(response.headers.has("www-authenticate"), expected === 401, title);
      await response.body?.cancel();
    }
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
    for (const headers of [{}, ...Object.values(credentials())]) {
      const response = handle(app, "GET", "/home/x?raw", { ...NO_CACHE.headers, ...headers });
      assert(response instanceof Response);
      assertEquals([response.status, asked], [200, 0]);
      await response.body?.cancel();
    }
  });
});

/** Locks that other servers grant too. */
class SharedLocks extends LockTable {
  override readonly isShared = true;
}

/** Runs a test with shared locks and a store that lets a test grant locks before each change. */
async function withSharedLocks(
  test: (
    app: TestApp,
    locks: SharedLocks,
    beforeChange: (act: () => Promise<unknown>) => void,
  ) => Promise<void>,
): Promise<void> {
  let act: () => Promise<unknown> = () => Promise.resolve();
  let locks: SharedLocks | undefined;
  /** As a shared store: takes the checks with the change, and runs them before it is sent. */
  const checked = <C, R>(change: (change: C) => Promise<R>) => async (of: C): Promise<R> => {
    const checks = currentWriteChecks();
    await act();
    checks?.run();
    checks?.recordEffect();
    return await change(of);
  };
  await withApp({
    lockFactory: (options) => locks = new SharedLocks(options),
    store: (real) =>
      withCalls(real, {
        isShared: true,
        put: checked((change) => real.put(change)),
        append: checked((change) => real.append(change)),
        patch: checked((change) => real.patch(change)),
        remove: checked((change) => real.remove(change)),
        rename: checked((change) => real.rename(change)),
      }),
  }, async (app) => {
    assert(locks !== undefined);
    await test(app, locks, (next) => {
      act = () => {
        act = () => Promise.resolve();
        return next();
      };
    });
  });
}

/** A lock of another server. */
async function grant(locks: SharedLocks, path: string, depth: "0" | "infinity"): Promise<Lock> {
  const holder = { tier: "T2", by: "user:ada", authenticated: true } as const;
  const lock = await locks.grant({ path, depth, exclusive: true, owner: "", holder, seconds: 60 });
  assert("token" in lock);
  return lock;
}

Deno.test("a lock that another server grants after the check of a write refuses the write", async (t) => {
  const writes: Readonly<Record<string, readonly [string, string, RequestInit?]>> = {
    put: ["PUT", "/home/x", { body: "new" }],
    create: ["PUT", "/home/new", { body: "new" }],
    append: ["POST", "/home/x", { body: "new" }],
    patch: ["PATCH", "/home/x", {
      body: '{"append":"new"}',
      headers: { "content-type": "application/json" },
    }],
    "WebDAV put": ["PUT", "/dav/home/x", { body: "new" }],
    "WebDAV copy": ["COPY", "/dav/home/y", { headers: { destination: "/dav/home/x" } }],
  };
  for (const [title, [method, target, init = {}]] of Object.entries(writes)) {
    await t.step(title, () =>
      withSharedLocks(async (app, locks, beforeChange) => {
        for (const name of ["x", "y"]) {
          assertStrictEquals((await app.ask("PUT", `/home/${name}`, { body: "old" })).status, 201);
        }
        beforeChange(() => grant(locks, "/home", "infinity"));
        const response = await app.ask(method, target, init);
        assertStrictEquals(response.status, 423, await response.text());
        assertEquals(await (await app.ask("GET", "/home/x?raw")).text(), "old");
        assertEquals(app.store.stat("home/new"), undefined);
        for (const lock of locks.covering("/home")) await locks.release(lock);
        // Any other change of the locks refuses nothing.
        beforeChange(() => grant(locks, "/etc", "0"));
        const again = await app.ask(method, target, init);
        assert(again.ok, `${again.status} ${await again.text()}`);
      }));
  }
});

Deno.test("LOCK creates a world although its own lock is newer than the check", () =>
  withSharedLocks(async (app, locks) => {
    const body = '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>' +
      "<D:locktype><D:write/></D:locktype></D:lockinfo>";
    const response = await app.ask("LOCK", "/dav/home/x", { body });
    assertStrictEquals(response.status, 201, await response.text());
    const token = response.headers.get("lock-token") ?? "";
    const put = (headers = {}) => app.ask("PUT", "/dav/home/x", { body: "x", headers });
    assertEquals([(await put({ if: `(${token})` })).status, locks.size], [204, 1]);
    assertEquals(
      (await app.ask("UNLOCK", "/dav/home/x", { headers: { "lock-token": token } })).status,
      204,
    );
  }));

Deno.test("LOCK, its refresh and UNLOCK answer 503 if the locks cannot be reached", () =>
  withSharedLocks(async (app, locks) => {
    await app.ask("PUT", "/home/x", { body: "x" });
    const lock = await locks.grant({
      path: "/home/x",
      depth: "0",
      exclusive: true,
      owner: "",
      holder: { tier: "T2", by: "T2:local" },
      seconds: 60,
    });
    assert("token" in lock);
    const fail = () => Promise.reject(new StoreError("unreachable", "no answer"));
    locks.grant = locks.refresh = locks.release = fail;
    const body = '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>' +
      "<D:locktype><D:write/></D:locktype></D:lockinfo>";
    const token = `<${lock.token}>`;
    for (
      const [method, init] of [
        ["LOCK", { body }],
        ["LOCK", { headers: { if: `(${token})` } }],
        ["UNLOCK", { headers: { "lock-token": token } }],
      ] as const
    ) {
      const response = await app.ask(method, "/dav/home/x", init);
      assertEquals([response.status, response.headers.get("retry-after")], [503, "1"], method);
      await response.body?.cancel();
    }
  }));

Deno.test("a change answers Elastik-At, and a request with it waits until the server has reached it", async () => {
  let refreshes = 0;
  const reached = Promise.withResolvers<void>();
  const asked: string[] = [];
  await withShared({
    position: OWN,
    refresh: () => Promise.resolve(void refreshes++),
    reached(position) {
      asked.push(position);
      return reached.promise;
    },
  }, async (app) => {
    const at = async (method: string, target: string, init: RequestInit = {}) => {
      const response = await app.ask(method, target, init);
      await response.body?.cancel();
      return [response.status, response.headers.get("elastik-at")];
    };
    assertEquals(await at("PUT", "/home/y", { body: "1" }), [201, OWN]);
    assertEquals(await at("POST", "/home/y", { body: "2" }), [200, OWN]);
    assertEquals(await at("MKCOL", "/dav/home/c"), [201, OWN]);
    assertEquals(await at("COPY", "/dav/home/y", { headers: { destination: "/dav/home/z" } }), [
      201,
      OWN,
    ]);
    assertEquals(await at("PUT", "/home/y", { body: "3", headers: { "if-none-match": "*" } }), [
      412,
      null,
    ]);
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      assertEquals((await at(method, "/home/y"))[1], null);
    }
    assertEquals(asked, []);

    const headers = { "elastik-at": OTHER };
    const waiting = [
      handle(app, "GET", "/home/x?raw", headers),
      handle(app, "HEAD", "/home/x", headers),
      handle(app, "PROPFIND", "/dav/home/x", { ...headers, depth: "0" }),
    ];
    assertEquals(asked, [OTHER, OTHER, OTHER]);
    // Other requests follow all servers, unless they name what this one has made.
    for (const method of ["PUT", "POST", "OPTIONS"]) {
      const init = method === "OPTIONS" ? {} : { body: "4" };
      for (const [value, expected] of [[OTHER, 1], [OWN, 0]] as const) {
        refreshes = 0;
        const [status] = await at(method, "/home/y", { ...init, headers: { "elastik-at": value } });
        assertEquals([status, refreshes], [method === "OPTIONS" ? 204 : 200, expected], method);
      }
    }
    assertEquals((await at("POST", "/home/y", { headers: { "elastik-at": "a b" } }))[0], 400);
    // A refresh covers a position.
    assertEquals(
      (await at("GET", "/home/x", { headers: { ...headers, ...NO_CACHE.headers } }))[0],
      200,
    );
    const body = new TextEncoder().encode("newer");
    await app.store.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    reached.resolve();
    const [read, ...others] = await Promise.all(waiting);
    assertEquals([await read?.text(), others.map(({ status }) => status)], ["newer", [200, 207]]);
    assertEquals(asked.length, 3);
    // What no server can have sent, a huge number included, does not ask the database.
    for (
      const invalid of [
        ...["", "a b", "a,b", "ä", "rubbish", "9".repeat(36), "x".repeat(4000)],
        ...[OTHER.toUpperCase(), ` ${OTHER}0`, `${OTHER}, ${OTHER}`, OTHER.slice(1)],
      ]
    ) {
      const response = await app.ask("GET", "/home/x", { headers: { "elastik-at": invalid } });
      assertEquals([response.status, asked.length], [400, 3], invalid);
      assertMatch((await response.json()).type, /bad-header/);
    }
  });
});

Deno.test("GET ?wait= answers no older version than the client has from another server", async () => {
  let isBehind = true;
  let before: WorldEntry | undefined;
  const share = (real: Store) =>
    withCalls(real, {
      isShared: true,
      refresh: () => Promise.resolve(void (isBehind = false)),
      stat: (name) => isBehind && name === "home/x" ? before : real.stat(name),
    });
  await withApp({ store: share }, async ({ store, ask }) => {
    const put = (text: string) => {
      const body = new TextEncoder().encode(text);
      return store.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    };
    // At first the server does not know the world, then it knows an older version.
    for (let round = 1; round <= 2; round++) {
      const { version } = await put("seen elsewhere");
      isBehind = true;
      const pending = ask("GET", `/home/x?wait=60&raw&v=${version}`);
      let isAnswered = false;
      void pending.then(() => isAnswered = true);
      while (isBehind && !isAnswered) await new Promise((resume) => setImmediate(resume));
      await put("next");
      const answer = await pending;
      assertEquals([answer.status, await answer.text()], [200, "next"]);
      before = store.stat("home/x");
    }
  });
});

Deno.test("a server with a data folder sends no Elastik-At and ignores one", () =>
  withApp({}, async ({ ask }) => {
    const written = await ask("PUT", "/home/x", { body: "x" });
    assertEquals([written.status, written.headers.get("elastik-at")], [201, null]);
    const read = await ask("GET", "/home/x?raw", { headers: { "elastik-at": OWN } });
    assertEquals(await read.text(), "x");
  }));

Deno.test("a read that memory answers without the database has Age and Cache-Status", async () => {
  const cluster = { leaseAgeMs: 7_900, feedLagMs: 7_900, sessions: 0, isStale: true };
  const health = () => ({ engine: "postgres", readable: true, cluster }) as const;
  await withShared({ health }, async (app) => {
    const headersOf = async (method: string, path: string, headers = {}) => {
      const response = await handle(app, method, path, headers);
      await response.body?.cancel();
      return [response.headers.get("age"), response.headers.get("cache-status")];
    };
    const stale = ["7", "elastik; hit; detail=stale"];
    assertEquals(await headersOf("GET", "/home/x?raw"), stale);
    assertEquals(await headersOf("HEAD", "/home/x"), stale);
    assertEquals(await headersOf("GET", "/home/"), stale);
    assertEquals(await headersOf("PROPFIND", "/dav/home/x", { depth: "0" }), stale);
    assertEquals(await headersOf("PUT", "/home/y"), [null, null]);
    assertEquals(await headersOf("GET", "/proc/version"), [null, null]);
    cluster.isStale = false;
    assertEquals(await headersOf("GET", "/home/x?raw"), [null, null]);
  });
});
