import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
} from "../../support/assert.ts";
import { LOCAL } from "../../../lib/auth/authenticate.ts";
import { CollectionFeed } from "../../../lib/routes/stream/collection_feed.ts";
import { readMissedChanges } from "../../../lib/routes/stream/missed_changes.ts";
import { MAX_CONTENTS_BYTES } from "../../../lib/limits.ts";
import type { Pieces } from "../../../lib/http/pieces.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import type { IndexedEvent } from "../../../lib/world/changes.ts";
import type { Published, Store } from "../../../lib/world/store.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { withApp } from "../../support/app.ts";

const decoder = new TextDecoder();

function textOf(event: Pieces = []): string {
  return event.map((piece) => decoder.decode(piece)).join("");
}

interface FeedRecorder {
  readonly feed: CollectionFeed;
  readonly pieces: Pieces[];
  received(): string[];
  /** Waits for a number of events. */
  receivedAll(count: number): Promise<string[]>;
}

function follow(
  store: Store,
  name: string,
  brief = false,
  lastEventId: string | null = null,
): FeedRecorder {
  const pieces: Pieces[] = [];
  const send = (event: Pieces) => pieces.push(event) > 0;
  const flags = { brief, deep: false, contents: false };
  const options = { store, caller: LOCAL, name, ...flags, send, onError: () => {} };
  const received = () =>
    pieces.map((piece) => {
      const [, event, data = ""] = /^event: (\w+)\nid: .*\ndata: (.*)\n/.exec(textOf(piece)) ??
        [];
      const parsed = JSON.parse(data);
      const names = Array.isArray(parsed) ? parsed.map((row) => row.name).join() : parsed.name;
      return `${event} ${names}`;
    });
  return {
    feed: new CollectionFeed(options, lastEventId),
    pieces,
    received,
    receivedAll: (count) =>
      eventually(
        () => Promise.resolve(pieces.length >= count ? received() : undefined),
        `${count} events`,
      ),
  };
}

function put(store: Store, name: string) {
  return store.put({ name, ext: "txt", meta: [], by: "T2", body: new TextEncoder().encode(name) });
}

function idOf(piece: Pieces | undefined): string {
  return /^id: (.*)$/m.exec(textOf(piece))?.[1] ?? "";
}

Deno.test("CollectionFeed sends every change below its collection and no other", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "home/c/a");
    const { feed, received, receivedAll } = follow(store, "home/c");
    await feed.start();
    for (const name of ["home/c", "home/cc/x", "home/c/a", "home/c/b/d", "etc/c/x"]) {
      await put(store, name);
    }
    await store.remove({ name: "home/c/a", by: "T3" });
    const expected = ["list a", "update home/c/a", "update home/c/b/d", "delete home/c/a"];
    assertEquals(await receivedAll(4), expected);
    feed.stop();
    const other = follow(store, "home/c");
    await other.feed.start();
    await put(store, "home/c/z");
    await other.receivedAll(2);
    assertEquals(received().length, 4);
    other.feed.stop();
  });
});

Deno.test("CollectionFeed of the whole tree leaves out worlds that the caller cannot read", async () => {
  await withApp({}, async ({ store }) => {
    const { feed, received, receivedAll } = follow(store, "");
    await feed.start();
    for (const name of ["boot/x", "etc/shadow", "etc/Shadow", "etc/shadow/x", "etc/ok"]) {
      await put(store, name);
    }
    assertEquals((await receivedAll(2)).slice(1), ["update etc/ok"]);
    assertEquals(/boot/.test(received()[0] ?? ""), false);
    feed.stop();
  });
});

Deno.test("CollectionFeed encodes a change once for all readers, brief events separately", async () => {
  await withApp({}, async ({ store }) => {
    const readers = [
      follow(store, "home"),
      follow(store, ""),
      follow(store, "home", true),
      follow(store, "home", true),
    ];
    for (const { feed } of readers) await feed.start();
    for (let i = 0; i < 3; i++) await put(store, "home/x");
    for (const { receivedAll } of readers) await receivedAll(4);
    const [full, whole, brief, brief2] = readers.map(({ pieces }) => pieces.slice(1));
    for (let i = 0; i < 3; i++) {
      assertStrictEquals(full?.[i], whole?.[i]);
      assertStrictEquals(brief?.[i], brief2?.[i]);
      assertNotStrictEquals(full?.[i], brief?.[i]);
      assertStrictEquals(idOf(full?.[i]), idOf(brief?.[i]));
    }
    assertEquals(new Set(full?.map(idOf)).size, 3);
    for (const { feed } of readers) feed.stop();
  });
});

Deno.test("CollectionFeed continues after the last event id of its reader", async () => {
  await withApp({}, async ({ store }) => {
    const first = follow(store, "home");
    await first.feed.start();
    await put(store, "home/a");
    await first.receivedAll(2);
    const id = idOf(first.pieces.at(-1));
    for (const name of ["home/b", "etc/x", "home/a", "home/b"]) await put(store, name);
    await store.remove({ name: "home/a", by: "T3" });
    await first.receivedAll(6);
    first.feed.stop();
    const again = follow(store, "home", false, id);
    await again.feed.start();
    assertEquals(again.received(), ["update home/b", "delete home/a"]);
    await put(store, "home/c");
    assertEquals((await again.receivedAll(3)).at(-1), "update home/c");
    again.feed.stop();
    const other = follow(store, "home", false, `x${id}`);
    await other.feed.start();
    assertEquals(other.received(), ["list b,c"]);
    other.feed.stop();
  });
});

Deno.test("CollectionFeed sends no older version after one that it read for a missed change", async () => {
  await withApp({}, async ({ store }) => {
    const first = follow(store, "home");
    await first.feed.start();
    await put(store, "home/a");
    await first.receivedAll(2);
    first.feed.stop();
    await put(store, "home/a");
    await put(store, "home/b");
    // Each world changes between the look for missed changes and its read.
    const changed = new Proxy(store, {
      get(target, key) {
        if (key !== "read") {
          const found = Reflect.get(target, key, target);
          return typeof found === "function" ? found.bind(target) : found;
        }
        return async (name: string) => {
          await put(store, name);
          if (name === "home/b") await store.remove({ name, by: "T3" });
          await put(store, name);
          return await store.read(name);
        };
      },
    });
    const again = follow(changed, "home", false, idOf(first.pieces.at(-1)));
    await again.feed.start();
    await put(store, "home/end");
    const versions = () =>
      again.pieces.map((piece) => {
        const { name, version } = JSON.parse(/\ndata: (.*)\n/.exec(textOf(piece))?.[1] ?? "{}");
        return `${name} ${version}`;
      });
    await eventually(
      () => Promise.resolve(versions().includes("home/end 1") || undefined),
      "the last change",
    );
    again.feed.stop();
    // The version that was read, and its own change.
    assertEquals(versions().filter((name) => name.startsWith("home/a")), ["home/a 4", "home/a 4"]);
    assertEquals(versions().filter((name) => name.startsWith("home/b")), ["home/b 3", "home/b 3"]);
  });
});

Deno.test("CollectionFeed sends current states for changes that an earlier connection can have seen", async () => {
  await withApp({}, async ({ store }) => {
    const first = follow(store, "home");
    await first.feed.start();
    for (const name of ["home/a", "home/b"]) await put(store, name);
    await first.receivedAll(3);
    first.feed.stop();
    const id = idOf(first.pieces.at(-1));
    const old = await store.read("home/a");
    for (const name of ["home/a", "home/b"]) await put(store, name);
    // The followers get these changes after the reader has connected again.
    const publish: ((published: Published) => void)[] = [];
    const slow = new Proxy(store, {
      get(target, key) {
        if (key === "follow") {
          return (_: string, call: (published: Published) => void) => {
            publish.push(call);
            return () => {};
          };
        }
        if (key === "changes") {
          return () => Promise.resolve({ events: [], cursor: id, more: false });
        }
        const found = Reflect.get(target, key, target);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
    const again = follow(slow, "home", false, id);
    await again.feed.start();
    const seq = store.seq;
    assert(old !== undefined);
    const change = { name: "home/a", version: 1, by: "T2" };
    for (
      const changed of [
        { ...change, kind: "update", seq: seq - 1, world: old },
        { ...change, kind: "delete", seq },
        { ...change, kind: "delete", seq, name: "home/gone" },
        { ...change, kind: "update", seq: seq + 1, version: 3, world: { ...old, version: 3 } },
      ] as const
    ) publish[0]?.({ name: changed.name, cursor: `c${changed.seq}`, change: changed });
    await again.receivedAll(3);
    again.feed.stop();
    const sent = again.pieces.map((piece) => {
      const [, event, data = ""] = /^event: (\w+)\nid: .*\ndata: (.*)\n/.exec(textOf(piece)) ?? [];
      const { name, version } = JSON.parse(data);
      return `${event} ${name} ${version}`;
    });
    assertEquals(sent, ["update home/a 2", "delete home/gone 1", "update home/a 3"]);
  });
});

Deno.test("CollectionFeed sends both changes of a move to a reader that can have one of them", async () => {
  await withApp({}, async ({ store }) => {
    const first = follow(store, "home");
    await first.feed.start();
    await put(store, "home/a");
    await store.rename({ name: "home/a", to: "home/b", ext: "txt", by: "T3" });
    assertEquals((await first.receivedAll(4)).slice(2), ["update home/b", "delete home/a"]);
    first.feed.stop();
    // They have one id: the connection can have ended between them.
    const id = idOf(first.pieces[2]);
    assertEquals(idOf(first.pieces[3]), id);
    const again = follow(store, "home", false, id);
    await again.feed.start();
    assertEquals(again.received(), ["delete home/a", "update home/b"]);
    await put(store, "home/c");
    await again.receivedAll(3);
    again.feed.stop();
    // Any other event is not sent again.
    const last = follow(store, "home", false, idOf(again.pieces[2]));
    await last.feed.start();
    assertEquals(last.received(), []);
    last.feed.stop();
  });
});

Deno.test("CollectionFeed sends no older version than its listing had", async () => {
  await withApp({}, async ({ store }) => {
    for (const name of ["home/a", "home/b"]) await put(store, name);
    // The worlds change between the beginning of the stream and its listing.
    const changed = new Proxy(store, {
      get(target, key) {
        if (key === "list") {
          return async (...given: Parameters<Store["list"]>) => {
            for (const name of ["home/a", "home/a", "home/b"]) await put(store, name);
            await store.remove({ name: "home/b", by: "T3" });
            await put(store, "home/b");
            return await store.list(...given);
          };
        }
        const found = Reflect.get(target, key, target);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
    const { feed, pieces } = follow(changed, "home");
    await feed.start();
    await put(store, "home/end");
    const versions = () =>
      pieces.slice(1).map((piece) => {
        const [, event, data = ""] = /^event: (\w+)\nid: .*\ndata: (.*)\n/.exec(textOf(piece)) ??
          [];
        const { name, version } = JSON.parse(data);
        return `${event} ${name} ${version}`;
      });
    await eventually(
      () => Promise.resolve(versions().includes("update home/end 1") || undefined),
      "the last change",
    );
    feed.stop();
    assert(textOf(pieces[0]).includes('"version":3'), textOf(pieces[0]));
    const sent = new Set(versions());
    assertEquals([...sent], ["update home/a 3", "update home/b 3", "update home/end 1"]);
  });
});

Deno.test("CollectionFeed sends no older state if the server is behind the reader", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "home/a");
    const first = follow(store, "home");
    await first.feed.start();
    await put(store, "home/a");
    await first.receivedAll(2);
    first.feed.stop();
    const id = idOf(first.pieces.at(-1));
    const [world, entry] = [await store.read("home/a"), store.stat("home/a")];
    await put(store, "home/a");
    await put(store, "home/new");
    // Memory of this server has the state that the reader has, and follows when it is asked.
    const open = (isListed: boolean) => {
      let isBehind = true;
      const late = new Proxy(store, {
        get(target, key) {
          if (key === "isShared") return true;
          if (key === "refresh") return () => Promise.resolve(void (isBehind = false));
          const of = (name: string) => name === "home/a";
          if (isBehind && key === "stat") return (name: string) => of(name) ? entry : undefined;
          if (isBehind && key === "read") {
            return (name: string) => Promise.resolve(of(name) ? world : undefined);
          }
          if (isBehind && key === "list") {
            return () => Promise.resolve([{ name: "a", dir: false, entry }]);
          }
          const found = Reflect.get(target, key, target);
          return typeof found === "function" ? found.bind(target) : found;
        },
      });
      return follow(late, "home", false, isListed ? null : id);
    };
    const again = open(false);
    await again.feed.start();
    assertEquals(again.received(), ["update home/a", "update home/new"]);
    assert(textOf(again.pieces[0]).includes('"version":3'), textOf(again.pieces[0]));
    again.feed.stop();
    // The listing has everything that its cursor covers.
    const list = open(true);
    await list.feed.start();
    assertEquals(list.received(), ["list a,new"]);
    list.feed.stop();
  });
});

/** What a reader has missed, with the versions: of a store, or of events. */
async function missedOf(
  store: Parameters<typeof readMissedChanges>[0],
  id: string,
  caller: Caller = LOCAL,
): Promise<string[]> {
  const { changes = [] } = await readMissedChanges(store, caller, "home", id);
  return changes.map(({ kind, name, version }) => `${kind} ${name} ${version}`);
}

Deno.test("readMissedChanges() returns both names of a move, and one of a restore", async () => {
  await withApp({}, async ({ store }) => {
    const cursor = async () => {
      const within = [{ name: "home", part: "tree", restricted: false }] as const;
      return (await store.changes({ within, order: "newest", limit: 1 })).cursor;
    };
    for (let i = 1; i <= 5; i++) await put(store, "home/b");
    await store.remove({ name: "home/b", by: "T3" });
    await put(store, "home/a");
    const first = await cursor();
    await store.rename({ name: "home/a", to: "home/b", ext: "txt", by: "T3" });
    // At its own name the world had version 1; at the new one it continues after version 5.
    assertEquals(await missedOf(store, first), ["delete home/a 1", "update home/b 6"]);
    await put(store, "home/c");
    const second = await cursor();
    await store.rename({ name: "home/b", to: "home/c", ext: "txt", by: "T3", replace: true });
    assertEquals(await missedOf(store, second), ["update home/c 7", "delete home/b 6"]);
    const third = await cursor();
    await put(store, "home/d");
    const { trash } = await store.remove({ name: "home/d", by: "T3" });
    const restore = { trash, from: "home/d", by: "T3", ext: "txt", state: "" };
    await store.restore({ ...restore, name: "home/e" });
    assertEquals(await missedOf(store, third), ["delete home/d 1", "update home/e 2"]);
    assertEquals(await missedOf(store, await cursor()), []);
  });
});

Deno.test("readMissedChanges() knows a move that did not record the version before it", async () => {
  const event = { timestamp: "", type: "world_moved", id: 3, cursor: "c1" };
  const payload = { op: "move", from: "/home/a", to: "/home/b", version_after: 9 };
  const moved = { ...event, name: "home/b", also: "home/a", payload };
  const restored = { ...moved, type: "world_restored", id: 4, cursor: "c2" };
  const storeOf = (...events: IndexedEvent[]) => ({
    changes: () => Promise.resolve({ events, cursor: "c2", more: false }),
    isShared: false,
    refresh: () => Promise.reject(new Error("not shared")),
    stat: () => undefined,
  });
  assertEquals(await missedOf(storeOf(moved), "c0"), ["delete home/a 8", "delete home/b 9"]);
  const { also: _, ...alone } = restored;
  assertEquals(await missedOf(storeOf(moved, alone), "c0"), ["delete home/b 9"]);
  // To this reader the event of a restore would be hidden.
  const hidden = { ...moved, name: "etc/shadow" };
  assertEquals(await missedOf(storeOf(hidden), "c0"), []);
  const full = { ...hidden, payload: { ...payload, from_version: 2 } };
  assertEquals(await missedOf(storeOf(full), "c0"), ["delete home/a 2"]);
});

Deno.test("CollectionFeed lists all worlds below, and their contents up to the limit of a page", async () => {
  await withApp({}, async ({ store }) => {
    const write = (name: string, text: string) =>
      store.put({
        name,
        ext: "txt",
        meta: [["x-meta-a", "b"]],
        by: "T2",
        body: new TextEncoder().encode(text),
      });
    await write("home/c/a", "x");
    await write("home/c/b/long", "y".repeat(MAX_CONTENTS_BYTES - 1000));
    await write("home/c/b/next", "z".repeat(2000));
    await store.put({
      name: "etc/fstab",
      ext: "txt",
      meta: [],
      by: "T3",
      body: new TextEncoder().encode("https://a /mnt/a ro,bearer=hidden"),
    });
    const list = async (name: string, flags: { deep: boolean; contents: boolean }) => {
      const pieces: Pieces[] = [];
      const feed = new CollectionFeed({
        store,
        caller: LOCAL,
        name,
        brief: false,
        ...flags,
        send: (event) => pieces.push(event) > 0,
        onError: () => {},
      }, null);
      await feed.start();
      feed.stop();
      const [, data = ""] = /\ndata: (.*)\n/.exec(textOf(pieces[0] ?? [])) ?? [];
      return JSON.parse(data);
    };
    const short = (rows: { name: string; stage_html?: string; meta?: unknown }[]) =>
      rows.map(({ name, stage_html, meta }) => [name, stage_html?.length, meta !== undefined]);
    assertEquals(short(await list("home/c", { deep: true, contents: true })), [
      ["home/c/a", 1, true],
      ["home/c/b/long", MAX_CONTENTS_BYTES - 1000, true],
      ["home/c/b/next", undefined, false],
    ]);
    assertEquals(short(await list("home/c", { deep: false, contents: true })), [
      ["a", 1, true],
      ["b", undefined, false],
    ]);
    assertEquals(short(await list("home/c", { deep: true, contents: false })), [
      ["home/c/a", undefined, false],
      ["home/c/b/long", undefined, false],
      ["home/c/b/next", undefined, false],
    ]);
    const etc = JSON.stringify(await list("etc", { deep: true, contents: true }));
    assert(etc.includes("bearer=***") && !etc.includes("hidden"), etc);
    const all = await list("", { deep: true, contents: true });
    assert(all.every(({ name }: { name: string }) => !name.startsWith("boot/")));
  });
});

Deno.test("CollectionFeed sends the newest of changes that happen while it reads the missed ones", async () => {
  await withApp({}, async ({ store }) => {
    const first = follow(store, "home", true);
    await first.feed.start();
    await put(store, "home/a");
    await first.receivedAll(2);
    const id = idOf(first.pieces.at(-1));
    // Two changes of one world are published between the start of the feed and its read.
    const changes: Store["changes"] = async (query) => {
      await Promise.all([put(store, "home/b"), put(store, "home/b")]);
      await first.receivedAll(4);
      return await store.changes(query);
    };
    const busy = new Proxy(store, {
      get(target, key) {
        if (key === "changes") return changes;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const again = follow(busy, "home", true, id);
    await again.feed.start();
    const versions = again.pieces.map((piece) => /"version":(\d+)/.exec(textOf(piece))?.[1]);
    assertEquals(versions, ["2"]);
    for (const { feed } of [first, again]) feed.stop();
  });
});
