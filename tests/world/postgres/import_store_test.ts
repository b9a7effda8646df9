import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { checkChains } from "../../support/check_chains.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import {
  importFolder,
  openSqlite,
  QUERY_KEY,
  withDatabase,
  withImport,
} from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { exportStore } from "../../../lib/world/postgres/export_store.ts";
import { keyCheckOf } from "../../../lib/world/postgres/machine.ts";
import { WorldReads } from "../../../lib/world/postgres/reads.ts";
import type { Store } from "../../../lib/world/store.ts";
import { fillRandomly } from "../../testdata/random_store.ts";

const server = sharedServer();

/** All rows of the worlds, the trash, the ledger and the marks of a data folder. */
function rowsOf(data: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const read = (path: string, tables: readonly string[]) => {
    const db = new DatabaseSync(path);
    try {
      const known = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
        .map(({ name }) => String(name));
      return Object.fromEntries(
        tables.filter((table) => known.includes(table)).map((table) => [
          table,
          db.prepare(`SELECT * FROM ${table}`).all(),
        ]),
      );
    } finally {
      db.close();
    }
  };
  const world = ["stage_meta", "events", "history", "content", "pieces"];
  for (const { name, isDirectory } of Deno.readDirSync(data)) {
    if (isDirectory && !name.startsWith(".")) {
      found[name] = read(`${data}/${name}/universe.db`, world);
    }
  }
  for (const { name: id } of Deno.readDirSync(`${data}/.trash`)) {
    for (const { name } of Deno.readDirSync(`${data}/.trash/${id}`)) {
      found[`trash ${id} ${name}`] = read(`${data}/.trash/${id}/${name}/universe.db`, world);
    }
  }
  const { names, trash } = read(`${data}/.names.db`, ["names", "trash"]);
  found.names = names;
  // The size is an estimate, and differs between the engines.
  found.trash = trash?.map((row) => ({ ...row, bytes: 0 }));
  try {
    found.marks = Deno.readTextFileSync(`${data}/.collections`).split("\n").sort();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

postgresTest(
  "importIntoStore() and exportStore() give equal rows of every world back",
  () =>
    withTempFolder(async (folder) => {
      const seed = 17;
      const random = createRandom(seed);
      await withImport(
        server(),
        (store) => fillRandomly(store, random, 150),
        async ({ data, sessions, imported }) => {
          assertEquals([imported.conflicts, imported.broken, imported.rejected], [[], [], []]);
          assert(
            imported.worlds.length > 3 && imported.trashed.length > 1,
            "the sample is too small",
          );
          assert(imported.marks > 0, "the sample has no mark");
          await sessions.use((session) => checkChains(session, QUERY_KEY));
          const into = `${folder}/export`;
          const counts = await exportStore({ sessions, into });
          assertEquals(counts, {
            worlds: imported.worlds.length,
            trashed: imported.trashed.length,
            marks: imported.marks,
            damaged: [],
            partial: [],
          });
          assertEquals(rowsOf(into), rowsOf(data), `seed ${seed}`);
          // Again: everything is there.
          const again = await importFolder(data, sessions);
          const all = imported.worlds.length + imported.trashed.length;
          assertEquals([again.worlds, again.same, again.conflicts, again.events], [[], all, [], 0]);
          // The other engine can use the folder.
          const store = await openSqlite(into);
          try {
            for (const { name } of await store.walk("")) {
              assertEquals((await store.audit(name)).ok, true, name);
            }
          } finally {
            await store.close();
          }
        },
      );
    }),
);

postgresTest(
  "exportStore() refuses a folder with files and leaves nothing after an abort",
  () =>
    withTempFolder((folder) =>
      withImport(server(), (store) => fillRandomly(store, createRandom(3), 5), async (fixture) => {
        const { sessions, data } = fixture;
        await assertRejects(exportStore({ sessions, into: data }), { name: "StoreExportError" });
        const signal = AbortSignal.abort(new Error("stopped"));
        const aborted = exportStore({ sessions, into: `${folder}/x`, signal });
        await assertRejects(aborted, { message: "stopped" });
        assertEquals([...Deno.readDirSync(folder)], []);
      })
    ),
);

postgresTest(
  "importIntoStore() takes no world that another key signed",
  () =>
    withImport(server(), (store) => fillRandomly(store, createRandom(4), 5), async (fixture) => {
      const { sessions, data } = fixture;
      const other = importFolder(data, sessions, { key: "another key" });
      await assertRejects(other, { name: "StoreImportError" });
    }),
);

postgresTest(
  "importIntoStore() adds no world with a key that was replaced while it ran",
  () =>
    withTempFolder(async (data) => {
      const store = await openSqlite(data);
      const body = new TextEncoder().encode("x");
      for (const name of ["home/x", "home/y"]) {
        await store.put({ name, body, ext: "txt", meta: [], by: "T2" });
      }
      await store.close();
      await withDatabase(server(), async (sessions) => {
        const setKey = (key: string) =>
          sessions.use((session) =>
            session.query("UPDATE elastik.machine SET key_check = $1", [keyCheckOf(key)])
          );
        await setKey("the next key");
        await assertRejects(importFolder(data, sessions), (error: Error) => {
          return error.name === "StoreImportError" && /another key now/.test(error.message);
        });
        const count = (table: string) =>
          sessions.use((session) => session.query(`SELECT FROM elastik.${table}`, []));
        assertEquals([await count("worlds"), await count("events")], [[], []]);
        await setKey(QUERY_KEY);
        assertEquals((await importFolder(data, sessions)).worlds, ["home/x", "home/y"]);
      });
    }),
);

postgresTest(
  "importIntoStore() signs events of a retired key again",
  () =>
    withTempFolder(async (data) => {
      const old = await openSqlite(data, { key: "the old key" });
      const text = new TextEncoder().encode("old");
      await old.put({ name: "home/x", body: text, ext: "txt", meta: [], by: "T2" });
      await old.close();
      await withImport(
        server(),
        () => Promise.resolve(),
        async ({ sessions }) => {
          const to = createChainSigner(QUERY_KEY);
          const imported = await importFolder(data, sessions, { retiredKeys: ["the old key"] });
          assertEquals([imported.worlds, imported.otherKey], [["home/x"], []]);
          const rows = await sessions.use((session) =>
            session.query("SELECT hmac, prev_hmac, timestamp, payload FROM elastik.events", [])
          );
          assertEquals(
            rows.map(({ hmac, prev_hmac, timestamp, payload }) =>
              hmac === to(String(prev_hmac), String(timestamp), "stage_written", String(payload))
            ),
            [true],
          );
        },
      );
    }),
);

postgresTest(
  "importIntoStore() reports worlds that the database has otherwise",
  () =>
    withImport(server(), (store) => fillRandomly(store, createRandom(5), 5), async (fixture) => {
      const { sessions, data, imported } = fixture;
      await sessions.use((session) =>
        session.query("UPDATE elastik.events SET hmac = 'x' WHERE name = $1", [
          imported.worlds[0] ?? "",
        ])
      );
      const again = await importFolder(data, sessions);
      assertEquals(again.conflicts, imported.worlds.slice(0, 1));
    }),
);

postgresTest(
  "importIntoStore() takes an altered chain as it is, without what is not a name",
  () =>
    withTempFolder(async (data) => {
      const store = await openSqlite(data);
      const body = new TextEncoder().encode("x");
      for (const name of ["home/x", "home/y"]) {
        await store.put({ name, body, ext: "txt", meta: [], by: "T2" });
        await store.rename({ name, to: `${name}2`, ext: "txt", by: "T2" });
      }
      await store.close();
      // The other name of the move is longer than a row of an index can be.
      const db = new DatabaseSync(`${data}/home%2Fx2/universe.db`);
      const payload = JSON.stringify({ from: `/${"y".repeat(9000)}`, to: "/home/x2" });
      db.prepare("UPDATE events SET payload = ? WHERE id = 2").run(payload);
      db.close();
      await withDatabase(server(), async (sessions) => {
        const imported = await importFolder(data, sessions);
        assertEquals([imported.worlds, imported.rejected], [["home/x2", "home/y2"], []]);
        assertEquals(imported.broken.map(({ name }) => name), ["home/x2"]);
        const rows = await sessions.use((session) =>
          session.query("SELECT name, also FROM elastik.events ORDER BY world, id", [])
        );
        const pairs = rows.map(({ name, also }) => [name, also]).sort();
        assertEquals(pairs, [
          ["home/x2", null],
          ["home/x2", null],
          ["home/y", null],
          ["home/y2", "home/y"],
        ]);
      });
    }),
);

postgresTest(
  "exportStore() exports the other worlds if rows of some are damaged, and what is left of these",
  () =>
    withTempFolder(async (folder) => {
      const fill = async (store: Store) => {
        const body = new TextEncoder().encode("x".repeat(20_000));
        for (const name of ["home/a", "home/b", "home/c", "home/d"]) {
          await store.put({ name, body, ext: "txt", meta: [], by: "T2" });
        }
        const later = { body: new Uint8Array([1]), ext: "txt", meta: [], by: "T2" };
        await store.put({ name: "home/b", ...later });
        await store.remove({ name: "home/c", by: "T3" });
        await store.put({ name: "home/e", ...later });
      };
      await withImport(server(), fill, async ({ sessions }) => {
        await sessions.use(async (session) => {
          for (
            const damage of [
              "worlds SET content = 987654321 WHERE name = 'home/a'",
              "versions SET content = 987654321 WHERE version = 1",
              "worlds SET trash = '../../x' WHERE name IS NULL",
              "worlds SET len = 5 WHERE name = 'home/e'",
            ]
          ) await session.query(`UPDATE elastik.${damage}`, []);
        });
        const into = `${folder}/export`;
        const { worlds, trashed, damaged, partial } = await exportStore({ sessions, into });
        assertEquals([worlds, trashed], [2, 0]);
        const reasons = new Map(damaged.map(({ name, reason }) => [name, reason]));
        assertEquals([damaged.length, Object.fromEntries(reasons)], [3, {
          "home/a": "a part of its bytes is missing",
          "../../x/home/c": "its entry in the trash has no valid id",
          "home/e": "a part of its bytes is missing",
        }]);
        assertEquals(partial, [{ name: "home/b", versions: [1] }]);
        assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["export"]);
        // The import of it keeps what is left, and what is missing stays missing.
        await withDatabase(server(), async (sessions) => {
          const imported = await importFolder(into, sessions);
          assertEquals([imported.worlds, imported.rejected], [["home/b", "home/d"], []]);
          assertEquals(imported.broken, [{
            name: "home/b",
            faults: [{ check: "history", reason: "the bytes of version 1 are missing" }],
          }]);
          const reads = new WorldReads(sessions, { keepVersions: 100 });
          assertEquals((await reads.readAt("home/b", 2)).body, new Uint8Array([1]));
          await assertRejects(reads.readAt("home/b", 1), {
            message: "Cannot read version 1 of home/b: a part of the bytes of version 1 is missing",
          });
        });
      });
    }),
);

postgresTest(
  "importIntoStore() imports a chain whose first or last event was altered as broken",
  () =>
    withTempFolder(async (data) => {
      const store = await openSqlite(data);
      for (const name of ["home/first", "home/last"]) {
        for (const text of ["1", "2", "3"]) {
          const body = new TextEncoder().encode(text);
          await store.put({ name, body, ext: "txt", meta: [], by: "T2" });
        }
      }
      await store.close();
      for (const [folder, id] of [["home%2Ffirst", 1], ["home%2Flast", 3]] as const) {
        const db = new DatabaseSync(`${data}/${folder}/universe.db`);
        db.prepare("UPDATE events SET timestamp = '2020-01-01T00:00:00.000Z' WHERE id = ?").run(id);
        db.close();
      }
      await withDatabase(server(), async (sessions) => {
        const { worlds, broken, otherKey } = await importFolder(data, sessions);
        assertEquals([worlds, otherKey], [["home/first", "home/last"], []]);
        const found = broken.map(({ name, faults }) => [name, faults[0]?.check, faults[0]?.event]);
        assertEquals(found.sort(), [["home/first", "chain", 1], ["home/last", "chain", 3]]);
      });
    }),
);

postgresTest(
  "importIntoStore() refuses a folder that is not a data folder, not one without worlds",
  () =>
    withTempFolder((folder) =>
      withDatabase(server(), async (sessions) => {
        Deno.mkdirSync(`${folder}/other/sub`, { recursive: true });
        await assertRejects(importFolder(`${folder}/other`, sessions), {
          name: "StoreImportError",
          message:
            `Cannot import ${folder}/other: it is not a data folder: it has no worlds and no files of a server`,
        });
        await (await openSqlite(`${folder}/data`)).close();
        assertEquals((await importFolder(`${folder}/data`, sessions)).worlds, []);
      })
    ),
);
