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

Deno.test("readMissedChanges() takes a move that replaced a world as a change of each name once", async () => {
  const event = { timestamp: "", type: "stage_written", id: 1 };
  const made = { version_after: 3, from_version: 2, moved_from: "/home/a" };
  const events = [
    { ...event, cursor: "c1", name: "home/b", also: "home/a", payload: made },
    // The world at the new name was deleted since, and that event follows.
    {
      ...event,
      cursor: "c2",
      type: "world_moved",
      name: "home/a",
      also: "home/b",
      payload: { from: "/home/a", to: "/home/b", version: 2 },
    },
  ];
  const store = {
    changes: () => Promise.resolve({ events, cursor: "c2", more: false }),
    isShared: false,
    refresh: () => Promise.reject(new Error("not shared")),
    stat: () => undefined,
  };
  const { changes } = await readMissedChanges(store, LOCAL, "home", "c0");
  assertEquals(changes?.map(({ name, version, cursor }) => [name, version, cursor]), [
    ["home/b", 3, "c1"],
    ["home/a", 2, "c2"],
  ]);
});

Deno.test("readMissedChanges() gives the old name of a move the version that it had there", async () => {
  // A world at the new name had version 8 before.
  const payload: Record<string, unknown> = {
    version_after: 9,
    from_version: 2,
    moved_from: "/home/a",
  };
  const event = { timestamp: "", type: "stage_written", id: 3, cursor: "c1", payload };
  const events = [{ ...event, name: "home/b", also: "home/a" }];
  const store = {
    changes: () => Promise.resolve({ events, cursor: "c1", more: false }),
    isShared: false,
    refresh: () => Promise.reject(new Error("not shared")),
    stat: () => undefined,
  };
  const { changes } = await readMissedChanges(store, LOCAL, "home", "c0");
  assertEquals(changes?.map(({ name, version }) => [name, version]), [["home/a", 2], [
    "home/b",
    9,
  ]]);
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
