/**
 * Event streams over HTTP, parsed as a browser does: order, replay, deletes, collections, and
 * readers that have no right, disconnect or are too slow.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { encodeEvent } from "../../../lib/http/sse.ts";
import { Streams } from "../../../lib/routes/stream/stream.ts";
import { LOCAL } from "../../../lib/auth/authenticate.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { SHUTDOWN_TIMEOUT_MS } from "../../../lib/limits.ts";
import { HEARTBEATS_PER_TURN } from "../../../lib/limits.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import { type Published, type Store, StoreError } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { EventReader, type ReceivedEvent } from "../../support/event_reader.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
  withServer,
} from "../../support/test_server.ts";
import { Connection } from "../../support/wire.ts";

const test = suite("GET /stream/<name> sends events over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

function open(server: TestServer, path: string, headers: Record<string, string> = {}) {
  return EventReader.open(`http://127.0.0.1:${server.port}${path}`, headers);
}

function put(server: TestServer, target: string, body: string) {
  return server.send({ method: "PUT", target, headers: T3, body });
}

/** A short form of an event. */
function format(event: ReceivedEvent | undefined): string {
  if (event === undefined) return "the end";
  const data = JSON.parse(event.data);
  const what = data.name === undefined ? "" : ` ${data.name}`;
  return `${event.type} ${event.lastEventId}${what} ${data.stage_html ?? `v${data.version}`}`;
}

test("GET /stream/<name> sends the current state at once and then every change, in order", async (server) => {
  await put(server, "/home/x", "one");
  const reader = await open(server, "/stream/home/x");
  const { headers, status } = reader.response;
  assertEquals(status, 200);
  assertEquals(headers.get("content-type"), "text/event-stream");
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(headers.get("x-accel-buffering"), "no");
  const first = await reader.next();
  assertEquals(format(first), "update 1 one");
  const got = await server.send({ method: "GET", target: "/home/x" });
  assertStrictEquals(first?.data, got.text);
  for (let i = 2; i <= 50; i++) await put(server, "/home/x", `v${i}`);
  for (let i = 2; i <= 50; i++) assertEquals(format(await reader.next()), `update ${i} v${i}`);
  await server.send({ method: "POST", target: "/home/x", headers: T2, body: "+" });
  assertEquals(format(await reader.next()), "update 51 v50+");
  await server.approve("DELETE", "/home/x");
  const gone = await reader.next();
  assertEquals([gone?.type, gone?.lastEventId, gone?.data], [
    "delete",
    "51",
    '{"name":"home/x","version":51}',
  ]);
  await put(server, "/home/x", "again");
  assertEquals(format(await reader.next()), "update 52 again");
  await reader.close();
});

test("GET /stream/<name> passes any text to the parser of a browser", async (server) => {
  const texts = [
    "data: forged\n\nevent: delete\ndata: {}\n\n",
    "a\r\nb\rc\n",
    "\u2028\u2029\u0085\ufeff\u0000",
    "é😀",
    "</script><script>alert(1)</script>",
    ": comment\nid: 99\nretry: 1",
  ];
  await put(server, "/home/x", "start");
  const reader = await open(server, "/stream/home/x");
  await reader.next();
  for (const [i, text] of texts.entries()) {
    await put(server, "/home/x", text);
    const event = await reader.next();
    assertStrictEquals(event?.lastEventId, String(i + 2));
    assertStrictEquals(JSON.parse(event?.data ?? "{}").stage_html, text);
  }
  await server.send({
    method: "PUT",
    target: "/home/x",
    headers: T2,
    body: new Uint8Array([255]),
  });
  assertEquals(JSON.parse((await reader.next())?.data ?? "{}").binary, true);
  await reader.close();
});

test("GET /stream/<name> waits for an absent world", async (server) => {
  const reader = await open(server, "/stream/home/later");
  assertEquals(reader.response.status, 200);
  await put(server, "/home/later", "now");
  assertEquals(format(await reader.next()), "update 1 now");
  await reader.close();
});

test("GET /stream/x means /stream/home/x if x is not a namespace", async (server) => {
  await put(server, "/home/short", "s");
  await put(server, "/home/a/b", "ab");
  await put(server, "/etc/x", "etc");
  for (
    const [path, expected] of [
      ["/stream/short", "update 1 s"],
      ["/stream/a/b", "update 1 ab"],
      ["/stream/etc/x", "update 1 etc"],
      ["/bin/stream/short", "update 1 s"],
    ] as const
  ) {
    const reader = await open(server, path);
    assertStrictEquals(format(await reader.next()), expected, path);
    await reader.close();
  }
});

Deno.test("GET /stream/<name> replays kept versions after Last-Event-ID, then continues", async () => {
  await withServer({ env: { ...CLOSED, ELASTIK_HISTORY: "3" } }, async (server) => {
    for (const body of ["1", "2", "3", "4", "5", "6"]) await put(server, "/home/x", body);
    const replay = async (id: string, count: number) => {
      const reader = await open(server, "/stream/home/x", { "last-event-id": id });
      const events: string[] = [];
      for (let i = 0; i < count; i++) events.push(format(await reader.next()));
      await reader.close();
      return events;
    };
    assertEquals(await replay("4", 2), ["update 5 5", "update 6 6"]);
    assertEquals(await replay("5", 1), ["update 6 6"]);
    assertEquals(await replay("1", 4), ["update 3 3", "update 4 4", "update 5 5", "update 6 6"]);
    for (const id of ["99", "", "x", "-1", "1.5", "9".repeat(30)]) {
      assertEquals(await replay(id, 1), ["update 6 6"], id);
    }
    const current = await open(server, "/stream/home/x", { "last-event-id": "6" });
    await put(server, "/home/x", "7");
    assertEquals(format(await current.next()), "update 7 7");
    await current.close();
  });
});

test("GET /stream/<name> sends a delete event if the world was deleted since", async (server) => {
  await put(server, "/home/x", "1");
  await server.approve("DELETE", "/home/x");
  const reader = await open(server, "/stream/home/x", { "last-event-id": "1" });
  assertEquals(format(await reader.next()), "delete 1 home/x v1");
  await put(server, "/home/x", "new");
  assertEquals(format(await reader.next()), "update 2 new");
  await reader.close();
});

test("GET /stream/<name> sends the lower-layer world after its cover was deleted", async (server) => {
  const path = "/usr/lib/shell/app.js";
  const beneath = (await server.approve("GET", `${path}?raw`)).text;
  const reader = await open(server, `/stream${path}`);
  assertEquals(format(await reader.next()), `update 0 ${beneath}`);
  await put(server, path, "cover");
  assertEquals(format(await reader.next()), "update 1 cover");
  await server.approve("DELETE", path);
  assertEquals(format(await reader.next()), `update 0 ${beneath}`);
  await reader.close();
});

test("GET /stream/<name>/ sends the listing of a collection, then each change below it", async (server) => {
  await put(server, "/home/c/a", "1");
  await put(server, "/home/c/d/e", "2");
  await put(server, "/home/cc", "not below");
  const reader = await open(server, "/stream/home/c/");
  const list = await reader.next();
  assertEquals(list?.type, "list");
  const listed = await server.send({
    method: "GET",
    target: "/home/c/",
    headers: { accept: "application/json" },
  });
  assertStrictEquals(list?.data, listed.text);
  await put(server, "/home/cc", "not below");
  await put(server, "/home/c", "nor is this");
  await put(server, "/home/c/a", "3");
  await put(server, "/home/c/d/e", "4");
  // A server of a cluster reads what another one wrote, and cannot if it is deleted by then.
  const events = [await reader.next(), await reader.next()];
  await server.approve("DELETE", "/home/c/d/");
  events.push(await reader.next());
  assertEquals(events.map((event) => [event?.type, JSON.parse(event?.data ?? "{}").name]), [
    ["update", "home/c/a"],
    ["update", "home/c/d/e"],
    ["delete", "home/c/d/e"],
  ]);
  assertEquals(Object.keys(JSON.parse(events[0]?.data ?? "{}")), [
    "name",
    "stage_html",
    "version",
    "ext",
    "type",
    "updated_at",
  ]);
  await reader.close();
  const back = await open(server, "/stream/home/c/", {
    "last-event-id": list?.lastEventId ?? "",
  });
  assertEquals(format(await back.next()).replace(/update \S+/, "update"), "update home/c/a 3");
  assertEquals((await back.next())?.type, "delete");
  await back.close();
  for (const id of ["", "x", "00000000-1", `${list?.lastEventId}9`, "1"]) {
    const anew = await open(server, "/stream/home/c/", { "last-event-id": id });
    assertEquals((await anew.next())?.type, "list", id);
    await anew.close();
  }
});

test("GET /stream/<name>/?brief leaves out the content of worlds", async (server) => {
  const brief = await open(server, "/stream/home/?brief");
  const full = await open(server, "/stream/home/");
  await brief.next();
  await full.next();
  await put(server, "/home/x", "content");
  const data = JSON.parse((await brief.next())?.data ?? "{}");
  assertEquals(Object.keys(data), ["name", "version", "ext", "type", "updated_at", "len"]);
  assertEquals([data.name, data.version, data.len], ["home/x", 1, 7]);
  assertEquals(JSON.parse((await full.next())?.data ?? "{}").stage_html, "content");
  assert(!brief.wire.includes("content"));
  await brief.close();
  await full.close();
});

test("GET /stream/<name>/ sends only worlds that the caller can read", async (server) => {
  await put(server, "/etc/shadow", "ada:0000");
  const readers = {
    anonymous: await open(server, "/stream/"),
    etc: await open(server, "/stream/etc/"),
    t2: await open(server, "/stream/", T2),
    t3: await open(server, "/stream/", T3),
    cap: await open(server, "/stream/home/a/", bearer(server.capability("/home/a", "r"))),
  };
  for (const reader of Object.values(readers)) await reader.next();
  await put(server, "/etc/shadow", "ada:5h4d0w");
  await put(server, "/boot/x", "b00t");
  await put(server, "/etc/fstab", "https://x /mnt/x bearer=f5t4b");
  await put(server, "/home/ab", "outside");
  await put(server, "/home/a/b", "inside");
  await server.approve("DELETE", "/etc/shadow");
  await server.approve("DELETE", "/boot/x");
  await put(server, "/etc/end", "end");
  await put(server, "/home/a/end", "end");
  const names = async (reader: EventReader, last: string) => {
    const seen: string[] = [];
    while (seen.at(-1) !== last) {
      const event = await reader.next();
      seen.push(JSON.parse(event?.data ?? '{"name":"the end"}').name);
      assert(seen.at(-1) !== "the end", "the stream ended");
    }
    return seen;
  };
  const all = ["etc/fstab", "home/ab", "home/a/b", "etc/end", "home/a/end"];
  assertEquals(await names(readers.anonymous, "home/a/end"), all);
  assertEquals(await names(readers.t2, "home/a/end"), all);
  assertEquals(await names(readers.etc, "etc/end"), ["etc/fstab", "etc/end"]);
  assertEquals(await names(readers.cap, "home/a/end"), ["home/a/b", "home/a/end"]);
  assertEquals(await names(readers.t3, "home/a/end"), [
    "etc/shadow",
    "boot/x",
    ...all.slice(0, 3),
    "etc/shadow",
    "boot/x",
    ...all.slice(3),
  ]);
  for (const [who, reader] of Object.entries(readers)) {
    const secrets = [/5h4d0w/, /b00t/, /f5t4b/].map((secret) => secret.test(reader.wire));
    assertEquals(secrets, [who === "t3", who === "t3", who === "t3"], who);
    await reader.close();
  }
});

test("GET /stream/<name> refuses callers without the right, and invalid names and methods", async (server) => {
  const cap = bearer(server.capability("/home/a", "rw"));
  // deno-fmt-ignore
  const rows: readonly (readonly [string, string, Record<string, string>, number])[] = [
      ["GET", "/stream/etc/shadow", {}, 401],
      ["GET", "/stream/etc/shadow", T2, 403],
      ["GET", "/stream/boot/", T2, 403],
      ["GET", "/stream/boot", {}, 401],
      ["GET", "/stream/boot/env", cap, 403],
      ["GET", "/stream/", cap, 403],
      ["GET", "/stream/home/", cap, 403],
      ["GET", "/stream/ab", cap, 403],
      ["HEAD", "/stream/etc/shadow", {}, 401],
      ["HEAD", "/stream/home/x", {}, 200],
      ["PUT", "/stream/home/x", T3, 405],
      ["POST", "/stream/home/x", T3, 405],
      ["DELETE", "/stream/home/x", T3, 405],
      ["OPTIONS", "/stream/home/x", {}, 204],
      ["GET", "/stream/home/a%3Ab", {}, 400],
      ["GET", `/stream/${"x".repeat(300)}`, {}, 400],
      ["GET", "/stream/../etc/shadow", {}, 400],
      ["GET", "/stream/etc%2fshadow", {}, 400],
    ];
  for (const [method, target, headers, status] of rows) {
    const reply = await server.send({ method, target, headers });
    assertStrictEquals(reply.status, status, `${method} ${target} ${reply.text}`);
    if (status === 405 || status === 204) {
      assertEquals(reply.headers.get("allow"), "GET, HEAD, OPTIONS");
    }
  }
});

test("Streams disconnect a reader that is too slow, and no other", async (server) => {
  await put(server, "/home/x", "start");
  const good = await open(server, "/stream/home/x");
  await good.next();
  const slow = await Connection.open(server.port);
  await slow.write("GET /stream/home/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  const body = "x".repeat(2 * 1024 * 1024);
  // Far more than the buffers of the kernel and the 8 MiB that a reader may lag.
  for (let i = 0; i < 16; i++) {
    // At the server of the streams: one of another server is read when the reader takes it.
    const url = `http://127.0.0.1:${server.port}/home/x`;
    const written = await fetch(url, { method: "PUT", headers: T3, body: `${i}${body}` });
    assertStrictEquals(written.status, 200, await written.text());
    assertStrictEquals((await good.next())?.lastEventId, String(i + 2));
  }
  const wire = await slow.rest();
  const events = wire.match(/^event: update$/gm)?.length ?? 0;
  assert(events >= 1 && events < 17, `${events} events`);
  assertMatch(wire, /\r\n0\r\n\r\n$/);
  slow.close();
  await good.close();
});

/** A capability that expires, and streams with heartbeats under the control of a test. */
async function withCapability(
  heartbeatMs: number | undefined,
  test: (tools: {
    readonly routes: Streams;
    readonly store: Store;
    /** Opens a stream with the capability, or with a caller that does not expire. */
    start(lasting?: boolean): Promise<EventReader>;
    /** Moves the clock to a number of seconds after the expiry. */
    goTo(seconds: number): void;
  }) => Promise<void>,
): Promise<void> {
  let now = Date.now();
  const exp = Math.floor(now / 1000) + 60;
  const scope = { prefixes: ["/home"], mode: "r", exp, root: "/home" } as const;
  const holder: Caller = { tier: "T2", by: "cap:/home", authenticated: true, scope };
  await withApp({ now: () => now }, async ({ server, store }) => {
    const routes = new Streams(server, undefined, heartbeatMs);
    await test({
      routes,
      store,
      start: async (lasting = false) => {
        const request = new Request("http://localhost/stream/home/x");
        const target = parseTarget(request.url);
        const response = await routes.open({ request, target, caller: lasting ? LOCAL : holder });
        return new EventReader(response, new AbortController());
      },
      goTo: (seconds) => {
        now = (exp + seconds) * 1000;
      },
    });
    routes.close();
    assertEquals(routes.size, 0);
  });
}

function write(store: Store, text: string): Promise<unknown> {
  const body = new TextEncoder().encode(text);
  return store.put({ name: "home/x", ext: "txt", meta: [], by: "T2", body });
}

Deno.test("Streams send nothing to a capability after its expiry", async () => {
  await withCapability(undefined, async ({ routes, store, start, goTo }) => {
    const [mine, lasting] = [await start(), await start(true)];
    goTo(-1);
    await write(store, "while it holds");
    assertMatch((await mine.next())?.data ?? "", /while it holds/);
    goTo(0);
    await write(store, "too late");
    assertEquals(await mine.next(), undefined);
    assert(!mine.wire.includes("too late"));
    assertMatch((await lasting.next())?.data ?? "", /while it holds/);
    assertMatch((await lasting.next())?.data ?? "", /too late/);
    assertEquals(routes.size, 1);
    routes.close();
    assertEquals(await lasting.next(), undefined);
  });
});

Deno.test("Streams send heartbeats to idle streams and end those with an expired capability", async () => {
  await withCapability(5, async ({ routes, start, goTo }) => {
    const [mine, lasting] = [await start(), await start(true)];
    await mine.untilComments(2);
    await lasting.untilComments(2);
    assertEquals(mine.comments.slice(0, 2), ["beat", "beat"]);
    goTo(0);
    assertEquals(await mine.next(), undefined);
    assertEquals(routes.size, 1);
    await lasting.untilComments(lasting.comments.length + 2);
    await lasting.close();
    assertEquals(routes.size, 0);
  });
});

Deno.test("Streams send heartbeats in turns, so that many streams do not delay other requests", async () => {
  await withCapability(200, async ({ start }) => {
    const readers = [];
    for (let i = 0; i < 2 * HEARTBEATS_PER_TURN + 1; i++) readers.push(await start(true));
    const [first, last] = [readers[0], readers.at(-1)];
    await first?.untilComments(1);
    // Another turn of the event loop runs before the last stream has its heartbeat.
    assertEquals(last?.comments.length, 0);
    for (const reader of readers) await reader.untilComments(1);
    for (const reader of readers) await reader.close();
  });
});

Deno.test("Streams end the stream of a world that can no longer be read", async () => {
  let broken = false;
  await withApp({
    store: (store) =>
      new Proxy(store, {
        get(target, key) {
          if (key === "read" && broken) {
            return () => Promise.reject(new StoreError("damaged", "the file is torn"));
          }
          // As after a change that is too large for the cache.
          if (key === "watch") {
            return (name: string, listener: (change: object) => void) =>
              target.watch(name, ({ world: _, ...change }) => listener(change));
          }
          if (key === "follow") {
            return (name: string, listener: (published: Published) => void) =>
              target.follow(name, ({ change, ...published }) => {
                if (change === undefined) return listener(published);
                const { world: _, ...rest } = change;
                listener({ ...published, change: rest });
              });
          }
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
  }, async ({ ask, store }) => {
    const change = { name: "home/x", ext: "txt", meta: [], by: "T2" };
    await store.put({ ...change, body: new TextEncoder().encode("1") });
    const one = new EventReader(await ask("GET", "/stream/home/x"), new AbortController());
    const all = new EventReader(await ask("GET", "/stream/home/"), new AbortController());
    assertEquals((await one.next())?.type, "update");
    assertEquals((await all.next())?.type, "list");
    broken = true;
    await store.put({ ...change, body: new TextEncoder().encode("2") });
    assertEquals(await one.next(), undefined);
    assertEquals((await ask("GET", "/stream/home/x")).status, 500);
    broken = false;
    await store.put({ ...change, body: new TextEncoder().encode("3") });
    // The second version is skipped, unless its event is sent when the world can be read again.
    let text: unknown;
    while (text !== "3") text = JSON.parse((await all.next())?.data ?? "{}").stage_html;
    await all.close();
  });
});

Deno.test("Streams remove readers that disconnect, at any time", async () => {
  await withApp({}, async ({ server: context, store }) => {
    const routes = new Streams(context);
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => routes.open({ request, target: parseTarget(request.url), caller: LOCAL }),
    );
    const message = `GET /stream/home/x HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    for (let i = 0; i < 100; i++) {
      const connection = await Connection.open(server.addr.port);
      await connection.write(message);
      if (i % 2 === 0) await connection.write(message);
      connection.close();
    }
    const remaining = await Connection.open(server.addr.port);
    await remaining.write(message);
    // A write detects disconnected readers; each further write yields to the event loop.
    for (let i = 0; i < 2000 && routes.size !== 1; i++) {
      await store.put({
        name: "home/x",
        ext: "txt",
        meta: [],
        by: "T2",
        body: new TextEncoder().encode(String(i)),
      });
    }
    assertEquals(routes.size, 1);
    routes.close();
    remaining.close();
    await server.shutdown();
  });
});

test("Streams send one write to a thousand readers", async (server) => {
  await put(server, "/home/x", "one");
  const message = "GET /stream/home/x HTTP/1.1\r\nhost: localhost\r\n\r\n";
  const readers = await Promise.all(Array.from({ length: 1000 }, async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(message));
    const untilSeen = async (words: string) => {
      let text = "";
      const piece = new Uint8Array(4096);
      while (!text.includes(words)) {
        const read = await connection.read(piece);
        if (read === null) return false;
        text += new TextDecoder().decode(piece.subarray(0, read));
      }
      return true;
    };
    assert(await untilSeen('"stage_html":"one"'));
    return { connection, untilSeen };
  }));
  assertEquals((await put(server, "/home/x", "two")).status, 200);
  const seen = await Promise.all(readers.map(({ untilSeen }) => untilSeen('"stage_html":"two"')));
  assertEquals(seen.filter((each) => each).length, 1000);
  for (const { connection } of readers) connection.close();
});

Deno.test("Streams end at shutdown and do not block it", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    const reader = await open(server, "/stream/home/");
    await reader.next();
    const began = performance.now();
    const stopped = server.stop();
    assertEquals(await reader.next(), undefined);
    const took = performance.now() - began;
    assert(took < SHUTDOWN_TIMEOUT_MS, "the shutdown waited for its readers");
    await stopped;
  });
});

Deno.test("EventReader parses what encodeEvent() writes", async () => {
  const bytes = encodeEvent({ event: "update", id: "3", data: "a\nb" });
  const reader = new EventReader(new Response(bytes), new AbortController());
  assertEquals(await reader.next(), { type: "update", data: "a\nb", lastEventId: "3" });
  assertEquals(await reader.next(), undefined);
});
