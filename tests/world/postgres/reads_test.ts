import { assertEquals, assertRejects } from "../../support/assert.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { ClusterStores } from "../../support/cluster_stores.ts";
import { openPatiently } from "../../support/database_session.ts";
import { openSqlite, withImport } from "../../support/query_store.ts";
import { createSessionPool } from "../../../lib/world/postgres/session_pool.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";
import { readChunks } from "../../../lib/world/postgres/content_reader.ts";
import { WorldReads } from "../../../lib/world/postgres/reads.ts";
import { toWorld } from "../../../lib/world/store/records.ts";
import type { Store } from "../../../lib/world/store.ts";

const server = sharedServer();
const encoder = new TextEncoder();

function put(store: Store, name: string, text: string | Uint8Array<ArrayBuffer>) {
  const body = typeof text === "string" ? encoder.encode(text) : text;
  return store.put({
    name,
    body,
    ext: "txt",
    meta: [["x-meta-a", text.slice(0, 3).toString()]],
    by: "T2",
  });
}

function bytes(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, at) => (at * 7 + seed) % 251);
}

function openPool(stores: ClusterStores) {
  const store = parseStoreUrl(stores.url);
  const [host] = store.hosts;
  if (host === undefined) throw new Error("no host");
  return createSessionPool(() => openPatiently({ host, store }), 2);
}

async function fill(store: Store): Promise<void> {
  for (let at = 0; at < 5; at++) await put(store, "home/short", `version ${at}`);
  await put(store, "home/long", bytes(700_000, 1));
  await store.append({ name: "home/long", body: bytes(10, 2), ext: "bin", by: "T2" });
  await put(store, "home/long", bytes(9_000, 3));
  await store.append({ name: "home/long", body: bytes(300_000, 4), ext: "bin", by: "T2" });
  await put(store, "home/empty", "");
  await store.rename({ name: "home/empty", to: "home/moved", ext: "md", by: "T2" });
}

postgresTest(
  "WorldReads reads every version that SqliteStore reads",
  () =>
    withImport(server(), fill, async ({ data, sessions }) => {
      const reads = new WorldReads(sessions, { keepVersions: 100 });
      const store = await openSqlite(data);
      try {
        for (const name of ["home/short", "home/long", "home/moved"]) {
          const expected = await store.read(name);
          const found = await reads.read(name);
          assertEquals(found === undefined ? undefined : toWorld(name, found), expected);
          for (let version = 1; version <= (expected?.version ?? 0); version++) {
            const kept = await store.readAt(name, version).catch(({ code }) => code);
            const also = await reads.readAt(name, version).then(
              (result) => toWorld(name, result),
              ({ code }) => code,
            );
            assertEquals(also, kept, `${name} ${version}`);
          }
        }
      } finally {
        await store.close();
      }
      assertEquals(await reads.read("home/none"), undefined);
      await assertRejects(reads.readAt("home/none", 1), { code: "absent" });
      await assertRejects(reads.readAt("home/short", 6), { code: "absent" });
      assertEquals(await reads.fileSizes(["home/none", "home/short"]), [0, 9 + 4 * 9 + 5 * 512]);
    }),
);

postgresTest(
  "WorldReads.readDeleted() reads a world in the trash by its entry and its name",
  async () => {
    await using stores = await ClusterStores.create(server());
    const store = await stores.open();
    const pool = openPool(stores);
    try {
      const reads = new WorldReads(pool, { keepVersions: 100 });
      await put(store, "home/a", "gone");
      const before = await store.read("home/a");
      const { trash } = await store.remove({ name: "home/a", by: "T2" });
      assertEquals(await reads.readDeleted(trash, "home/a"), before);
      assertEquals(await reads.readDeleted(trash, "home/b"), undefined);
      await store.expunge(trash);
      assertEquals(await reads.readDeleted(trash, "home/a"), undefined);
    } finally {
      pool.close();
    }
  },
);

postgresTest(
  "WorldReads reads the bytes of a version that others replace between its statements",
  async () => {
    await using stores = await ClusterStores.create(server());
    const store = await stores.open();
    const pool = openPool(stores);
    try {
      for (let changeAfter = 1; changeAfter <= 4; changeAfter++) {
        const name = `home/x${changeAfter}`;
        await put(store, name, "first");
        // The first version is the beginning of the second one, and has no bytes of its own.
        await store.append({ name, body: encoder.encode(", second"), ext: "txt", by: "T2" });
        let statements = 0;
        const reads = new WorldReads({
          use: (run) =>
            pool.use((session) =>
              run({
                async query(...query) {
                  const rows = await session.query(...query);
                  if (++statements === changeAfter) await put(store, name, "3");
                  return rows;
                },
              })
            ),
        }, { keepVersions: 100 });
        const { body, version } = await reads.readAt(name, 1);
        const text = new TextDecoder().decode(body);
        assertEquals([version, text], [1, "first"], `after statement ${changeAfter}`);
      }
    } finally {
      pool.close();
    }
  },
);

postgresTest(
  "a world with many appends has a number of chunks that grows with its bytes only",
  async () => {
    await using stores = await ClusterStores.create(server());
    const store = await stores.open();
    const parts = Array.from({ length: 50 }, (_, at) => bytes(4096 + at, at));
    for (const body of parts) {
      await store.append({ name: "home/log", body, ext: "bin", by: "T2" });
    }
    const sizes = await server().sql(
      "SELECT length(bytes) FROM elastik.content ORDER BY at",
      "a",
      stores.database,
    );
    // 200 KiB: at most 15 short chunks are at the end.
    assertEquals(sizes.length <= 17, true, `the chunks have ${sizes.join(", ")} bytes`);
    const reader = await stores.open();
    const expected = new Uint8Array(await new Blob(parts).arrayBuffer());
    assertEquals((await reader.read("home/log"))?.body, expected);
    const length = parts.slice(0, 20).reduce((sum, part) => sum + part.length, 0);
    assertEquals((await reader.readAt("home/log", 20)).body, expected.slice(0, length));
  },
);

postgresTest(
  "readChunks() continues in a chunk that was joined between two statements",
  async () => {
    await using stores = await ClusterStores.create(server());
    const run = (text: string) => server().sql(text, "a", stores.database);
    await run(
      `INSERT INTO elastik.content SELECT 1, 10 * i, decode(lpad(to_hex(i), 20, '0'), 'hex')
     FROM generate_series(0, 19) AS i`,
    );
    const url = parseStoreUrl(stores.url);
    const [host] = url.hosts;
    if (host === undefined) throw new Error("no host");
    const pool = createSessionPool(() => openPatiently({ host, store: url }), 1);
    try {
      let statements = 0;
      const found: number[] = [];
      const chunks = readChunks(
        {
          async query(...query) {
            const rows = await pool.use((session) => session.query(...query));
            if (++statements === 1) await run("SELECT elastik.merge_chunks_1(1)");
            return rows;
          },
        },
        1,
        195,
      );
      for await (const chunk of chunks) found.push(...chunk);
      assertEquals(statements, 2);
      assertEquals(found, Array.from({ length: 195 }, (_, i) => i % 10 === 9 ? (i - 9) / 10 : 0));
      assertEquals(await run("SELECT count(*) FROM elastik.content"), ["1"]);
    } finally {
      pool.close();
    }
  },
);
