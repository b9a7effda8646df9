import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { ChangeIndex, type ChangeIndexOptions } from "../../../lib/world/store/change_index.ts";
import { MAX_INDEX_WAITING, MAX_INDEX_WAITING_BYTES } from "../../../lib/limits.ts";
import { type ChangePage, type ChangeQuery, toChainId } from "../../../lib/world/changes.ts";
import { type Change, type Published, type Store, StoreError } from "../../../lib/world/store.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { openStore, putText, rowsOf } from "../../testdata/sqlite_store.ts";
import { removeWithoutMove } from "../../testdata/test_writer.ts";
import { sampleSetup } from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const ROOT = [{ name: "", part: "tree", restricted: false }] as const;

/** Opens a store with the key of `removeWithoutMove`. */
function openWithKey(data: string): Promise<Store> {
  return openStore(data, sampleSetup(data).key);
}

async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function read(store: Store, query: Partial<ChangeQuery> = {}): Promise<ChangePage> {
  return store.changes({ within: ROOT, order: "oldest", limit: 100, ...query });
}

/** Waits until the index has a number of events. */
async function waitForEvents(store: Store, count: number): Promise<ChangePage> {
  return await eventually(async () => {
    const page = await read(store);
    return page.events.length >= count ? page : undefined;
  }, `${count} events in the index`);
}

Deno.test("ChangeIndex is created again from the chains when its file is lost or damaged", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data);
    await putText(store, "home/a", "1");
    await putText(store, "home/b", "1");
    await putText(store, "home/a", "2");
    await store.rename({ name: "home/a", to: "home/c", ext: "txt", by: "T3" });
    await store.remove({ name: "home/b", by: "T3" });
    await putText(store, "home/d", "2");
    const before = rowsOf(await waitForEvents(store, 6));
    await store.close();
    for (const damage of ["remove", "damage"]) {
      if (damage === "remove") Deno.removeSync(`${data}/.changes.db`);
      else Deno.writeTextFileSync(`${data}/.changes.db`, "x".repeat(9000));
      store = await openStore(data);
      assertEquals(rowsOf(await waitForEvents(store, 6)), before, damage);
      await putText(store, "home/c", "3");
      await waitForEvents(store, 7);
      before.push(`home/c stage_written ${damage === "remove" ? 4 : 5}`);
      await store.close();
    }
  }));

Deno.test("ChangeIndex adds events that it lacks after a crash, once and in the order of each chain", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data);
    await putText(store, "home/a", "1");
    await putText(store, "home/b", "1");
    const { cursor } = await waitForEvents(store, 2);
    await store.close();
    const saved = await Deno.readFile(`${data}/.changes.db`);
    store = await openStore(data);
    await putText(store, "home/a", "2");
    await store.rename({ name: "home/a", to: "home/c", ext: "txt", by: "T3" });
    await store.remove({ name: "home/b", by: "T3" });
    await putText(store, "home/b", "2");
    await waitForEvents(store, 6);
    await store.close();
    await Deno.writeFile(`${data}/.changes.db`, saved);
    store = await openStore(data);
    try {
      await putText(store, "home/c", "3");
      await waitForEvents(store, 7);
      const { events } = await read(store, { from: cursor });
      const ofChain = (names: readonly string[]) =>
        events.filter(({ name }) => names.includes(name)).map(({ name, id }) => `${name} ${id}`);
      assertEquals(ofChain(["home/a", "home/c"]), ["home/a 2", "home/c 3", "home/c 4"]);
      assertEquals(ofChain(["home/b"]), ["home/b 2", "home/b 1"]);
    } finally {
      await store.close();
    }
  }));

Deno.test("ChangeIndex has the deletion of a world that a crash left in its place, also when it is created again", () =>
  withTempFolder(async (data) => {
    const expected = ["home/a stage_written 1", "home/a world_deleted 2"];
    let store = await openWithKey(data);
    await putText(store, "home/a", "1");
    await waitForEvents(store, 1);
    await store.close();
    removeWithoutMove(data, "home/a");
    store = await openWithKey(data);
    assertEquals(rowsOf(await waitForEvents(store, 2)), expected);
    assertEquals(await store.read("home/a"), undefined);
    await store.close();
    for (const end of ["", "-wal", "-shm"]) await removeIfPresent(`${data}/.changes.db${end}`);
    store = await openWithKey(data);
    // In the order of the chain, although the time of the deletion is before that of the write.
    const created = rowsOf(await waitForEvents(store, 2));
    assertEquals(created, expected);
    await putText(store, "home/a", "2");
    assertEquals(rowsOf(await waitForEvents(store, 3)), [...created, "home/a stage_written 1"]);
    await store.close();
  }));

Deno.test("ChangeIndex has each event once when a name had several chains and one comes back", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data);
    await putText(store, "home/a", "1");
    const { trash } = await store.remove({ name: "home/a", by: "T3" });
    for (const text of ["2", "3", "4"]) await putText(store, "home/a", text);
    await store.remove({ name: "home/a", by: "T3" });
    const before = rowsOf(await waitForEvents(store, 6));
    await store.close();
    Deno.renameSync(`${data}/.trash/${trash}/home%2Fa`, `${data}/home%2Fa`);
    store = await openStore(data);
    try {
      await store.list("home");
      await putText(store, "home/a", "5");
      assertEquals(rowsOf(await waitForEvents(store, 7)), [...before, "home/a stage_written 3"]);
    } finally {
      await store.close();
    }
  }));

Deno.test("ChangeIndex adds a deleted world that was not moved to the trash", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data);
    await putText(store, "home/b", "1");
    await waitForEvents(store, 1);
    await store.close();
    const saved = Deno.readFileSync(`${data}/.changes.db`);
    store = await openStore(data);
    await putText(store, "home/a", "1");
    const { trash } = await store.remove({ name: "home/a", by: "T3" });
    await store.close();
    // As if the server had been killed between the deletion and the move to the trash.
    Deno.renameSync(`${data}/.trash/${trash}/home%2Fa`, `${data}/home%2Fa`);
    using db = new DatabaseSync(`${data}/home%2Fa/universe.db`);
    db.exec("PRAGMA user_version = 1");
    Deno.writeFileSync(`${data}/.changes.db`, saved);
    store = await openStore(data);
    try {
      assertEquals(rowsOf(await waitForEvents(store, 3)), [
        "home/b stage_written 1",
        "home/a stage_written 1",
        "home/a world_deleted 2",
      ]);
    } finally {
      await store.close();
    }
  }));

Deno.test("ChangeIndex adds the worlds that were created and deleted after its last write", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data);
    await putText(store, "home/a", "1");
    await waitForEvents(store, 1);
    await store.close();
    const saved = Deno.readFileSync(`${data}/.changes.db`);
    store = await openStore(data);
    for (const text of ["2", "3"]) {
      await store.remove({ name: "home/a", by: "T3" });
      await putText(store, "home/a", text);
    }
    await putText(store, "home/b", "1");
    await store.remove({ name: "home/b", by: "T3" });
    const all = rowsOf(await waitForEvents(store, 7)).sort();
    await store.close();
    for (const end of ["-wal", "-shm"]) {
      await Deno.remove(`${data}/.changes.db${end}`).catch(() => {});
    }
    Deno.writeFileSync(`${data}/.changes.db`, saved);
    store = await openStore(data);
    try {
      const found = rowsOf(await waitForEvents(store, 7));
      assertEquals([...found].sort(), all);
      const ofA = found.filter((row) => row.startsWith("home/a"));
      assertEquals(ofA, [
        "home/a stage_written 1",
        "home/a world_deleted 2",
        "home/a stage_written 1",
        "home/a world_deleted 2",
        "home/a stage_written 1",
      ]);
    } finally {
      await store.close();
    }
  }));

/** An index whose Worker is a function. */
function createIndex(
  run: (job: Parameters<ChangeIndexOptions["worker"]["run"]>[0]) => unknown,
  options: Partial<ChangeIndexOptions> = {},
) {
  const published: Published[] = [];
  const log: string[] = [];
  const index = new ChangeIndex({
    key: "k",
    worker: { run: async (job) => await run(job) as never },
    readChain: (name) => {
      const event = { id: 1, timestamp: "t", type: "stage_written", payload: "{}" };
      const parts = [{ name, events: [event] }];
      return Promise.resolve({ chain: toChainId("h", name), parts, more: false });
    },
    isRestricted: () => false,
    worlds: () => ({ heads: [], unindexed: [] }),
    onPublished: (found) => published.push(found),
    log: (line) => log.push(line),
    ...options,
  });
  return { index, published, log };
}

/** Answers of a Worker with an empty index. */
function answerOf(job: { kind: string; entries?: readonly unknown[] }): unknown {
  if (job.kind === "openIndex") {
    return { isComplete: true, run: "0000000a", position: { seq: 0, run: "00000000" } };
  }
  if (job.kind === "appendIndex") return (job.entries ?? []).map((_, at) => at + 1);
  if (job.kind === "headOfName") return undefined;
  return job.kind === "completeIndex" ? { seq: 0, run: "00000000" } : [];
}

Deno.test("ChangeIndex holds a bounded number of changes and bytes while it cannot be written", async () => {
  const open = Promise.withResolvers<void>();
  const { index, published } = createIndex(async (job) => {
    if (job.kind === "openIndex") await open.promise;
    return answerOf(job);
  });
  const started = index.start();
  const body = new Uint8Array(MAX_INDEX_WAITING_BYTES / 16);
  const event = { id: 1, timestamp: "t", type: "stage_written", payload: "{}", hmac: "h" };
  for (let i = 0; i < 2 * MAX_INDEX_WAITING; i++) {
    const name = `home/${Math.min(i, MAX_INDEX_WAITING + 9)}`;
    const world = { body } as unknown as NonNullable<Change["world"]>;
    index.record(name, [event], false, {
      kind: "update",
      name,
      version: 1,
      by: "T2",
      seq: i,
      world,
    });
  }
  assertEquals(index.waiting, {
    changes: MAX_INDEX_WAITING,
    bytes: MAX_INDEX_WAITING_BYTES,
    names: 10,
  });
  open.resolve();
  await started;
  const told = () => new Set(published.flatMap(({ change }) => change?.name ?? [])).size;
  const isDone = () => Promise.resolve(told() === MAX_INDEX_WAITING + 10 || undefined);
  await eventually(isDone, "followers hear of every world");
  assertEquals(index.waiting, { changes: 0, bytes: 0, names: 0 });
  index.stop();
});

Deno.test("ChangeIndex remembers a bounded number of idempotency keys while it cannot be written", async () => {
  const events = new Map<string, string>();
  let isFull = true;
  const written: string[] = [];
  const { index } = createIndex((job) => {
    if (job.kind === "keyed") return [];
    if (job.kind !== "appendIndex") return answerOf(job);
    if (isFull) throw new StoreError("full", "no space");
    written.push(...job.entries.map((entry) => typeof entry === "string" ? entry : entry.name));
    return answerOf(job);
  }, {
    readChain: (name, after) => {
      const payload = events.get(name) ?? "{}";
      const found = after > 0 ? [] : [{ id: 1, timestamp: "t", type: "stage_written", payload }];
      return Promise.resolve({ chain: name, parts: [{ name, events: found }], more: false });
    },
  });
  await index.start();
  const mark = "m".repeat(22);
  const keyOf = (at: number) => String(at).padStart(22, "k");
  let count = 0;
  try {
    for (;; count++) {
      await index.keyed("another", "home");
      const name = `home/${count}`;
      const payload = JSON.stringify({ idem: `${keyOf(count)}.${mark}`, more: "x".repeat(800) });
      events.set(name, payload);
      index.record(name, [{ id: 1, timestamp: "t", type: "stage_written", payload }], false);
    }
  } catch (error) {
    assert(error instanceof StoreError && error.code === "busy", String(error));
  }
  assert(count > MAX_INDEX_WAITING, "some keys wait with the names whose events are read again");
  for (const at of [0, count - 1]) assertEquals((await index.keyed(keyOf(at), "home/x")).length, 1);
  isFull = false;
  const isEmpty = () =>
    Promise.resolve(index.waiting.names + index.waiting.changes === 0 || undefined);
  await eventually(isEmpty, "all changes are in the index");
  assertEquals(written.length, count);
  assertEquals(await index.keyed(keyOf(0), "home/x"), []);
  index.stop();
});

Deno.test("ChangeIndex is completed after an error at its start, also if a world cannot be read", async () => {
  let attempts = 0;
  const appended: string[] = [];
  const { index, log } = createIndex((job) => {
    if (job.kind === "openIndex" && ++attempts === 1) throw new StoreError("full", "no space");
    if (job.kind === "behind") return job.heads.map(({ name }) => name);
    if (job.kind === "appendIndex") {
      appended.push(...job.entries.flatMap((found) => typeof found === "string" ? [] : found.name));
    }
    return answerOf(job);
  }, {
    readChain: (name, after) => {
      if (name === "home/damaged") throw new StoreError("damaged", "not a database");
      const events = after > 0
        ? []
        : [{ id: 1, timestamp: "t", type: "stage_written", payload: "{}" }];
      return Promise.resolve({ chain: name, parts: [{ name, events }], more: false });
    },
    worlds: () => ({
      heads: ["home/damaged", "home/b"].map((name) => ({ name, event: 1, at: "t" })),
      unindexed: [],
    }),
  });
  await index.start();
  assertEquals([attempts, appended], [2, ["home/b"]]);
  assertEquals(log.map((line) => /no space|not a database/.exec(line)?.[0]), [
    "no space",
    "not a database",
  ]);
  index.stop();
});

Deno.test("ChangeIndex writes changes after it has compared its heads with all chains", async () => {
  const jobs: string[] = [];
  const { index } = createIndex((job) => {
    jobs.push(job.kind);
    return answerOf(job);
  }, { worlds: () => ({ heads: [{ name: "home/b", event: 1, at: "t" }], unindexed: [] }) });
  const event = { id: 2, timestamp: "t", type: "stage_written", payload: "{}" };
  const change = { kind: "update", name: "home/a", version: 2, by: "T2", seq: 1 } as const;
  index.record("home/a", [event], false, change);
  await index.start();
  const isWritten = () => Promise.resolve(index.waiting.changes === 0 || undefined);
  await eventually(isWritten, "the change is in the index");
  assertEquals(jobs, ["openIndex", "unknownTrash", "behind", "vanished", "appendIndex"]);
  index.stop();
});

Deno.test("ChangeIndex opens an index that is lost again after a pause, in which it refuses queries", async () => {
  let opened = 0;
  const { index, log } = createIndex((job) => {
    if (job.kind === "openIndex") opened += 1;
    if (job.kind === "changes") throw new StoreError("index-lost", "lost");
    return answerOf(job);
  });
  await index.start();
  const query = { within: ROOT, order: "oldest", limit: 1 } as const;
  // The second attempt is made at once, the third after a second.
  await assertRejects(() => index.read(query), { code: "busy" });
  await assertRejects(() => index.read(query), { code: "busy" });
  await assertRejects(() => index.keyed("k", "home/a"), { code: "busy" });
  assertEquals([opened, log.length], [2, 2], log.join("\n"));
  await eventually(() => Promise.resolve(opened > 2 || undefined), "the third attempt");
  index.stop();
  await assertRejects(() => index.read(query), (error: StoreError) => error.code === "closed");
});

Deno.test("ChangeIndex.read() throws busy if changes that were recorded before cannot be written", async () => {
  let isFull = true;
  const { index } = createIndex((job) => {
    if (job.kind === "appendIndex" && isFull) throw new StoreError("full", "no space");
    return job.kind === "changes" ? { events: [], cursor: "c", more: false } : answerOf(job);
  });
  await index.start();
  const query = { within: ROOT, order: "oldest", limit: 1 } as const;
  await index.read(query);
  const event = { id: 1, timestamp: "t", type: "stage_written", payload: "{}", hmac: "h" };
  index.record("home/a", [event], false);
  await assertRejects(() => index.read(query), { code: "busy" });
  isFull = false;
  assertEquals((await index.read(query)).cursor, "c");
  index.stop();
});

Deno.test("ChangeIndex.keyed() throws busy for a world whose events could not be read", async () => {
  let isLocked = true;
  const { index } = createIndex((job) => {
    if (job.kind === "openIndex") {
      return { isComplete: false, run: "0000000a", position: { seq: 0, run: "00000000" } };
    }
    return answerOf(job);
  }, {
    worlds: () => ({ heads: [{ name: "home/a/b", event: 1, at: "t" }], unindexed: [] }),
    readChain: (name) => {
      if (isLocked) throw new StoreError("in-use", "locked");
      return Promise.resolve({ chain: toChainId("h", name), parts: [], more: false });
    },
  });
  await index.start();
  for (const name of ["home/a/b", "home/a", ""]) {
    await assertRejects(() => index.keyed("k", name), { code: "busy" });
  }
  assertEquals(await index.keyed("k", "home/a/bc"), []);
  isLocked = false;
  const find = () => index.keyed("k", "home/a/b").catch(() => undefined);
  assertEquals(await eventually(find, "the events are read"), []);
  index.stop();
});
