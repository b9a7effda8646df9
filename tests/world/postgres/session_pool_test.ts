import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { openDatabase, withDatabaseSession } from "../../support/database_session.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { until } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { createSessionPool } from "../../../lib/world/postgres/session_pool.ts";
import { type Session, SessionError } from "../../../lib/world/postgres/session.ts";

/** A session that ends when its test says so. */
class FakeSession implements Session {
  isOpen = true;
  inTransaction = false;
  readonly pid = 1;
  query() {
    return Promise.resolve([]);
  }
  drop() {
    this.isOpen = false;
  }
}

function createPool(size: number, fail: () => SessionError | undefined = () => undefined) {
  const opened: FakeSession[] = [];
  const pool = createSessionPool(() => {
    const error = fail();
    if (error !== undefined) return Promise.reject(error);
    const session = new FakeSession();
    opened.push(session);
    return Promise.resolve(session);
  }, size);
  return { pool, opened };
}

Deno.test("use() opens sessions up to the size and then waits, in order", async () => {
  const { pool, opened } = createPool(2);
  const order: number[] = [];
  const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const calls = ends.map(({ promise }, i) =>
    pool.use(async () => {
      order.push(i);
      await promise;
      return i;
    })
  );
  ends[1]?.resolve();
  await calls[1];
  ends[2]?.resolve();
  await calls[2];
  for (const { resolve } of ends) resolve();
  assertEquals(await Promise.all(calls), [0, 1, 2, 3]);
  assertEquals(order, [0, 1, 2, 3]);
  assertEquals(opened.length, 2);
});

Deno.test("use() keeps a session after an error and drops one inside of a transaction", async () => {
  const { pool, opened } = createPool(1);
  await assertRejects(pool.use(() => Promise.reject(new Error("own"))), /own/);
  const first = await pool.use((session) => Promise.resolve(session));
  assertStrictEquals(first, opened[0]);
  await pool.use((session) => {
    assertStrictEquals(session, first);
    opened[0]!.inTransaction = true;
    return Promise.resolve();
  });
  assert(!first.isOpen, "the session in a transaction is dropped");
  assertStrictEquals(await pool.use((session) => Promise.resolve(session)), opened[1]);
});

Deno.test("use() replaces sessions that ended in use or idle", async () => {
  const { pool, opened } = createPool(1);
  await pool.use((session) => Promise.resolve(session.drop()));
  await pool.use(() => Promise.resolve());
  opened[1]?.drop();
  const waiting = [1, 2].map(() => pool.use((session) => Promise.resolve(session.isOpen)));
  assertEquals(await Promise.all(waiting), [true, true]);
  assertEquals(opened.length, 3);
});

Deno.test("a failed opening is the error of one caller only", async () => {
  let failures = 1;
  const refused = new SessionError("refused", "no");
  const { pool } = createPool(1, () => failures-- > 0 ? refused : undefined);
  const results = await Promise.allSettled([1, 2].map((i) => pool.use(() => Promise.resolve(i))));
  assertEquals(results, [
    { status: "rejected", reason: refused },
    { status: "fulfilled", value: 2 },
  ]);
});

Deno.test("close() drops every session and refuses what waits and what comes later", async () => {
  const { pool, opened } = createPool(2);
  const started = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const running = pool.use(() => {
    started.resolve();
    return end.promise;
  });
  await started.promise;
  const opening = pool.use(() => Promise.resolve());
  const waiting = pool.use(() => Promise.resolve());
  pool.close();
  for (const late of [opening, waiting, pool.use(() => Promise.resolve())]) {
    await assertRejects(late, { code: "refused" });
  }
  end.resolve();
  await running;
  assertEquals(opened.map(({ isOpen }) => isOpen), [false, false]);
});

const server = sharedServer();

postgresTest(
  "sessions that ended during a statement count until the server has ended them",
  () =>
    withDatabaseSession(server(), async (owner, database) => {
      let opened = 0;
      const pool = createSessionPool(() => {
        opened += 1;
        return openDatabase(server(), database);
      }, 2);
      const count = async () => {
        const [row] = await owner.query(
          `SELECT count(*) AS count FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()`,
        );
        return Number(row?.count);
      };
      let asleep = 0;
      const isAsleep = async () => {
        const sleepers = await owner.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        );
        return sleepers.length === asleep;
      };
      // As a commit that waits for its standby, it does not notice that its client has gone.
      const abandon = () =>
        pool.use(async (session) => {
          const sleeping = session.query("SELECT pg_sleep(600)", []);
          const lost = assertRejects(sleeping, { code: "lost" });
          asleep += 1;
          await until(isAsleep);
          session.drop();
          await lost;
        });
      for (let i = 0; i < 2; i++) await abandon();
      for (let i = 0; i < 40; i++) await assertRejects(abandon, { code: "refused" });
      // A session that was opened to look ends when the server notices that it was closed.
      await until(async () => await count() <= 3);
      assert(opened < 40, `${opened} sessions were opened to look`);
      // They end one after the other; each gives its place back.
      const end = (limit: number) =>
        owner.query(
          `SELECT pg_terminate_backend(pid, 60000) FROM (
           SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep%'
             AND pid <> pg_backend_pid() LIMIT $1) x`,
          [limit],
        );
      const ask = () => pool.use((session) => session.query("SELECT 1", []));
      for (let left = 2; left > 0; left--) {
        await end(1);
        while (!await ask().then(() => true, (error) => !(error instanceof SessionError)));
        await until(async () => await count() <= 3);
      }
      await Promise.all([ask(), ask()]);
      pool.close();
    }),
);

postgresTest(
  "sessions that the server ends at random lose no acknowledged statement",
  () =>
    withDatabaseSession(server(), async (owner, database) => {
      await owner.query("CREATE SCHEMA elastik; CREATE TABLE elastik.done (n int PRIMARY KEY)");
      const pool = createSessionPool(() => openDatabase(server(), database), 4);
      const random = createRandom(17);
      const acknowledged: number[] = [];
      const unknown: number[] = [];
      let isDone = false;
      const killing = (async () => {
        while (!isDone) {
          await owner.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()
           ORDER BY hashint4(pid + $1) LIMIT 1`,
            [Math.floor(random() * 1_000)],
          );
        }
      })();
      const insert = async (n: number): Promise<void> => {
        try {
          await pool.use((session) => session.query("INSERT INTO elastik.done VALUES ($1)", [n]));
          acknowledged.push(n);
        } catch (error) {
          if (!(error instanceof SessionError)) throw error;
          if (error.isUnknown) unknown.push(n);
          else assertEquals(error.code, "refused");
        }
      };
      await Promise.all(
        Array.from({ length: 8 }, async (_, client) => {
          // On some computers many statements are faster than the first end of a session.
          for (let i = 0; i < 40 || unknown.length === 0; i++) await insert(client + 8 * i);
        }),
      );
      isDone = true;
      await killing;
      const rows = await owner.query("SELECT n FROM elastik.done");
      const stored = new Set(rows.map(({ n }) => Number(n)));
      assertEquals(acknowledged.filter((n) => !stored.has(n)), []);
      assertEquals(
        [...stored].filter((n) => !acknowledged.includes(n) && !unknown.includes(n)),
        [],
      );
      // The pool works when the faults are over; it may not know of the last ended session yet.
      const ask = () => pool.use((session) => session.query("SELECT 1", []));
      while (!await ask().then(() => true, (error) => !(error instanceof SessionError)));
      pool.close();
    }),
);
