import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { openSqlite, QUERY_KEY, withImport } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { fillRandomly } from "../../testdata/random_store.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { WorldChains } from "../../../lib/world/postgres/chain.ts";
import type { QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import type { JobCaller, Store } from "../../../lib/world/store.ts";
import { type LongJob, LongJobs } from "../../../lib/world/store/long_jobs.ts";

const server = sharedServer();

function chainsOf(sessions: QuerySessions, jobs = newJobs()): WorldChains {
  return new WorldChains({ sessions, sign: createChainSigner(QUERY_KEY), jobs });
}

function newJobs(): LongJobs {
  return new LongJobs({ running: 8, waiting: 8, waitingPerClient: 8 });
}

async function putMany(store: Store, name: string, count: number): Promise<void> {
  const body = new TextEncoder().encode("x");
  for (let at = 0; at < count; at++) {
    await store.note({ name, type: "noted", payload: { at }, by: "T2" }).catch(() =>
      store.put({ name, body, ext: "txt", meta: [], by: "T2" })
    );
  }
}

postgresTest(
  "WorldChains gives the logs and audits of SqliteStore",
  () =>
    withImport(server(), (store) => fillRandomly(store, createRandom(31), 120), async (fixture) => {
      const { data, sessions, imported } = fixture;
      const chains = chainsOf(sessions);
      const store = await openSqlite(data);
      try {
        assert(imported.worlds.length > 3, "the sample is too small");
        for (const name of imported.worlds) {
          assertEquals(await chains.audit(name, {}), await store.audit(name));
          for (const page of [{ limit: 2 }, { limit: 1000 }, { before: 3, limit: 5 }]) {
            const { before = Number.MAX_SAFE_INTEGER, limit } = page;
            assertEquals(await chains.log(name, before, limit), await store.log(name, page));
          }
          assertEquals(await chains.log(name, 1, 10), []);
        }
      } finally {
        await store.close();
      }
      assertEquals(await chains.log("home/none", 10, 10), undefined);
      assertEquals(await chains.audit("home/none", {}), undefined);
    }),
);

/** Changes of rows by hand, and which of the two checks finds each. */
const FORGERIES: readonly [statement: string, chain: boolean, body: boolean][] = [
  ["UPDATE elastik.events SET payload = '{}' WHERE id = 700", false, true],
  ["DELETE FROM elastik.events WHERE id = 2", false, true],
  ["UPDATE elastik.events SET timestamp = '2020-01-01T00:00:00.000Z' WHERE id = 1", false, true],
  ["UPDATE elastik.worlds SET body = 'y', len = 1", true, false],
  ["UPDATE elastik.worlds SET state = 'active'", true, false],
  ["UPDATE elastik.worlds SET event_hmac = 'zz'", false, true],
  ["UPDATE elastik.worlds SET event_id = 77", false, true],
  ["DELETE FROM elastik.events WHERE id = 1100", false, true],
  ['UPDATE elastik.worlds SET headers = \'[["x-meta-a","b"]]\'', true, false],
];

postgresTest(
  "WorldChains.audit() finds what was changed in the database after an earlier audit",
  () =>
    withImport(server(), (store) => putMany(store, "home/x", 1100), async ({ sessions }) => {
      const chains = chainsOf(sessions);
      for (const [statement, chain, body] of FORGERIES) {
        const before = await chains.audit("home/x", {});
        assertEquals([before?.ok, before?.events], [true, 1100]);
        const tables = ["events", "worlds"];
        const undo = await sessions.use(async (session) => {
          for (const table of tables) {
            await session.query(`CREATE TABLE old_${table} AS SELECT * FROM elastik.${table}`, []);
          }
          await session.query(statement, []);
          return async () => {
            for (const table of tables) {
              await session.query(`TRUNCATE elastik.${table}`, []);
              await session.query(`INSERT INTO elastik.${table} SELECT * FROM old_${table}`, []);
              await session.query(`DROP TABLE old_${table}`, []);
            }
          };
        });
        const found = await chains.audit("home/x", {});
        assertEquals([found?.chain.ok, found?.body.ok], [chain, body], statement);
        await undo();
      }
    }),
);

postgresTest(
  "WorldChains.audit() keeps its result until the world changes, and shares a job",
  () =>
    withImport(server(), (store) => putMany(store, "home/x", 3), async ({ sessions }) => {
      const jobs = newJobs();
      let runs = 0;
      const isShared = Promise.withResolvers<void>();
      const counted = {
        async run<T>(job: LongJob<T>, caller?: JobCaller): Promise<T> {
          if (++runs === 2) isShared.resolve();
          const start = (signal: AbortSignal) => isShared.promise.then(() => job.start(signal));
          return await jobs.run({ ...job, start }, caller);
        },
      };
      const chains = new WorldChains({
        sessions,
        sign: createChainSigner(QUERY_KEY),
        jobs: counted,
      });
      const first = await Promise.all([chains.audit("home/x", {}), chains.audit("home/x", {})]);
      assertEquals([first[0], jobs.counts.shared], [first[1], 1]);
      await chains.audit("home/x", {});
      assertEquals(runs, 2);
      await sessions.use((session) => session.query("UPDATE elastik.worlds SET state = state", []));
      await chains.audit("home/x", {});
      assertEquals(runs, 3);
    }),
);

postgresTest(
  "WorldChains.audit() stops when its caller has gone, and frees its session",
  () =>
    withImport(server(), (store) => putMany(store, "home/x", 1100), async ({ sessions }) => {
      const jobs = newJobs();
      const chains = chainsOf(sessions, jobs);
      const controller = new AbortController();
      const audit = chains.audit("home/x", { signal: controller.signal });
      audit.catch(() => {});
      while (jobs.counts.running === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      controller.abort();
      await assertRejects(audit, { name: "AbortError" });
      assertEquals(jobs.counts.stopped, 1);
      // The transaction has ended: the session can be used again.
      for (let at = 0; at < 5; at++) assertEquals((await chains.audit("home/x", {}))?.ok, true);
    }),
);

postgresTest(
  "WorldChains.eventsAfter() reads events of a world by its id",
  () =>
    withImport(server(), (store) => putMany(store, "home/x", 4), async ({ sessions }) => {
      const [world] = await sessions.use((session) =>
        session.query("SELECT id FROM elastik.worlds", [])
      );
      const events = await chainsOf(sessions).eventsAfter(Number(world?.id), 1, 2);
      assertEquals(events.map(({ id, type }) => [id, type]), [[2, "noted"], [3, "noted"]]);
    }),
);
