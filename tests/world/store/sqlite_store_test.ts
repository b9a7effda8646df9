import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { acquireDataFolder, loadOrCreateSecret } from "../../../lib/world/file/data_folder.ts";
import { pathExists } from "../../../lib/world/file/durable_fs.ts";
import { createLowerLayer } from "../../../lib/world/lower_layer.ts";
import { openSqliteStore } from "../../../lib/world/store/sqlite_store.ts";
import type { SqliteStoreOptions } from "../../../lib/world/store/sqlite_store_options.ts";
import type { ChangeResult, Store } from "../../../lib/world/store.ts";
import { FILE_DAMAGE } from "../../testdata/file_damage.ts";
import { putJob, removeWithoutMove, testWriter } from "../../testdata/test_writer.ts";
import { engineSuites } from "../engine_suites.ts";
import type { SuiteOptions } from "../store_fixture.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { STORE_WORKER } from "../../support/store_worker.ts";

const KEY = "the key of the sample";

type Options = Partial<Omit<SqliteStoreOptions, "lower">> & Pick<SuiteOptions, "lower">;

function open(data: string, { lower = {}, ...options }: Options = {}): Promise<Store> {
  return openSqliteStore({
    folder: acquireDataFolder(data),
    key: KEY,
    lower: createLowerLayer(lower, "2026-01-01T00:00:00.000Z"),
    workerUrl: STORE_WORKER,
    ...options,
  });
}

/** Runs a test with a store in a temporary folder. */
function withStore(
  options: Options,
  use: (fixture: { store: Store; data: string; reopen(): Promise<Store> }) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (data) => {
    let store = await open(data, options);
    async function reopen(): Promise<Store> {
      await store.close();
      return store = await open(data, options);
    }
    try {
      await use({ store, data, reopen });
    } finally {
      await store.close();
    }
  });
}

engineSuites({ name: "SqliteStore", withStore });

function put(store: Store, name: string, text: string): Promise<ChangeResult> {
  const body = new TextEncoder().encode(text);
  return store.put({ name, body, ext: "txt", meta: [], by: "T2" });
}

async function readText(store: Store, name: string): Promise<string | undefined> {
  const world = await store.read(name);
  return world === undefined ? undefined : new TextDecoder().decode(world.body);
}

/** Creates a data folder with worlds and without a catalog file. */
function fill(data: string, names: readonly string[]): void {
  const writer = testWriter(data);
  writer.apply(names.map((name) => putJob(name, name)));
  writer.close();
}

Deno.test("SqliteStore.close() releases the folder and leaves no logs", () =>
  withTempFolder(async (data) => {
    const store = await open(data);
    await put(store, "home/x", "1");
    await put(store, "home/x", "2");
    await store.close();
    assertEquals([...Deno.readDirSync(`${data}/home%2Fx`)].map(({ name }) => name), [
      "universe.db",
    ]);
    assert(![...Deno.readDirSync(data)].some(({ name }) => /-(wal|shm)$/.test(name)));
    acquireDataFolder(data).release();
  }));

Deno.test("SqliteStore.close() writes nothing to the folder afterwards, at any moment of its background work", () =>
  withTempFolder(async (parent) => {
    for (const pause of [0, 2, 8, 32]) {
      const data = `${parent}/${pause}`;
      Deno.mkdirSync(data);
      const store = await open(data);
      await put(store, "home/x", "1");
      await store.remove({ name: "home/x", by: "T3" });
      // Meanwhile the store reads its trash and completes its index.
      await new Promise((resume) => setTimeout(resume, pause));
      await store.close();
      // A file that a Worker creates now makes the removal fail, or stays behind.
      Deno.removeSync(data, { recursive: true });
    }
    await new Promise((resume) => setTimeout(resume, 50));
    assertEquals([...Deno.readDirSync(parent)], []);
  }));

Deno.test("SqliteStore lists and reads all worlds at once without a catalog file", () =>
  withTempFolder(async (data) => {
    const names = Array.from({ length: 60 }, (_, i) => `home/c${i % 3}/w${i}`);
    fill(data, names);
    const store = await open(data);
    assertEquals(store.count(), 60);
    assertEquals(await readText(store, "home/c2/w59"), "home/c2/w59");
    const listed = await store.list("home/c1");
    assertEquals(listed.map(({ entry }) => entry?.version), listed.map(() => 1));
    assertEquals((await store.walk("")).filter(({ len }) => len === 0), []);
    await store.close();
  }));

Deno.test("SqliteStore changes worlds that are not indexed yet", () =>
  withTempFolder(async (data) => {
    const names = Array.from({ length: 40 }, (_, i) => `home/w${i}`);
    fill(data, names);
    const store = await open(data);
    const written = await Promise.all(names.map((name) => put(store, name, "2")));
    assertEquals(
      written.map(({ version, created }) => [version, created]),
      names.map(() => [2, false]),
    );
    assertEquals((await store.walk("")).map(({ version }) => version), names.map(() => 2));
    await Promise.all(names.map((name) => store.remove({ name, by: "T3" })));
    assertEquals([store.count(), await store.list("home")], [0, []]);
    await store.close();
  }));

Deno.test("SqliteStore does not list a world whose folder was deleted between two runs", () =>
  withStore({ lower: { "usr/low": "lower" } }, async ({ store, data, reopen }) => {
    for (const name of ["home/a", "home/b/c", "usr/low"]) await put(store, name, name);
    await store.close();
    for (const folder of ["home%2Fa", "home%2Fb%2Fc", "usr%2Flow"]) {
      Deno.removeSync(`${data}/${folder}`, { recursive: true });
    }
    const again = await reopen();
    assertEquals([again.count(), again.stat("home/a"), again.isCollection("home/b")], [
      1,
      undefined,
      false,
    ]);
    assertEquals([await readText(again, "home/a"), await readText(again, "usr/low")], [
      undefined,
      "lower",
    ]);
    assertEquals((await put(again, "home/a", "new")).created, true);
  }));

Deno.test("SqliteStore completes a removal that a crash interrupted", () =>
  withTempFolder(async (data) => {
    fill(data, ["home/a", "home/b", "usr/low"]);
    for (const name of ["home/a", "home/b", "usr/low"]) removeWithoutMove(data, name);
    assert(pathExists(`${data}/home%2Fa/universe.db`));

    const store = await open(data, { lower: { "usr/low": "lower" } });
    // Called before the background indexing has read the rows.
    const found = await Promise.all(["home/a", "usr/low"].map((name) => readText(store, name)));
    assertEquals(found, [undefined, "lower"]);
    assertEquals((await store.list("")).map(({ name }) => name), ["usr"]);
    assertEquals((await put(store, "home/b", "new")).created, true);
    await assertRejects(store.remove({ name: "home/a", by: "T3" }), { code: "absent" });
    await store.close();
  }));

Deno.test("SqliteStore lists a damaged world and fails only for that one", async (t) => {
  for (const [kind, { inflict, read }] of Object.entries(FILE_DAMAGE)) {
    await t.step(kind, () =>
      withTempFolder(async (data) => {
        fill(data, ["home/bad", "home/good"]);
        inflict(`${data}/home%2Fbad/universe.db`);
        const store = await open(data);
        assertEquals((await store.list("home")).map(({ name }) => name), ["bad", "good"]);
        assertEquals(store.count(), 2);
        if (read === "damaged") {
          await assertRejects(store.read("home/bad"), { code: "damaged" });
          await assertRejects(put(store, "home/bad", "x"), { code: "damaged" });
          await assertRejects(store.audit("home/bad"), { code: "damaged" });
        } else assertEquals(await readText(store, "home/bad"), "home/bad");
        assertEquals(await readText(store, "home/good"), "home/good");
        assertEquals((await put(store, "home/good", "2")).version, 2);
        assertEquals((await store.audit("home/good")).ok, true);
        await store.close();
      }));
  }
});

Deno.test("SqliteStore starts with any damage of the file of collections", async (t) => {
  const lists: Readonly<Record<string, (path: string) => void>> = {
    garbage: (path) => Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(5000))),
    names_refused: (path) =>
      Deno.writeTextFileSync(path, "home/../etc\nhome//x\nelsewhere/x\n/home/x\nhome/ok\nhome\n"),
  };
  for (const [kind, inflict] of Object.entries(lists)) {
    await t.step(kind, () =>
      withTempFolder(async (data) => {
        inflict(`${data}/.collections`);
        const store = await open(data);
        const names = (await store.list("home")).map(({ name }) => name);
        assertEquals(names, kind === "names_refused" ? ["ok"] : []);
        assertEquals(
          (await store.list("")).map(({ name }) => name),
          names.length > 0 ? ["home"] : [],
        );
        await store.close();
      }));
  }
});

Deno.test("SqliteStore throws damaged for a missing file and reads it after it is restored", () =>
  withStore({ cacheBytes: 0 }, async ({ store, data }) => {
    await put(store, "home/x", "1");
    Deno.renameSync(`${data}/home%2Fx`, `${data}/.aside`);
    await assertRejects(store.read("home/x"), { code: "damaged" });
    Deno.renameSync(`${data}/.aside`, `${data}/home%2Fx`);
    assertEquals(await readText(store, "home/x"), "1");
  }));

Deno.test("SqliteStore does not return edited metadata that is not valid", () =>
  withStore({}, async ({ store, data, reopen }) => {
    await put(store, "home/x", "1");
    await store.close();
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(`${data}/home%2Fx/universe.db`);
    db.exec(`UPDATE stage_meta SET ext = 'html' || char(13, 10) || 'x: y',
      headers = '[["x-meta-a","1\\r\\nset-cookie: a"],["set-cookie","b"],["x-meta-b","2"]]'`);
    db.close();
    const world = await (await reopen()).read("home/x");
    assertEquals([world?.ext, world?.meta], ["bin", [["x-meta-b", "2"]]]);
  }));

Deno.test("SqliteStore throws closed after one of its Workers stopped, and reports it", () =>
  withTempFolder(async (data) => {
    const failingWorker = `${data}/dying_worker.ts`;
    Deno.writeTextFileSync(
      failingWorker,
      `import { serveStore } from ${
        JSON.stringify(new URL("../../../lib/world/worker/worker_server.ts", import.meta.url).href)
      };
      addEventListener("message", (event) => {
        if (!Array.isArray(event.data) || !event.data.some(({ name }) => name === "home/die")) return;
        event.stopImmediatePropagation();
        throw new Error("the disk fell off");
      });
      serveStore(globalThis as never);`,
    );
    const exits: string[] = [];
    const store = await open(`${data}/worlds`, {
      workerUrl: new URL(`file://${failingWorker}`).href,
      writers: 1,
      onWorkerExit: (reason) => exits.push(reason),
    });
    await put(store, "home/x", "1");
    await assertRejects(put(store, "home/die", "1"), { code: "closed" });
    assertMatch(exits.join(), /^[^,]*the disk fell off[^,]*$/);
    await assertRejects(put(store, "home/x", "2"), { code: "closed" });
    assertEquals(await readText(store, "home/x"), "1");
    await store.close();
  }));

Deno.test("SqliteStore creates files and folders that only this user can read", () =>
  withStore({}, async ({ store, data }) => {
    if (Deno.build.os === "windows") return; // Windows has no file modes
    loadOrCreateSecret(data, ".key");
    await put(store, "home/x", "1");
    await put(store, "home/x", "2");
    await store.markCollection("home/c", true);
    const open: string[] = [];
    for (
      const path of [
        "",
        "/.key",
        "/.lock",
        "/.collections",
        "/home%2Fx",
        "/home%2Fx/universe.db-wal",
        "/home%2Fx/universe.db",
      ]
    ) {
      const mode = Deno.statSync(`${data}${path}`).mode ?? 0;
      if ((mode & 0o077) !== 0) open.push(`${path} ${mode.toString(8)}`);
    }
    assertEquals(open, []);
  }));

Deno.test("SqliteStore.checkHealth() fails if the store cannot write, or its folder was replaced", () =>
  withStore({}, async ({ store, data }) => {
    await store.checkHealth();
    Deno.removeSync(`${data}/.incoming`);
    await assertRejects(store.checkHealth(), { name: "StoreError" });
    Deno.mkdirSync(`${data}/.incoming`);
    await store.checkHealth();
    Deno.removeSync(`${data}/.lock`);
    await assertRejects(store.checkHealth(), { code: "detached" });
    await assertRejects(put(store, "home/x", "1"), { code: "detached" });
    await assertRejects(store.markCollection("home/c", true), { code: "detached" });
  }));
