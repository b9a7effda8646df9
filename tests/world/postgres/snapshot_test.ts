import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { openSqlite, QUERY_KEY, until, withImport } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { fillRandomly } from "../../testdata/random_store.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import type { QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import { WorldCopies } from "../../../lib/world/postgres/snapshot.ts";
import type { Snapshot } from "../../../lib/world/store.ts";
import { LongJobs } from "../../../lib/world/store/long_jobs.ts";

const server = sharedServer();

function copiesOf(
  sessions: QuerySessions,
  folder: string,
  { keepVersions = 100, files = 2 } = {},
): WorldCopies {
  return new WorldCopies({
    sessions,
    sign: createChainSigner(QUERY_KEY),
    folder,
    jobs: new LongJobs({ running: 8, waiting: 8, waitingPerClient: 8 }),
    keepVersions,
    limits: { files, filesPerClient: 1, stallMs: 60_000 },
  });
}

async function bytesOf(snapshot: Snapshot | undefined): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(snapshot?.body ?? null).bytes();
}

/** Opens a copy. */
function open(bytes: Uint8Array<ArrayBuffer>): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.deserialize(bytes);
  return db;
}

postgresTest(
  "WorldCopies.create() gives the bytes of the copies of SqliteStore",
  () =>
    withTempFolder((folder) =>
      withImport(
        server(),
        (store) => fillRandomly(store, createRandom(37), 150),
        async (fixture) => {
          const { data, sessions, imported } = fixture;
          assert(imported.worlds.length > 3, "the sample is too small");
          for (const versions of [100, 2]) {
            const copies = copiesOf(sessions, folder, { keepVersions: versions });
            const store = await openSqlite(data, { history: { versions, bytes: 2 ** 25 } });
            try {
              for (const name of imported.worlds) {
                for (const key of [undefined, "the key of another server"]) {
                  const expected = await store.snapshot(name, key);
                  const found = await copies.create(name, key);
                  assertEquals([found?.version, found?.named], [expected.version, expected.named]);
                  assertEquals(await bytesOf(found), await bytesOf(expected), `${name} ${key}`);
                }
              }
            } finally {
              await store.close();
            }
          }
          assertEquals(await copiesOf(sessions, folder).create("home/none"), undefined);
        },
      )
    ),
);

postgresTest(
  "WorldCopies.create() streams a long copy from a file that disappears, within the limits",
  () =>
    withTempFolder((folder) =>
      withImport(
        server(),
        async (store) => {
          for (const length of [2_000_000, 1_500_000]) {
            const body = new Uint8Array(length).map((_, at) => at % 251);
            await store.put({ name: "home/long", body, ext: "bin", meta: [], by: "T2" });
          }
        },
        async ({ sessions }) => {
          const copies = copiesOf(sessions, folder, { files: 1 });
          const first = await copies.create("home/long", "another key", { client: "a" });
          assertEquals([copies.counts.open, [...Deno.readDirSync(`${folder}/.incoming`)]], [1, []]);
          await assertRejects(copies.create("home/long", undefined, { client: "b" }), {
            code: "busy",
          });
          const db = open(await bytesOf(first));
          try {
            const check = verifyWorld(db, "home/long", createChainSigner("another key"));
            assertEquals(check.faults, []);
            const versions = db.prepare("SELECT version, kind, len FROM history").all();
            assertEquals(versions.map((row) => ({ ...row })), [
              { version: 1, kind: "full", len: 2_000_000 },
            ]);
          } finally {
            db.close();
          }
          assertEquals(copies.counts.open, 0);
        },
      )
    ),
);

postgresTest(
  "WorldCopies.create() leaves no file when its caller has gone",
  () =>
    withTempFolder((folder) =>
      withImport(
        server(),
        async (store) => {
          const body = new Uint8Array(3_000_000);
          await store.put({ name: "home/long", body, ext: "bin", meta: [], by: "T2" });
        },
        async ({ sessions }) => {
          const copies = copiesOf(sessions, folder);
          const signal = AbortSignal.abort(new Error("gone"));
          await assertRejects(copies.create("home/long", undefined, { signal }), {
            message: "gone",
          });
          const controller = new AbortController();
          const copy = copies.create("home/long", undefined, { signal: controller.signal });
          setTimeout(() => controller.abort(new Error("left")), 5);
          await copy.then(bytesOf).catch(() => {});
          const later = await copies.create("home/long");
          await bytesOf(later);
          // The copy whose caller has left ends after its statement.
          await until(() => [...Deno.readDirSync(`${folder}/.incoming`)].length === 0);
        },
      )
    ),
);
