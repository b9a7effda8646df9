import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { LOCAL } from "../../../lib/auth/authenticate.ts";
import { WorldFeed } from "../../../lib/routes/stream/world_feed.ts";
import type { Pieces } from "../../../lib/http/pieces.ts";
import type { Change, Store } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";

const decoder = new TextDecoder();

function textOf(event: Pieces = []): string {
  return event.map((piece) => decoder.decode(piece)).join("");
}

/** Event, id and data of each chunk that was sent. */
function formatAll(pieces: readonly Pieces[]): string[] {
  return pieces.map((piece) => {
    const text = textOf(piece);
    const [, event, id] = /^event: (\w+)\nid: (\d+)\n/.exec(text) ?? [];
    return `${event} ${id} ${/"stage_html":"(.*?)"/.exec(text)?.[1] ?? ""}`.trim();
  });
}

function put(store: Store, body: string, name = "home/x") {
  const bytes = new TextEncoder().encode(body);
  return store.put({ name, ext: "txt", meta: [], by: "T2", body: bytes });
}

interface FeedRecorder {
  readonly feed: WorldFeed;
  readonly pieces: Pieces[];
  readonly failures: { count: number };
}

function follow(
  store: Store,
  lastEventId: string | null = null,
  name = "home/x",
): FeedRecorder {
  const pieces: Pieces[] = [];
  const failures = { count: 0 };
  const send = (event: Pieces) => pieces.push(event) > 0;
  const fail = () => void failures.count++;
  const feed = new WorldFeed(
    { store, caller: LOCAL, name, send, onError: fail },
    lastEventId,
  );
  return { feed, pieces, failures };
}

/** A store whose changes come without content, and whose reads wait for the test. */
function holdReads(store: Store) {
  const waiting: (() => void)[] = [];
  const held = new Proxy(store, {
    get(target, key) {
      if (key === "read") {
        return async (name: string) => {
          const found = await target.read(name);
          await new Promise<void>((resume) => waiting.push(resume));
          return found;
        };
      }
      if (key === "watch") {
        return (name: string, listener: (change: object) => void) =>
          target.watch(name, ({ world: _, ...change }) => listener(change));
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  async function releaseRead(): Promise<void> {
    while (waiting.length === 0) await new Promise((resume) => setImmediate(resume));
    waiting.shift()?.();
    await new Promise((resume) => setImmediate(resume));
  }
  return { held, releaseRead };
}

Deno.test("WorldFeed encodes a version once for all its readers, and reads it once", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "a");
    const [one, two] = [follow(store), follow(store)];
    await one.feed.start();
    await two.feed.start();
    assertStrictEquals(one.pieces[0], two.pieces[0]);
    await put(store, "b");
    assertStrictEquals(one.pieces[1], two.pieces[1]);
    const late = follow(store, "1");
    await late.feed.start();
    assertStrictEquals(late.pieces[0], one.pieces[1]);
    for (const { feed } of [one, two, late]) feed.stop();
  });
});

Deno.test("WorldFeed reads missed versions only as fast as its reader takes them", async () => {
  await withApp({}, async ({ store }) => {
    for (let i = 1; i <= 5; i++) await put(store, String(i));
    const pieces: Pieces[] = [];
    let taken = Promise.withResolvers<void>();
    const feed = new WorldFeed({
      store,
      caller: LOCAL,
      name: "home/x",
      send: (event) => pieces.push(event) > 0,
      drained: () => pieces.length === 0 ? undefined : taken.promise,
      onError: () => {},
    }, "1");
    await feed.start();
    assertEquals(formatAll(pieces), ["update 2 2"]);
    await put(store, "6");
    for (let i = 3; i <= 6; i++) {
      const next = taken;
      taken = Promise.withResolvers();
      next.resolve();
      while (pieces.length < i - 1) await new Promise((resume) => setImmediate(resume));
      assertEquals(formatAll(pieces).at(-1), `update ${i} ${i}`);
    }
    await put(store, "7");
    assertEquals(formatAll(pieces).slice(-2), ["update 6 6", "update 7 7"]);
    feed.stop();
  });
});

Deno.test("WorldFeed sends a version that changed during its start only once", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const { held, releaseRead } = holdReads(store);
    const { feed, pieces } = follow(held);
    const started = feed.start();
    // The pending read returns version 1; later changes are sent after it.
    await put(store, "2");
    await put(store, "3");
    await releaseRead();
    await releaseRead();
    await started;
    assertEquals(formatAll(pieces), ["update 1 1", "update 2 2", "update 3 3"]);
    feed.stop();
  });
  await withApp({}, async ({ store }) => {
    const { feed, pieces } = follow(store);
    const written = put(store, "1");
    const started = feed.start();
    await Promise.all([written, started]);
    assertEquals(formatAll(pieces), ["update 1 1"]);
    feed.stop();
  });
});

Deno.test("WorldFeed sends each version to a reader that waits for the disk", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const { held, releaseRead } = holdReads(store);
    const { feed, pieces } = follow(held);
    const started = feed.start();
    await releaseRead();
    await started;
    for (let i = 2; i <= 9; i++) await put(store, String(i));
    await releaseRead();
    await releaseRead();
    await put(store, "10");
    await releaseRead();
    const all = Array.from({ length: 10 }, (_, i) => `update ${i + 1} ${i + 1}`);
    assertEquals(formatAll(pieces), all);
    feed.stop();
  });
});

/** A store of a server that is behind: it shows the state before until it is brought up to date. */
function behind(store: Store, before: Pick<Store, "read" | "stat">) {
  let isBehind = true;
  const late = new Proxy(store, {
    get(target, key) {
      if (key === "isShared") return true;
      if (key === "refresh") return () => Promise.resolve(void (isBehind = false));
      if ((key === "read" || key === "stat") && isBehind) return before[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return late;
}

Deno.test("WorldFeed continues where the reader is if the server is behind", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const [world, entry] = [await store.read("home/x"), store.stat("home/x")];
    const first = { read: () => Promise.resolve(world), stat: () => entry };
    const none = { read: () => Promise.resolve(undefined), stat: () => undefined };
    for (let i = 2; i <= 4; i++) await put(store, String(i));
    const { feed, pieces } = follow(behind(store, first), "3");
    await feed.start();
    assertEquals(formatAll(pieces), ["update 4 4"]);
    feed.stop();
    const same = follow(behind(store, first), "4");
    await same.feed.start();
    assertEquals(formatAll(same.pieces), []);
    same.feed.stop();
    // A world that the server does not know yet was not deleted.
    const unknown = follow(behind(store, none), "2");
    await unknown.feed.start();
    assertEquals(formatAll(unknown.pieces), ["update 3 3", "update 4 4"]);
    unknown.feed.stop();
  });
});

Deno.test("WorldFeed sends nothing older than what it has read before memory had it", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const entry = store.stat("home/x");
    let publish: ((change: Change) => void) | undefined;
    const late = new Proxy(behind(store, { read: () => store.read("home/x"), stat: () => entry }), {
      get(target, key) {
        if (key === "watch") {
          return (_: string, listener: (change: Change) => void) => {
            publish = listener;
            return () => {};
          };
        }
        return Reflect.get(target, key);
      },
    });
    for (const body of ["2", "3"]) await put(store, body);
    const { feed, pieces } = follow(late);
    await feed.start();
    assertEquals(formatAll(pieces), ["update 3 3"]);
    // Memory gets what the reader has already.
    for (const version of [2, 3]) {
      const world = await store.readAt("home/x", version);
      publish?.({ kind: "update", name: "home/x", version, seq: version, by: "T2", world });
      await new Promise((resume) => setImmediate(resume));
    }
    await put(store, "4");
    const world = await store.readAt("home/x", 4);
    publish?.({ kind: "update", name: "home/x", version: 4, seq: 4, by: "T2", world });
    assertEquals(formatAll(pieces), ["update 3 3", "update 4 4"]);
    feed.stop();
  });
});

Deno.test("WorldFeed sends the state of a plugin that changed without a new version", async () => {
  await withApp({}, async ({ store }) => {
    const name = "lib/p";
    await put(store, "1", name);
    await store.transition({ name, to: "pending", by: "T2" });
    const [world, entry] = [await store.read(name), store.stat(name)];
    const before = { read: () => Promise.resolve(world), stat: () => entry };
    await store.transition({ name, to: "active", by: "T3" });
    // The reader has version 1 in one of the two states.
    for (const server of [store, behind(store, before)]) {
      const { feed, pieces } = follow(server, "1", name);
      await feed.start();
      assertEquals(formatAll(pieces), ["update 1 1"]);
      assert(textOf(pieces[0]).includes('"state":"active"'), textOf(pieces[0]));
      feed.stop();
    }
  });
});

Deno.test("WorldFeed.stop() ends all events", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const { feed, pieces } = follow(store);
    await feed.start();
    feed.stop();
    await put(store, "2");
    assertEquals(formatAll(pieces), ["update 1 1"]);
    feed.stop();
  });
});

Deno.test("WorldFeed sends nothing to a reader with the current version", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const { feed, pieces } = follow(store, "1");
    await feed.start();
    assertEquals(formatAll(pieces), []);
    await put(store, "2");
    assertEquals(formatAll(pieces), ["update 2 2"]);
    feed.stop();
  });
});

Deno.test("WorldFeed calls onError() if a change cannot be read", async () => {
  let broken = false;
  await withApp({}, async ({ store }) => {
    await put(store, "1");
    const { held, releaseRead } = holdReads(store);
    const torn = new Proxy(held, {
      get(target, key) {
        if (key === "read" && broken) return () => Promise.reject(new Error("torn"));
        return Reflect.get(target, key, target);
      },
    });
    const { feed, failures } = follow(torn);
    const started = feed.start();
    await releaseRead();
    await started;
    await put(store, "2");
    await releaseRead();
    assertEquals(failures.count, 0);
    broken = true;
    await put(store, "3");
    await new Promise((resume) => setImmediate(resume));
    assertEquals(failures.count, 1);
    feed.stop();
  });
});
