import { DatabaseSync } from "node:sqlite";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  errorWith,
} from "../../support/assert.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { SEARCH_COLLECT_MS } from "../../../lib/search_limits.ts";
import { acquireDataFolder } from "../../../lib/world/file/data_folder.ts";
import { toFolderName } from "../../../lib/world/name.ts";
import { SearchIndex, type SearchIndexOptions } from "../../../lib/world/store/search_index.ts";
import { openSqliteStore } from "../../../lib/world/store/sqlite_store.ts";
import type { SqliteStoreOptions } from "../../../lib/world/store/sqlite_store_options.ts";
import type { SearchQuery } from "../../../lib/world/search.ts";
import { type Store, StoreError } from "../../../lib/world/store.ts";
import { STORE_WORKER } from "../../support/store_worker.ts";

const COUNTS = { worlds: 0, waitingChars: 0, bytes: 0 };
const encoder = new TextEncoder();
const QUERY: SearchQuery = {
  within: [{ name: "", part: "tree", restricted: false }],
  original: false,
  isolated: false,
  text: "",
  limit: 1000,
};

function open(data: string, options: Partial<SqliteStoreOptions> = {}): Promise<Store> {
  return openSqliteStore({
    folder: acquireDataFolder(data),
    key: "k",
    lower: new Map(),
    workerUrl: STORE_WORKER,
    isRestricted: (name) => name.startsWith("boot/"),
    ...options,
  });
}

async function withStore(
  use: (store: Store, data: string) => Promise<void>,
  options: Partial<SqliteStoreOptions> = {},
): Promise<void> {
  await withTempFolder(async (data) => {
    const store = await open(data, options);
    try {
      await use(store, data);
    } finally {
      await store.close();
    }
  });
}

function put(store: Store, name: string, text: string) {
  return store.put({ name, body: encoder.encode(text), ext: "txt", meta: [], by: "T2" });
}

async function find(store: Store, text: string, more: Partial<SearchQuery> = {}) {
  const { hits } = await store.search({ ...QUERY, text, ...more });
  return hits.map(({ name, version, line }) => `${name}@${version}:${line}`);
}

Deno.test("SearchIndex follows changes without a search", () =>
  withStore(async (store) => {
    await find(store, "open the index");
    await put(store, "home/a", "text");
    await eventually(
      () => Promise.resolve(store.counts.search.worlds === 1 ? true : undefined),
      "the world is in the index",
    );
    await eventually(
      () => Promise.resolve(store.counts.search.waitingChars === 0 ? true : undefined),
      "the text is in the full-text index",
    );
    assertEquals(await find(store, "text"), ["home/a@1:1"]);
  }));

Deno.test("SearchIndex follows worlds that change all the time, each once in a step", () =>
  withStore(async (store) => {
    await find(store, "open the index");
    let isRunning = true;
    let written = 0;
    const writer = (async () => {
      while (isRunning) {
        written += 1;
        await Promise.all([0, 1, 2, 3].map((i) => put(store, `home/${i}`, `state ${written} end`)));
      }
    })();
    await eventually(
      () => Promise.resolve(store.counts.search.worlds === 4 ? true : undefined),
      "all worlds are in the index although they change",
    );
    assert(store.counts.search.pending <= 4);
    isRunning = false;
    await writer;
    assertStrictEquals((await find(store, `state ${written} end`)).length, 4);
  }));

/** An index over a fake file. Its clock throws if the index reads it all the time. */
function withFakeFile(
  updateSearch: SearchIndexOptions["files"]["updateSearch"],
  use: (index: SearchIndex) => Promise<void>,
  runSearch: SearchIndexOptions["files"]["runSearch"] = () =>
    Promise.resolve({ hits: [], more: false, tooLong: [], isShared: false }),
  log: SearchIndexOptions["log"] = () => {},
): Promise<void> {
  let readings = 0;
  const index = new SearchIndex({
    files: {
      updateSearch,
      changeSearch: () => Promise.resolve(COUNTS),
      runSearch,
    },
    stat: () => undefined,
    walk: () => [],
    peek: () => undefined,
    read: () => Promise.resolve(undefined),
    isRestricted: () => false,
    redact: (world) => world,
    isRedacted: () => false,
    limits: { running: 2, waiting: 8, waitingPerClient: 8 },
    lockWaitMs: 200,
    log,
    now() {
      readings += 1;
      assert(readings < 1_000, "the index works without a pause");
      return performance.now();
    },
  });
  return use(index).finally(() => index.stop());
}

Deno.test("a search does not work without a pause if a world changes while the index reads it", () => {
  let updates = 0;
  let record = (_name: string) => {};
  return withFakeFile(async (entries) => {
    updates += 1;
    await new Promise((resume) => setTimeout(resume, 5));
    for (const { name } of entries) record(name);
    return { counts: COUNTS, done: entries.length, failed: [], needsBody: [] };
  }, async (index) => {
    record = (name) => index.record(name);
    await index.search(QUERY, {});
    for (let round = 1; round <= 3; round++) {
      index.record("home/a");
      await index.search({ ...QUERY, text: `round ${round}` }, {});
      // The change during the reading was after the search began, so the search does not wait for it.
      assertEquals(updates, round);
    }
  });
});

Deno.test("a search waits for each change before it, however long the index takes to read it", () => {
  let updates = 0;
  const order: string[] = [];
  return withFakeFile(async (entries) => {
    updates += 1;
    await new Promise((resume) => setTimeout(resume, SEARCH_COLLECT_MS * 2));
    order.push("read");
    return { counts: COUNTS, done: entries.length, failed: [], needsBody: [] };
  }, async (index) => {
    await index.search(QUERY, {});
    order.length = 0;
    index.record("home/a");
    await index.search({ ...QUERY, text: "of a busy computer" }, {});
    assertEquals([order, updates], [["read", "searched"], 1]);
  }, () => {
    order.push("searched");
    return Promise.resolve({ hits: [], more: false, tooLong: [], isShared: false });
  });
});

Deno.test("a search does not end the pause after an update that failed", () => {
  let updates = 0;
  const busy = () => {
    updates += 1;
    return Promise.reject(new StoreError("busy", "Cannot update: another process has the file"));
  };
  return withFakeFile(busy, async (index) => {
    await index.search(QUERY, {});
    index.record("home/a");
    const controller = new AbortController();
    const { signal } = controller;
    const searches = [1, 2, 3].map((number) =>
      index.search({ ...QUERY, text: `${number}` }, { signal })
    );
    // Timers end in the order of their times, also on a slow computer: the pause is longer.
    const seen = await new Promise((resolve) => setTimeout(() => resolve(updates), 100));
    controller.abort();
    await Promise.allSettled(searches);
    assertEquals(seen, 1);
  });
});

/** A locked world with the text "second", of which the search index has "first", as after a crash. */
async function lockChanged(data: string): Promise<DatabaseSync> {
  for (const text of ["first", "second"]) {
    const index = await Deno.readFile(`${data}/.search.db`).catch(() => undefined);
    const store = await open(data);
    await put(store, "home/a", text);
    assertStrictEquals((await find(store, text)).length, 1);
    await store.close();
    if (index !== undefined) await Deno.writeFile(`${data}/.search.db`, index);
  }
  const lock = new DatabaseSync(`${data}/${toFolderName("home/a")}/universe.db`);
  lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  return lock;
}

Deno.test("a search waits for a world that is locked for a moment, and finds its newest text", () =>
  withTempFolder(async (data) => {
    const lock = await lockChanged(data);
    const store = await open(data, { lockWaitMs: 60_000 });
    const found = find(store, "second");
    // In this time the index has tried to read the world several times.
    await new Promise((resume) => setTimeout(resume, 300));
    assertEquals(await Promise.race([found, Promise.resolve("waiting")]), "waiting");
    lock.close();
    assertEquals(await found, ["home/a@2:1"]);
    await store.close();
  }));

Deno.test("a search uses the earlier text of a world that stays locked longer than the lock wait", () =>
  withTempFolder(async (data) => {
    const lock = await lockChanged(data);
    const store = await open(data, { lockWaitMs: 200 });
    const start = performance.now();
    assertEquals(await find(store, "first"), ["home/a@1:1"]);
    assert(performance.now() - start >= 200, "the search did not wait");
    lock.close();
    const isRead = async () => (await find(store, "second")).length === 1 || undefined;
    await eventually(isRead, "the world is read after the lock");
    await store.close();
  }));

Deno.test("SearchIndex continues after a restart, and after the index was lost or damaged", () =>
  withTempFolder(async (data) => {
    let store = await open(data);
    await put(store, "home/a", "one word");
    await put(store, "home/b", "two word");
    await find(store, "word");
    await store.close();
    for (const damage of ["none", "remove", "overwrite", "truncate"]) {
      const path = `${data}/.search.db`;
      if (damage === "remove") Deno.removeSync(path);
      if (damage === "overwrite") Deno.writeTextFileSync(path, "x".repeat(50_000));
      if (damage === "truncate") Deno.truncateSync(path, 20_000);
      store = await open(data);
      assertEquals(await find(store, "word"), ["home/a@1:1", "home/b@1:1"], damage);
      await store.close();
    }
  }));

Deno.test("SearchIndex finds what changed while its file was older or away", () =>
  withTempFolder(async (data) => {
    let store = await open(data);
    await put(store, "home/a", "first");
    await put(store, "home/gone", "first");
    await find(store, "first");
    await store.close();
    const saved = await Deno.readFile(`${data}/.search.db`);
    store = await open(data);
    await put(store, "home/a", "second");
    await put(store, "home/new", "first");
    await store.close();
    // As after a power loss, and after a manual removal.
    await Deno.writeFile(`${data}/.search.db`, saved);
    await Deno.remove(`${data}/${toFolderName("home/gone")}`, { recursive: true });
    store = await open(data);
    assertEquals(await find(store, "first"), ["home/new@1:1"]);
    assertEquals(await find(store, "second"), ["home/a@2:1"]);
    await eventually(
      () => Promise.resolve(store.counts.search.worlds === 2 ? true : undefined),
      "the removed world is not in the index",
    );
    await store.close();
  }));

Deno.test("SearchIndex creates its file again if a search shows that it is damaged", () => {
  const lines: string[] = [];
  return withStore(async (store, data) => {
    await put(store, "home/a", "word");
    assertEquals(await find(store, "word"), ["home/a@1:1"]);
    const db = new DatabaseSync(`${data}/.search.db`);
    // The store can be writing to the file.
    db.exec("PRAGMA busy_timeout = 60000; DROP TABLE open_pieces; DROP TABLE open_texts");
    db.close();
    assertEquals(await find(store, "word"), ["home/a@1:1"]);
    assert(lines.some((line) => line.startsWith("created the search index again")), lines.join());
  }, { log: (line) => void lines.push(line) });
});

Deno.test("a search of an index that cannot be used now can be tried again, whatever its fault is", async () => {
  for (const code of ["damaged", "full", "in-use", "read-only"] as const) {
    const fault = new StoreError(code, "Cannot use the file of the world");
    const lines: string[] = [];
    await withFakeFile(
      () => Promise.reject(new Error("no world waits")),
      (index) =>
        assertRejects(
          () => index.search({ ...QUERY, text: "x" }, {}),
          (error: unknown) => error instanceof StoreError && error.code === "busy",
        ),
      () => Promise.reject(fault),
      (line) => void lines.push(line),
    );
    assertEquals(lines.length, code === "damaged" ? 2 : 1, lines.join());
  }
});

Deno.test("SearchIndex ends with the store, and then refuses", () =>
  withTempFolder(async (data) => {
    const store = await open(data);
    await put(store, "home/a", "word");
    const pending = find(store, "word").catch((error: StoreError) => error.code);
    await store.close();
    const found = await pending;
    assert(found === "closed" || found.length === 1);
    await assertRejects(() => find(store, "word"), errorWith(Error, "shutting down"));
  }));
