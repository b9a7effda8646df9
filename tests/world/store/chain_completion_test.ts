import { assert, assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { toFolderName } from "../../../lib/world/name.ts";
import type {
  ChainEvents,
  ChangePage,
  ChangeQuery,
  IndexEntry,
} from "../../../lib/world/changes.ts";
import { ChainCompletion, type RunIndexJob } from "../../../lib/world/store/chain_completion.ts";
import { type Store, StoreError } from "../../../lib/world/store.ts";
import { createRandom } from "../../support/random.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { openStore, putText, rowsOf } from "../../testdata/sqlite_store.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const ROOT = [{ name: "", part: "tree", restricted: true }] as const;
const KEY = "k";

function read(store: Store, query: Partial<ChangeQuery> = {}): Promise<ChangePage> {
  return store.changes({ within: ROOT, order: "oldest", limit: 1000, ...query });
}

/** Waits until the index has these events, oldest first. */
async function waitForRows(store: Store, expected: readonly string[]): Promise<ChangePage> {
  let found: string[] = [];
  const look = async () => {
    const page = await read(store);
    found = rowsOf(page);
    return found.join() === expected.join() ? page : undefined;
  };
  return await eventually(look, "the events").catch(() => {
    assertEquals(found, expected);
    throw new Error("unreachable");
  });
}

function folderOf(data: string, name: string): string {
  return `${data}/${toFolderName(name)}`;
}

/** Copies the folder of a world. */
function save(data: string, name: string): Uint8Array {
  return Deno.readFileSync(`${folderOf(data, name)}/universe.db`);
}

/** Replaces the folder of a world by a copy. */
function restore(data: string, name: string, copy: Uint8Array): void {
  const folder = folderOf(data, name);
  Deno.removeSync(folder, { recursive: true });
  Deno.mkdirSync(folder);
  Deno.writeFileSync(`${folder}/universe.db`, copy);
}

const W = "stage_written";

Deno.test("a world that is replaced by an older copy has the events of the copy, and then its next ones", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data, KEY);
    await putText(store, "home/a", "1");
    await store.close();
    const copy = save(data, "home/a");
    store = await openStore(data, KEY);
    await putText(store, "home/b", "1");
    for (const text of ["2", "3", "4"]) await putText(store, "home/a", text);
    const { cursor, events } = await read(store);
    await store.close();
    restore(data, "home/a", copy);
    const log: string[] = [];
    store = await openStore(data, KEY, log);
    try {
      // The world is the earlier one again, which followers must hear.
      const again = await waitForRows(store, [`home/b ${W} 1`, `home/a ${W} 1`]);
      assertEquals(rowsOf(await read(store, { from: cursor })), [`home/a ${W} 1`]);
      assertEquals(log.filter((line) => line.includes("older copy")).length, 1);
      assertEquals((await store.read("home/a"))?.version, 1);
      await putText(store, "home/a", "2 anew");
      const last = await waitForRows(store, [`home/b ${W} 1`, `home/a ${W} 1`, `home/a ${W} 2`]);
      assertEquals(rowsOf(await read(store, { from: again.cursor })), [`home/a ${W} 2`]);
      const used = new Set(events.map((event) => event.cursor));
      const isNew = [again, last].every((page) => !used.has(page.events.at(-1)?.cursor ?? ""));
      assert(isNew, "no cursor is used again");
    } finally {
      await store.close();
    }
    store = await openStore(data, KEY);
    const rows = [`home/b ${W} 1`, `home/a ${W} 1`, `home/a ${W} 2`];
    assertEquals(rowsOf(await read(store)), rows);
    await putText(store, "home/b", "2");
    await waitForRows(store, [...rows, `home/b ${W} 2`]);
    await store.close();
  }));

Deno.test("a copy with later events of its own replaces the events that it does not have", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data, KEY);
    await putText(store, "home/a", "1");
    await putText(store, "home/a", "2");
    await store.close();
    const copy = save(data, "home/a");
    const kept = Deno.readFileSync(`${data}/.changes.db`);
    store = await openStore(data, KEY);
    await putText(store, "home/a", "other 3");
    await putText(store, "home/a", "other 4");
    await putText(store, "home/a", "other 5");
    await store.close();
    const other = save(data, "home/a");
    restore(data, "home/a", copy);
    for (const end of ["-wal", "-shm"]) {
      try {
        Deno.removeSync(`${data}/.changes.db${end}`);
      } catch {
        // It was removed when the file was closed.
      }
    }
    Deno.writeFileSync(`${data}/.changes.db`, kept);
    store = await openStore(data, KEY);
    await putText(store, "home/a", "3");
    await waitForRows(store, [1, 2, 3].map((id) => `home/a ${W} ${id}`));
    await store.close();
    restore(data, "home/a", other);
    store = await openStore(data, KEY);
    try {
      const page = await waitForRows(store, [1, 2, 3, 4, 5].map((id) => `home/a ${W} ${id}`));
      assertEquals(page.events.map(({ payload }) => payload), await payloads(store, "home/a"));
    } finally {
      await store.close();
    }
  }));

async function payloads(store: Store, name: string): Promise<unknown[]> {
  return (await store.log(name, { limit: 1000 })).map(({ payload }) => payload).reverse();
}

/** Changes an event of a stopped world, and signs it and all later ones again. */
function rewriteEvent(data: string, name: string, id: number, more: Record<string, unknown>): void {
  const sign = createChainSigner(KEY);
  using db = new DatabaseSync(`${folderOf(data, name)}/universe.db`);
  const rows = db.prepare("SELECT * FROM events ORDER BY id").all();
  let head = String(rows[0]?.prev_hmac);
  for (const row of rows) {
    const before = JSON.parse(String(row.payload));
    const payload = Number(row.id) === id ? JSON.stringify({ ...before, ...more }) : row.payload;
    const hmac = sign(head, String(row.timestamp), String(row.event_type), String(payload));
    db.prepare("UPDATE events SET payload = ?, hmac = ?, prev_hmac = ? WHERE id = ?")
      .run(String(payload), hmac, head, Number(row.id));
    head = hmac;
  }
}

Deno.test("a copy whose last event has the same id and time but another HMAC is noticed", () =>
  withTempFolder(async (data) => {
    for (const changed of [2, 3]) {
      const name = `home/${changed}`;
      let store = await openStore(data, KEY);
      for (const text of ["1", "2", "3"]) await putText(store, name, text);
      await read(store);
      await store.close();
      rewriteEvent(data, name, changed, { note: "fork" });
      store = await openStore(data, KEY);
      try {
        const within = [{ name, part: "exact", restricted: false }] as const;
        const found = await eventually(async () => {
          const { events } = await read(store, { within });
          const shown = JSON.stringify(events.map(({ payload }) => payload));
          return shown.includes("fork") ? events : undefined;
        }, "the events of the fork");
        assertEquals(found.map(({ id }) => id), [1, 2, 3]);
        assertEquals(found.map(({ payload }) => payload), await payloads(store, name));
      } finally {
        await store.close();
      }
    }
  }));

Deno.test("a world that was moved away and is restored from a copy has its own events", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data, KEY);
    await putText(store, "home/a", "1");
    await putText(store, "home/a", "2");
    await store.close();
    const copy = save(data, "home/a");
    store = await openStore(data, KEY);
    await store.rename({ name: "home/a", to: "home/b", ext: "txt", by: "T3" });
    await putText(store, "home/b", "4");
    await store.close();
    Deno.mkdirSync(folderOf(data, "home/a"));
    Deno.writeFileSync(`${folderOf(data, "home/a")}/universe.db`, copy);
    const before = [1, 2].map((id) => `home/a ${W} ${id}`);
    const moved = [...before, "home/b world_moved 3", `home/b ${W} 4`];
    store = await openStore(data, KEY);
    try {
      await putText(store, "home/a", "3 of a");
      await waitForRows(store, [...moved, `home/a ${W} 3`]);
      await putText(store, "home/b", "5 of b");
      await putText(store, "home/a", "4 of a");
      await waitForRows(store, [...moved, `home/a ${W} 3`, `home/b ${W} 5`, `home/a ${W} 4`]);
    } finally {
      await store.close();
    }
    // The same when the index is created again.
    Deno.removeSync(`${data}/.changes.db`);
    store = await openStore(data, KEY);
    try {
      const rows = rowsOf(await read(store));
      const of = (name: string) => rows.filter((row) => row.startsWith(name));
      assertEquals(of("home/a"), [...before, `home/a ${W} 3`, `home/a ${W} 4`]);
      assertEquals(of("home/b"), ["home/b world_moved 3", `home/b ${W} 4`, `home/b ${W} 5`]);
      assertEquals(new Set(rows).size, rows.length);
    } finally {
      await store.close();
    }
  }));

Deno.test("a folder that was copied under another name has its next events under this name", () =>
  withTempFolder(async (data) => {
    let store = await openStore(data, KEY);
    await putText(store, "home/a", "1");
    await putText(store, "home/a", "2");
    await store.close();
    Deno.mkdirSync(folderOf(data, "home/z"));
    Deno.writeFileSync(`${folderOf(data, "home/z")}/universe.db`, save(data, "home/a"));
    store = await openStore(data, KEY);
    try {
      const rows = [`home/a ${W} 1`, `home/a ${W} 2`];
      for (const [name, id] of [["home/z", 3], ["home/a", 3], ["home/z", 4], ["home/a", 4]]) {
        await putText(store, String(name), String(id));
        rows.push(`${name} ${W} ${id}`);
        await waitForRows(store, rows);
      }
    } finally {
      await store.close();
    }
  }));

Deno.test("a request with a key that only the replaced events had is not repeated", () =>
  withTempFolder(async (data) => {
    const mark = (key: string) => `${key.padEnd(22, "k")}.${"m".repeat(22)}`;
    const keyed = (store: Store, key: string) => store.keyed(key.padEnd(22, "k"), "home/a");
    let store = await openStore(data, KEY);
    await putText(store, "home/a", "1", { idem: mark("first") });
    await store.close();
    const copy = save(data, "home/a");
    store = await openStore(data, KEY);
    await putText(store, "home/a", "2", { idem: mark("second") });
    assertEquals((await keyed(store, "second")).length, 1);
    await store.close();
    restore(data, "home/a", copy);
    store = await openStore(data, KEY);
    try {
      assertEquals((await keyed(store, "first")).map(({ id }) => id), [1]);
      assertEquals(await keyed(store, "second"), []);
    } finally {
      await store.close();
    }
  }));

const NAMES = ["home/a", "home/b", "home/c", "boot/d"];

type Random = () => number;

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function pickName(random: Random): string {
  return NAMES[below(random, NAMES.length)] ?? "";
}

/** Makes a random change; refusals of the store are allowed. */
async function change(store: Store, random: Random, trash: Map<string, string>): Promise<void> {
  const name = pickName(random);
  try {
    switch (below(random, 6)) {
      case 0: {
        const removed = await store.remove({ name, by: "T3" });
        trash.set(removed.trash, name);
        return;
      }
      case 1:
        await store.rename({ name, to: pickName(random), ext: "txt", by: "T3" });
        return;
      case 2: {
        const [id, from] = [...trash][0] ?? [];
        if (id === undefined || from === undefined) return;
        trash.delete(id);
        await store.restore({ name: from, from, trash: id, ext: "txt", state: "", by: "T3" });
        return;
      }
      default:
        await putText(store, name, `${below(random, 1_000_000)}`);
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

Deno.test("after random changes and replaced folders the index has the events of every present world", () =>
  withTempFolder(async (root) => {
    for (const seed of [1, 49]) {
      const random = createRandom(seed);
      const data = `${root}/${seed}`;
      Deno.mkdirSync(data);
      const trash = new Map<string, string>();
      const copies: { name: string; copy: Uint8Array }[] = [];
      const cursors = new Map<string, string>();
      for (let round = 0; round < 6; round++) {
        const store = await openStore(data, KEY);
        try {
          for (let count = below(random, 8); count >= 0; count--) {
            await change(store, random, trash);
          }
          await assertComplete(store, cursors, `seed ${seed}, round ${round}`);
        } finally {
          await store.close();
        }
        const present = NAMES.filter((name) => exists(folderOf(data, name)));
        for (const { name, copy } of copies) {
          if (present.includes(name) && below(random, 2) === 0) restore(data, name, copy);
        }
        for (const name of present) copies.push({ name, copy: save(data, name) });
      }
    }
  }));

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Fails if the events of a present world are not those of its chain, if an event is there
 * twice, or if a cursor has another event than before.
 */
async function assertComplete(
  store: Store,
  cursors: Map<string, string>,
  where: string,
): Promise<void> {
  await eventually(async () => {
    const { events } = await read(store);
    for (const { name, layer } of await store.walk("")) {
      if (layer !== "upper") continue;
      const chain = await store.log(name, { limit: 1000 });
      const moved = chain.findIndex(({ type }) => type === "world_moved");
      const own = moved < 0 ? chain : chain.slice(0, moved + 1);
      const expected = own.map(({ id, timestamp }) => `${id} ${timestamp}`).reverse();
      const isExpected = new Set(expected);
      const found = events.filter((event) => event.name === name)
        .map(({ id, timestamp }) => `${id} ${timestamp}`).filter((text) => isExpected.has(text));
      if (found.join() !== expected.join()) return undefined;
    }
    return true;
  }, `complete: ${where}`);
  const { events } = await read(store);
  const texts = events.map(({ name, id, timestamp, type, payload }) =>
    `${name} ${id} ${timestamp} ${type} ${JSON.stringify(payload)}`
  );
  assertEquals(new Set(texts).size, texts.length, `an event is there twice: ${where}`);
  for (const [at, { cursor }] of events.entries()) {
    const text = texts[at] ?? "";
    assertEquals(cursors.get(cursor) ?? text, text, `a cursor is used again: ${where}`);
    cursors.set(cursor, text);
  }
}

Deno.test("ChainCompletion.stageAll() reads the whole chain of a world that took a name between two pages", async () => {
  const staged: string[] = [];
  const pageOf = (chain: string, id: number, more: boolean): ChainEvents => {
    const events = [{ id, timestamp: "t", type: W, payload: "{}" }];
    return { chain, parts: [{ name: "home/a", events }], more };
  };
  const pages = [
    pageOf("earlier", 1, true),
    pageOf("later", 2, false),
    pageOf("later", 1, true),
    pageOf("later", 2, false),
  ];
  const run = (job: { readonly kind: string; readonly entries?: readonly IndexEntry[] }) => {
    for (const { chain, events } of job.entries ?? []) {
      staged.push(...events.map(({ id }) => `${chain} ${id}`));
    }
    return Promise.resolve([]);
  };
  const completion = new ChainCompletion({
    // Each job that has a result here has a list.
    run: run as RunIndexJob,
    readChain: () => Promise.resolve(pages.shift()),
    isRestricted: () => false,
    onAppended: () => {},
    isStopping: () => false,
    log: () => {},
  });
  await completion.stageAll(["home/a"], () => {});
  assertEquals(staged, ["earlier 1", "later 1", "later 2"]);
});
