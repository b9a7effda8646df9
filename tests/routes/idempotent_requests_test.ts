/** `Idempotency-Key` over HTTP: repeated requests of every method, other requests, and every caller. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";
import { withApp } from "../support/app.ts";
import { asShared, withCalls } from "../support/store_calls.ts";
import { type Store, StoreError } from "../../lib/world/store.ts";
import type { Reply } from "../support/wire.ts";

const test = suite("Idempotency-Key makes requests repeatable", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

interface Sent {
  readonly key?: string;
  readonly body?: string | Uint8Array;
  readonly as?: Record<string, string>;
  readonly headers?: Record<string, string>;
}

function send(server: TestServer, method: string, target: string, sent: Sent = {}): Promise<Reply> {
  const { key, body, as = T2, headers = {} } = sent;
  return server.send({
    method,
    target,
    headers: { ...as, ...headers, ...(key === undefined ? {} : { "idempotency-key": key }) },
    ...(body === undefined ? {} : { body }),
  });
}

/** Asserts that two responses are the same, and that only the second says that it is repeated. */
function assertRepeated(first: Reply, second: Reply): void {
  assertEquals(second.status, first.status, second.text);
  assertStrictEquals(second.text, first.text);
  for (const name of ["etag", "location", "content-type", "content-length"]) {
    assertStrictEquals(second.headers.get(name), first.headers.get(name), name);
  }
  assertStrictEquals(first.headers.get("idempotent-replayed"), undefined);
  assertStrictEquals(second.headers.get("idempotent-replayed"), "true");
}

async function eventsOf(
  server: TestServer,
  name: string,
): Promise<{ payload: Record<string, unknown> }[]> {
  return JSON.parse((await server.approve("GET", `/proc/log/${name}?limit=1000`)).text);
}

test("PUT, POST, PATCH and DELETE get the first response again and change nothing", async (server) => {
  const steps: readonly [method: string, path: string, body?: string][] = [
    ["PUT", "/home/i/new", "one"],
    ["PUT", "/home/i/new", "two"],
    ["POST", "/home/i/new", "more"],
    ["POST", "/home/i/created.md", "# x"],
    ["PATCH", "/home/i/created.md", '{"append":"y"}'],
    ["PATCH", "/usr/lib/shell/app.js", '{"append":"// y"}'],
    ["PUT", "/usr/share/doc/note.md", "covers"],
    ["POST", "/usr/bin/boot.ts", "// covers"],
    ["DELETE", "/home/i/new"],
    ["DELETE", "/usr/share/doc/note.md"],
    ["PUT", "/home/i/new", "again"],
    ["DELETE", "/home/i/"],
  ];
  for (const [at, [method, path, body]] of steps.entries()) {
    const type = { "content-type": "application/json" };
    const headers = method === "PATCH" ? type : undefined;
    const sent = {
      key: `step-${at}`,
      as: T3,
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
    };
    const first = await send(server, method, path, sent);
    assert(first.status === 200 || first.status === 201, `${method} ${path} ${first.text}`);
    assertRepeated(first, await send(server, method, path, sent));
    assertRepeated(first, await send(server, method, path, { ...sent, key: `"step-${at}"` }));
  }
  assertEquals((await send(server, "GET", "/home/i/new?raw")).status, 404);
});

test("a restore from the trash gets the first response again", async (server) => {
  const remove = async (path: string) => {
    const { text } = await server.approve("DELETE", path);
    return String(JSON.parse(text).trash[0]);
  };
  // A shipped world is below the second one, so that nothing is created.
  for (const [path, status] of [["/home/t/x", 201], ["/usr/share/doc/note.md", 200]] as const) {
    await server.approve("PUT", path, "one");
    const first = { key: "restore", as: T3 };
    const target = `${path}?trash=${await remove(path)}`;
    const reply = await send(server, "PUT", target, first);
    assertEquals(reply.status, status, reply.text);
    assertRepeated(reply, await send(server, "PUT", target, first));
    // It stays so after later changes, also when the world is in the trash again.
    await server.approve("PUT", path, "two");
    const again = `${path}?trash=${await remove(path)}`;
    assertRepeated(reply, await send(server, "PUT", target, first));
    assertEquals((await send(server, "PUT", again, first)).status, 422);
    assertRepeated(
      await send(server, "PUT", again, { key: "other", as: T3 }),
      await send(server, "PUT", again, { key: "other", as: T3 }),
    );
  }
});

test("a repeated restore requires the same rights on both names", async (server) => {
  await server.approve("PUT", "/home/t/old", "x");
  const { text } = await server.approve("DELETE", "/home/t/old");
  const target = `/home/t/new?trash=${JSON.parse(text).trash[0]}`;
  const T3sent = { key: "k", as: T3 };
  assertEquals((await send(server, "PUT", target, T3sent)).status, 201);
  for (const as of [T2, bearer(server.capability("/home/t/new", "rwd"))]) {
    const reply = await send(server, "PUT", target, { key: "k", as });
    assert(reply.status === 403 || reply.status === 404, reply.text);
  }
  const cap = bearer(server.capability("/home/t", "rwd"));
  await server.approve("PUT", "/home/t/a", "x");
  const gone = JSON.parse((await server.approve("DELETE", "/home/t/a")).text).trash[0];
  const sent = { key: "k", as: cap };
  assertRepeated(
    await send(server, "PUT", `/home/t/b?trash=${gone}`, sent),
    await send(server, "PUT", `/home/t/b?trash=${gone}`, sent),
  );
});

test("a repeated PUT passes over conditions that the first response made false", async (server) => {
  await send(server, "PUT", "/home/c", { body: "one" });
  const etag = (await send(server, "GET", "/home/c?raw")).headers.get("etag") ?? "";
  const change = { key: "k", body: "two", headers: { "if-match": etag } };
  assertRepeated(
    await send(server, "PUT", "/home/c", change),
    await send(server, "PUT", "/home/c", change),
  );
  const create = { key: "n", body: "x", headers: { "if-none-match": "*" } };
  assertRepeated(
    await send(server, "PUT", "/home/n", create),
    await send(server, "PUT", "/home/n", create),
  );
  assertEquals((await send(server, "PUT", "/home/c", { ...change, key: "other" })).status, 412);
  // The response is that of the first request, also after later changes.
  await send(server, "PUT", "/home/c", { body: "three" });
  assertMatch((await send(server, "PUT", "/home/c", change)).text, /"version":2/);
  await server.approve("DELETE", "/home/c");
  assertMatch((await send(server, "PUT", "/home/c", change)).text, /"version":2/);
  assertEquals((await send(server, "GET", "/home/c?raw")).status, 404);
});

test("another content, query, type or metadata with the same key answers 422", async (server) => {
  await send(server, "PUT", "/home/o", { key: "k", body: "one" });
  const others: readonly [string, Sent][] = [
    ["/home/o", { body: "two" }],
    ["/home/o?ext=md", { body: "one" }],
    ["/home/o", { body: "one", headers: { "content-type": "text/html" } }],
    ["/home/o", { body: "one", headers: { "x-meta-a": "b" } }],
  ];
  for (const [target, sent] of others) {
    const reply = await send(server, "PUT", target, { ...sent, key: "k" });
    assertEquals([reply.status, JSON.parse(reply.text).type], [
      422,
      "/usr/share/doc/problems/idempotency-key-reused.md",
    ]);
  }
  assertEquals((await eventsOf(server, "home/o")).length, 1);
});

test("a key belongs to one caller, method and path", async (server) => {
  const cap = bearer(server.capability("/home/p", "rw"));
  const other = bearer(server.capability("/home/p", "rw", 700));
  for (const as of [T2, T3, cap, other]) {
    assertEquals(
      (await send(server, "POST", "/home/p/x", { key: "k", body: "x", as })).headers
        .get("idempotent-replayed"),
      undefined,
    );
  }
  await send(server, "POST", "/home/p/y", { key: "k", body: "x" });
  await send(server, "PUT", "/home/p/x", { key: "k", body: "x" });
  assertEquals((await eventsOf(server, "home/p/x")).length, 5);
  assertEquals((await eventsOf(server, "home/p/y")).length, 1);
});

test("a request that changed nothing is answered anew", async (server) => {
  const create = { key: "k", body: "x", headers: { "if-match": "*" } };
  assertEquals((await send(server, "PUT", "/home/f", create)).status, 412);
  await send(server, "PUT", "/home/f", { body: "y" });
  assertEquals((await send(server, "PUT", "/home/f", create)).status, 200);
  assertEquals((await send(server, "DELETE", "/home/none", { key: "d", as: T3 })).status, 404);
  assertEquals((await send(server, "DELETE", "/home/none", { key: "d", as: T3 })).status, 404);
});

test("rights are checked before the key, and the key before the content", async (server) => {
  await server.approve("PUT", "/etc/s", "x");
  const read = bearer(server.capability("/home/r", "r"));
  for (const as of [{}, read]) {
    const reply = await send(server, "PUT", "/etc/s", { key: "", body: "x", as });
    assertEquals(reply.status, as === read ? 403 : 401);
  }
  for (const key of ["", "a b", "k".repeat(256)]) {
    const reply = await send(server, "PUT", "/home/r", { key, body: "x" });
    assertEquals([reply.status, JSON.parse(reply.text).type], [
      400,
      "/usr/share/doc/problems/bad-header.md",
    ]);
  }
  assertEquals((await send(server, "GET", "/home/", { key: "a b" })).status, 200);
});

test("events and responses show neither the key nor an equality of contents", async (server) => {
  const key = "visible-key-of-a-client";
  await send(server, "PUT", "/home/v/a", { key, body: "same" });
  await send(server, "PUT", "/home/v/b", { key, body: "same" });
  const [a] = await eventsOf(server, "home/v/a");
  const [b] = await eventsOf(server, "home/v/b");
  const marks = [a, b].map((event) => String(event?.payload.idem).split("."));
  assertEquals(new Set(marks.flat()).size, 4);
  for (const answer of server.answers.slice(-4)) assert(!answer.includes(key));
});

test("a repeated DELETE of a collection deletes nothing that came later", async (server) => {
  const names = Array.from({ length: 70 }, (_, i) => `/home/race/${String(i).padStart(2, "0")}`);
  await Promise.all(names.map((name) => send(server, "PUT", name, { body: "x" })));
  const sent = { key: "k", as: T3 };
  const [first] = await Promise.all([
    send(server, "DELETE", "/home/race/", sent),
    // These are gone when the first request comes to them.
    ...names.slice(64, 69).toReversed().map((name) => server.approve("DELETE", name)),
  ]);
  await send(server, "PUT", "/home/race/later", { body: "x" });
  assertRepeated(first, await send(server, "DELETE", "/home/race/", sent));
  assertEquals((await send(server, "GET", "/home/race/later?raw")).text, "x");
});

test("an edit with a key that changes nothing is not repeated after another change", async (server) => {
  const headers = { "content-type": "application/merge-patch+json" };
  await send(server, "PUT", "/home/state.json", { body: '{"s":"done"}' });
  const sent = { key: "k", headers, body: '{"s":"done"}' };
  const first = await send(server, "PATCH", "/home/state.json", sent);
  assertEquals(first.status, 200);
  await send(server, "PATCH", "/home/state.json", { headers, body: '{"s":"open"}' });
  assertRepeated(first, await send(server, "PATCH", "/home/state.json", sent));
  assertEquals((await send(server, "GET", "/home/state.json?raw")).text, '{"s":"open"}');
  // Without a key nothing needs to be recorded.
  const log = await eventsOf(server, "home/state.json");
  await send(server, "PATCH", "/home/state.json", { headers, body: '{"s":"open"}' });
  assertEquals((await eventsOf(server, "home/state.json")).length, log.length);
});

Deno.test("32 concurrent requests with one key make one change", async () => {
  await withServer({ env: CLOSED }, async ({ port }) => {
    const ask = () =>
      fetch(`http://127.0.0.1:${port}/home/log`, {
        method: "POST",
        headers: { ...T2, "idempotency-key": "one" },
        body: "line\n",
      }).then(async (reply) => [reply.status, await reply.text()]);
    const replies = await Promise.all(Array.from({ length: 32 }, ask));
    for (const reply of replies) assertEquals(reply, [201, '{"version":1,"ext":"txt"}\n']);
    const text = await fetch(`http://127.0.0.1:${port}/home/log?raw`, { headers: T2 });
    assertEquals(await text.text(), "line\n");
  });
});

Deno.test("a key can be used again after 24 hours", async () => {
  let now = Date.now();
  await withApp({ now: () => now, monotonic: () => performance.now() }, async ({ ask }) => {
    const put = () => ask("PUT", "/home/x", { headers: { "idempotency-key": "k" }, body: "x" });
    const versions = async () => (await (await put()).json()).version;
    assertEquals([await versions(), await versions()], [1, 1]);
    // The store has written the event at a later time than that of the test.
    now += 23 * 3_600_000;
    assertEquals(await versions(), 1);
    now += 2 * 3_600_000;
    assertEquals(await versions(), 2);
  });
});

const KEYED = { headers: { "idempotency-key": "k" } };

Deno.test("a keyed request of unknown outcome can be repeated, whether it was made or not", async (t) => {
  for (const isMade of [true, false]) {
    await t.step(isMade ? "made" : "not made", async () => {
      let tries = 0;
      const store = (real: Store) =>
        withCalls(real, {
          async append(change) {
            if (++tries > 1) return await real.append(change);
            if (isMade) await real.append(change);
            throw new StoreError("unknown", "no confirmation from 10.0.0.7", "home/x");
          },
        });
      await withApp({ store }, async ({ ask }) => {
        const post = () => ask("POST", "/home/x", { ...KEYED, body: "line" });
        const first = await post();
        const { type, detail } = await first.json();
        assertEquals([first.status, type, first.headers.get("retry-after")], [
          503,
          "/usr/share/doc/problems/outcome-unknown.md",
          "1",
        ]);
        assertMatch(detail, /^Cannot append to \/home\/x: .* same Idempotency-Key$/);
        const second = await post();
        assertEquals([second.status, second.headers.get("idempotent-replayed")], [
          201,
          isMade ? "true" : null,
        ]);
        assertEquals(await (await ask("GET", "/home/x?raw")).text(), "line");
        assertEquals([tries, (await second.json()).version], [isMade ? 1 : 2, 1]);
      });
    });
  }
});

Deno.test("an unkeyed request of unknown outcome gets no Retry-After", async () => {
  const fail = () => Promise.reject(new StoreError("unknown", "no confirmation", "home/x"));
  await withApp({ store: (real) => withCalls(real, { append: fail }) }, async ({ ask }) => {
    const response = await ask("POST", "/home/x", { body: "line" });
    assertEquals([response.status, response.headers.get("retry-after")], [503, null]);
    await response.body?.cancel();
  });
});

Deno.test("a keyed request gets the response of an earlier try that happened in the meantime", async (t) => {
  // The first look for events does not see the earlier try yet, as at another server.
  const late = (refuse: (real: Store) => Partial<Store> = () => ({})) => {
    let looks = 0;
    return (real: Store) =>
      withCalls(real, {
        ...refuse(real),
        keyed: (key, name) => ++looks === 2 ? Promise.resolve([]) : real.keyed(key, name),
      });
  };
  const requests: Readonly<Record<string, RequestInit & { readonly method: string }>> = {
    "412 before the content is read": {
      method: "PUT",
      body: "new",
      headers: { ...KEYED.headers, "if-match": '"1"' },
    },
    "404 of a world that is gone": { method: "DELETE", headers: { ...KEYED.headers, ...T3 } },
  };
  for (const [title, { method, ...init }] of Object.entries(requests)) {
    await t.step(title, () =>
      withApp({ store: late() }, async ({ ask, store }) => {
        await store.put({ name: "home/x", body: new Uint8Array(), ext: "txt", meta: [], by: "T2" });
        const first = await ask(method, "/home/x", init);
        const second = await ask(method, "/home/x", init);
        assertEquals([first.status, second.status], [200, 200]);
        assertEquals(second.headers.get("idempotent-replayed"), "true");
        assertEquals(await second.text(), await first.text());
        assertEquals(
          (await store.log("home/x", { limit: 9 }).catch(() => [])).length,
          method === "PUT" ? 2 : 0,
        );
      }));
  }
  await t.step("repeated", () => {
    let tries = 0;
    const refuse = (real: Store): Partial<Store> => ({
      append: (change) =>
        ++tries === 1
          ? real.append(change)
          : Promise.reject(new StoreError("repeated", "Cannot append: it has the key", "home/x")),
    });
    return withApp({ store: late(refuse) }, async ({ ask }) => {
      const post = (body: string) => ask("POST", "/home/x", { ...KEYED, body });
      const first = await post("line");
      const second = await post("line");
      assertEquals([second.status, second.headers.get("idempotent-replayed")], [201, "true"]);
      assertEquals(await second.text(), await first.text());
    });
  });
  await t.step("with another content", () =>
    withApp({ store: late() }, async ({ ask }) => {
      const put = (body: string) => {
        const headers = { ...KEYED.headers, "if-none-match": "*" };
        return ask("PUT", "/home/x", { headers, body });
      };
      assertEquals([(await put("one")).status, (await put("two")).status], [201, 422]);
    }));
});

Deno.test("a repeated response is sent when reads at the server see the change", async () => {
  let isBehind = true;
  let refresh = () => Promise.resolve();
  const calls = {
    refresh: () => refresh().then(() => void (isBehind = false)),
  };
  await withApp({ store: (real) => asShared(real, calls) }, async ({ ask }) => {
    const put = () => ask("PUT", "/home/x", { ...KEYED, body: "one" });
    const remove = () => ask("DELETE", "/home/x", { headers: { ...KEYED.headers, ...T3 } });
    const create = await put();
    assertEquals([create.status, isBehind], [201, true]);
    for (const request of [put, remove]) {
      if (request === remove) await request();
      isBehind = true;
      const repeated = await request();
      assertEquals([repeated.ok, isBehind], [true, false]);
      assertEquals(repeated.headers.get("idempotent-replayed"), "true");
    }
    // A server that cannot follow must not say that nothing was changed.
    refresh = () => Promise.reject(new StoreError("unreachable", "lost"));
    const lost = await put();
    assertEquals([lost.status, lost.headers.get("retry-after")], [503, "1"]);
    assertEquals((await lost.json()).type, "/usr/share/doc/problems/outcome-unknown.md");
  });
});
