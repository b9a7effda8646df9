import { assert, assertEquals, assertRejects, errorWith } from "../../support/assert.ts";
import { ClusterStores } from "../../support/cluster_stores.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { openSqlite, until, withImport } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { fillRandomly } from "../../testdata/random_store.ts";
import type { Within } from "../../../lib/world/changes.ts";
import type { AttachedWorlds } from "../../../lib/world/quota.ts";
import { QuotaError } from "../../../lib/world/quota_list.ts";
import type { QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import { TrashQueries, type TrashQueriesOptions } from "../../../lib/world/postgres/trash_query.ts";
import type { TrashEntry, TrashPage, TrashQuery } from "../../../lib/world/trash.ts";

const server = sharedServer();

/** Sends what a request changes, judged by the accounts of now. */
function callsOf(sessions: QuerySessions): TrashQueriesOptions["calls"] {
  const judged = { guard: 0, authority: 0 };
  const first = { mayHaveHappened: false };
  return { ask: (run) => sessions.use((session) => run(session, judged, first)) };
}

function trashOf(sessions: QuerySessions, more: Partial<TrashQueriesOptions> = {}): TrashQueries {
  return new TrashQueries({
    read: sessions,
    write: sessions,
    calls: callsOf(sessions),
    now: Date.now,
    monotonic: () => performance.now(),
    log: () => {},
    ...more,
  });
}

/** Reads all pages; the sizes are estimates that differ between the engines. */
async function readAll(
  read: (query: TrashQuery) => Promise<TrashPage>,
  query: TrashQuery,
): Promise<Omit<TrashEntry, "bytes">[]> {
  const found: Omit<TrashEntry, "bytes">[] = [];
  let after: TrashEntry | undefined;
  for (;;) {
    const page = await read({ ...query, ...(after === undefined ? {} : { after }) });
    assert(page.entries.length <= query.limit, "the page is longer than its limit");
    for (const { bytes: _bytes, ...entry } of page.entries) found.push(entry);
    after = page.entries.at(-1);
    if (!page.more || after === undefined) return found;
  }
}

const ALL: readonly Within[] = [{ name: "", part: "tree", restricted: true }];

async function count(sessions: QuerySessions, from: string): Promise<number> {
  const [row] = await sessions.use((session) =>
    session.query(`SELECT count(*) AS n FROM ${from}`, [])
  );
  return Number(row?.n);
}

postgresTest("TrashQueries gives the pages that SqliteStore gives", () => {
  const seed = 29;
  const random = createRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  return withImport(server(), (store) => fillRandomly(store, random, 200), async (fixture) => {
    const { data, sessions } = fixture;
    const trash = trashOf(sessions);
    const store = await openSqlite(data);
    try {
      const all = await readAll((query) => store.listTrash(query), { within: ALL, limit: 1000 });
      assert(all.length > 5, "the sample is too small");
      for (let at = 0; at < 40; at++) {
        const within: Within[] = [];
        while (within.length === 0 || random() < 0.3) {
          within.push({
            name: pick(["", "home", "home/a", "home/d", "etc", "etc/secret", "home/none"]),
            part: pick(["exact", "below", "tree"] as const),
            restricted: random() < 0.5,
          });
        }
        const query = { within, limit: pick([1, 2, 100]) };
        const expected = await readAll((part) => store.listTrash(part), query);
        const found = await readAll((part) => trash.page(part), query);
        assertEquals(found, expected, `seed ${seed}: ${JSON.stringify(query)}`);
      }
      for (const { id } of all) {
        const [expected, found] = [await store.findTrash(id), await trash.ofId(id)];
        assertEquals(
          found.map(({ bytes: _, ...entry }) => entry),
          expected.map(({ bytes: _, ...entry }) => entry),
        );
      }
      assertEquals([await trash.ofId("none"), await trash.ofId("../x")], [[], []]);
    } finally {
      await store.close();
    }
  });
});

postgresTest(
  "TrashQueries.expunge() deletes rows, bytes, versions and chain, and keeps the name",
  () =>
    withImport(
      server(),
      async (store) => {
        for (const name of ["home/x", "home/kept"]) {
          for (const length of [20_000, 10, 30_000]) {
            const body = new Uint8Array(length).fill(97);
            await store.put({ name, body, ext: "txt", meta: [["x-meta-a", "secret"]], by: "T2" });
          }
        }
        await store.remove({ name: "home/x", by: "T2" });
      },
      async ({ sessions }) => {
        const taken: string[] = [];
        const trash = trashOf(sessions, { onTaken: ({ name }) => void taken.push(name) });
        const [entry] = (await trash.page({ within: ALL, limit: 10 })).entries;
        assert(entry !== undefined, "nothing is in the trash");
        const before = await count(sessions, "elastik.content");
        assertEquals(await trash.expunge(entry.id), [entry]);
        assertEquals(taken, ["home/x"]);
        assertEquals(
          [await count(sessions, "elastik.content"), await count(sessions, "elastik.worlds")],
          [before / 2, 1],
        );
        assertEquals(
          await count(
            sessions,
            "elastik.versions v LEFT JOIN elastik.worlds w ON w.id = v.world WHERE w.id IS NULL",
          ),
          0,
        );
        // A node that is behind gets the places of the events, without their content.
        const rest = await sessions.use((session) =>
          session.query(
            "SELECT DISTINCT event_type, payload, hmac FROM elastik.events WHERE name = $1",
            ["home/x"],
          )
        );
        assertEquals(rest, [{ event_type: "", payload: "{}", hmac: "" }]);
        const [name] = await sessions.use((session) =>
          session.query("SELECT world, version FROM elastik.names WHERE name = $1", ["home/x"])
        );
        assertEquals(name, { world: null, version: 3 });
        assertEquals([await trash.expunge(entry.id), await trash.expunge("../x")], [[], []]);
        // An hour later they are deleted, too.
        await sessions.use(async (session) => {
          await session.query("UPDATE elastik.batches SET at = at - interval '61 minutes'", []);
          await session.query("SELECT elastik.expunge_rest_1()", []);
        });
        assertEquals(await count(sessions, "elastik.events WHERE name = 'home/x'"), 0);
        assertEquals(await count(sessions, "elastik.events WHERE name = 'home/kept'"), 3);
      },
    ),
);

postgresTest(
  "TrashQueries deletes worlds whose time is over, on one node at a time",
  () =>
    withImport(
      server(),
      async (store) => {
        const body = new Uint8Array([1]);
        for (let at = 0; at < 20; at++) {
          const name = `home/${at}`;
          await store.put({ name, body, ext: "bin", meta: [], by: "T2" });
          if (at > 0) await store.remove({ name, by: "T2" });
        }
      },
      async ({ sessions }) => {
        // By the clock of the node they are a year old, by that of the database some seconds.
        const year = 365 * 86_400_000;
        const wrong = trashOf(sessions, { keepMs: year - 60_000, now: () => Date.now() + year });
        wrong.start();
        await until(() => wrong.counter.counts.entries === 19);
        await wrong.stop();
        assertEquals([wrong.counter.counts.expired, await count(sessions, "elastik.worlds")], [
          0,
          20,
        ]);
        const nodes = [1, 2].map(() =>
          trashOf(sessions, { keepMs: 1, now: () => Date.now() + 1000 })
        );
        for (const node of nodes) node.start();
        await until(async () => await count(sessions, "elastik.worlds") === 1);
        for (const node of nodes) await node.stop();
        assertEquals(nodes.reduce((sum, { counter }) => sum + counter.counts.expired, 0), 19);
      },
    ),
);

postgresTest(
  "TrashQueries.expunge() returns what an attempt without an answer has deleted, and nothing else",
  () =>
    withImport(
      server(),
      async (store) => {
        const body = new Uint8Array([1]);
        for (const name of ["home/x", "home/y", "home/z"]) {
          await store.put({ name, body, ext: "bin", meta: [], by: "T2" });
          await store.remove({ name, by: "T2" });
        }
      },
      async ({ sessions }) => {
        const [x, y, z] = (await trashOf(sessions).page({ within: ALL, limit: 10 })).entries;
        assert(x !== undefined && y !== undefined && z !== undefined, "nothing is in the trash");
        // A session that runs everything twice, as after a lost answer.
        const write: QuerySessions = {
          use: (run) => sessions.use(run).then(() => sessions.use(run)),
        };
        assertEquals(await trashOf(sessions, { calls: callsOf(write) }).expunge(x.id), [x]);
        // Restored by another node between the look and the deletion.
        const restored: QuerySessions = {
          async use(run) {
            await sessions.use((session) =>
              session.query(
                "UPDATE elastik.worlds SET name = 'home/other', trash = NULL WHERE trash = $1",
                [y.id],
              )
            );
            return await sessions.use(run);
          },
        };
        assertEquals(await trashOf(sessions, { calls: callsOf(restored) }).expunge(y.id), []);
        // Deleted for good by another node in between.
        const deleted: QuerySessions = {
          async use(run) {
            assertEquals(await trashOf(sessions).expunge(z.id), [z]);
            return await sessions.use(run);
          },
        };
        assertEquals(await trashOf(sessions, { calls: callsOf(deleted) }).expunge(z.id), []);
      },
    ),
);

postgresTest(
  "a full trash of a quota is free again on every node after a restore or a final deletion",
  async () => {
    await using stores = await ClusterStores.create(server());
    const [a, b] = [await stores.open(), await stores.open()];
    const put = (store: typeof a, name: string, text: string) =>
      store.put({ name, body: new TextEncoder().encode(text), ext: "txt", meta: [], by: "T3" });
    await put(a, "etc/quota", "prefix:/home/t trash:1");
    await b.refresh();
    await until(() => b.quotas("home/t/x", "").length > 0);
    for (const leave of ["restore", "other", "expunge"] as const) {
      await put(a, "home/t/a", "a");
      const { trash } = await a.remove({ name: "home/t/a", by: "T3" });
      await b.refresh();
      await assertRejects(
        () => put(b, `home/t/${leave}`, "b"),
        errorWith(QuotaError, "the trash of"),
      );
      if (leave === "expunge") await a.expunge(trash);
      else {
        const name = leave === "restore" ? "home/t/a" : "home/other";
        await a.restore({ name, from: "home/t/a", trash, by: "T3", ext: "txt", state: "" });
        await a.expunge((await a.remove({ name, by: "T3" })).trash);
      }
      await b.refresh();
      await put(b, `home/t/${leave}`, "b");
    }
  },
);

postgresTest(
  "a world in the trash counts for its owner on a node that had not read it before it was deleted",
  async () => {
    await using stores = await ClusterStores.create(server());
    const attached: AttachedWorlds = {
      isAttached: ({ name }) => name.startsWith("var/at/"),
      ownerOf: ({ body }) => ({ name: new TextDecoder().decode(body), by: "T3" }),
    };
    // They look for changes of each other at intervals only, so that they see several at once.
    const options = { attached, feed: "poll" } as const;
    const [a, b] = [await stores.open(options), await stores.open(options)];
    const put = (store: typeof a, name: string, text: string) =>
      store.put({ name, body: new TextEncoder().encode(text), ext: "txt", meta: [], by: "T3" });
    await put(a, "etc/quota", "prefix:/home/t trash:1");
    await b.refresh();
    await until(() => b.quotas("home/t/x", "").length > 0);
    for (let round = 1; round <= 5; round++) {
      await put(a, "var/at/1", "home/t/x");
      const { trash } = await a.remove({ name: "var/at/1", by: "T3" });
      await b.refresh();
      await assertRejects(
        () => put(b, "home/t/a", "b"),
        errorWith(QuotaError, "the trash of"),
      );
      await a.expunge(trash);
      await b.refresh();
      await put(b, "home/t/a", "b");
      await b.remove({ name: "home/t/a", by: "T3" }).then(({ trash }) => b.expunge(trash));
      await a.refresh();
    }
  },
);
