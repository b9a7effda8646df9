import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { openDatabase, withDatabaseSession } from "../../support/database_session.ts";
import { postgresTest, serversTest, sharedServer } from "../../support/postgres_servers.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";
import { readMachine } from "../../../lib/world/postgres/machine.ts";
import {
  changeStoreKey,
  forgetRetiredKey,
  initStore,
  recordRestore,
  STORE_SCHEMA,
  StoreRefused,
  type StoreSchema,
  upgradeStore,
} from "../../../lib/world/postgres/manage_store.ts";
import { SessionError } from "../../../lib/world/postgres/session.ts";

const server = sharedServer();
const NEXT = STORE_SCHEMA.version + 1;
/** The schema of a later release. */
const LATER: StoreSchema = {
  ...STORE_SCHEMA,
  version: NEXT + 1,
  migrations: [
    { to: NEXT, statements: ["CREATE TABLE elastik.later (n int)"] },
    { to: NEXT + 1, statements: ["INSERT INTO elastik.later VALUES (7)"] },
  ],
};

const INSERT_EVENT = `INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac,
  prev_hmac, kind, name, by, version, ext, state, len)
  VALUES (1, 1, '', '', '', '', '', 'note', '', '', 1, '', '', 0)`;

async function assertRefused(work: Promise<unknown>, reason: RegExp): Promise<void> {
  await assertRejects(work, (error: unknown) => {
    assert(error instanceof StoreRefused, `${error}`);
    assertMatch(error.message, reason);
    return true;
  });
}

postgresTest(
  "initStore() creates the store once, with its facts",
  () =>
    withDatabaseSession(server(), async (session) => {
      const steps: number[] = [];
      const first = await initStore(session, {
        key: "own",
        onProgress: (done, total) => steps.push(done / total),
      });
      assertEquals([first.isNew, first.machine.schemaVersion], [true, STORE_SCHEMA.version]);
      assertMatch(first.machine.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assertMatch(first.machine.epoch, /^[0-9a-f]{32}$/);
      assert(steps.length > 20 && steps.every((part) => part < 1), "it reports its progress");
      const rows = await session.query("SELECT first, length(run) AS digits FROM elastik.runs");
      assertEquals(rows, [{ first: 1, digits: 8 }]);

      const again = await initStore(session, { key: "own" });
      assertEquals(again, { machine: first.machine, isNew: false });
      await assertRefused(initStore(session, { key: "other" }), /ELASTIK_KEY is not its key/);
      assert(!session.inTransaction, "no transaction is left");
    }),
);

postgresTest(
  "initStore() refuses a database that it could damage, and leaves it as it was",
  () =>
    withDatabaseSession(server(), async (session) => {
      for (
        const [create, drop, reason] of [
          ["CREATE TABLE public.own (n int)", "DROP TABLE public.own", /contains public\.own/],
          ["CREATE SEQUENCE public.s", "DROP SEQUENCE public.s", /contains public\.s/],
          ["CREATE SCHEMA elastik", "DROP SCHEMA elastik", /contains elastik/],
        ] as const
      ) {
        await session.query(create);
        await assertRefused(initStore(session, { key: "own" }), reason);
        await session.query(drop);
      }
      await assertRefused(initStore(session, { key: "own", role: "none" }), /no role none/);
      assertEquals(await readMachine(session), undefined);
      // Extensions of the service are not data.
      await session.query("CREATE EXTENSION pg_stat_statements SCHEMA public");
      assertEquals((await initStore(session, { key: "own" })).isNew, true);
    }),
);

postgresTest("initStore() refuses another encoding", async () => {
  await server().sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  const session = await openDatabase(server(), "latin");
  await assertRefused(initStore(session, { key: "own" }), /LATIN1; .*UTF8/);
  session.drop();
  await server().dropDatabase("latin");
});

postgresTest(
  "an error during the creation leaves nothing behind",
  () =>
    withDatabaseSession(server(), async (session) => {
      const broken = { ...STORE_SCHEMA, create: [...STORE_SCHEMA.create, "SELECT 1 / 0"] };
      const failing = initStore(session, { key: "own", schema: broken });
      await assertRejects(failing, { code: "22012" });
      const [row] = await session.query("SELECT to_regnamespace('elastik') IS NULL AS empty");
      assertEquals(row, { empty: true });
      assertEquals((await initStore(session, { key: "own" })).isNew, true);
    }),
);

postgresTest(
  "two operators at the same time create one store",
  () =>
    withDatabaseSession(server(), async (first, database) => {
      const second = await openDatabase(server(), database);
      const results = await Promise.all(
        [first, second].map((session) => initStore(session, { key: "own" })),
      );
      assertEquals(results.map(({ isNew }) => isNew).sort(), [false, true]);
      assertEquals(results[0]?.machine, results[1]?.machine);
      second.drop();
    }),
);

postgresTest(
  "a role of nodes can use the store and cannot change its facts",
  () =>
    withDatabaseSession(server(), async (session, database) => {
      // Names of roles can contain anything.
      const role = `node "$role" ä`;
      const quoted = `"node ""$role"" ä"`;
      await session.query(`CREATE ROLE ${quoted}`);
      await assertRefused(initStore(session, { key: "own", role }), /no right to log in/);
      await session.query(`ALTER ROLE ${quoted} LOGIN`);
      await initStore(session, { key: "own", role });
      const node = await openDatabase(server(), database, encodeURIComponent(role));
      assertEquals((await readMachine(node))?.schemaVersion, STORE_SCHEMA.version);
      await node.query("SELECT elastik.publish_1(true)", []);
      await node.query("INSERT INTO elastik.marks VALUES ('home/a')");
      await node.query("SELECT nextval('elastik.world_id')");
      for (
        const statement of [
          "UPDATE elastik.machine SET key_check = ''",
          "DELETE FROM elastik.machine",
          "INSERT INTO elastik.machine SELECT * FROM elastik.machine",
          "CREATE TABLE elastik.own (n int)",
          "DROP TABLE elastik.marks",
          "TRUNCATE elastik.events",
        ]
      ) await assertRejects(node.query(statement), { code: "42501" }, statement);

      // An upgrade gives it the rights on what is new.
      assertEquals(await upgradeStore(session, LATER), { from: NEXT - 1, to: NEXT + 1 });
      assertEquals(await node.query("SELECT n FROM elastik.later"), [{ n: 7 }]);
      node.drop();
      await session.query(`DROP OWNED BY ${quoted}; DROP ROLE ${quoted}`);
    }),
);

postgresTest(
  "no other role can read the store",
  () =>
    withDatabaseSession(server(), async (session, database) => {
      await session.query("CREATE ROLE foreign_role LOGIN");
      await initStore(session, { key: "own" });
      const other = await openDatabase(server(), database, "foreign_role");
      for (
        const statement of [
          "SELECT * FROM elastik.machine",
          "SELECT * FROM elastik.worlds",
          "SELECT elastik.publish_1(false)",
        ]
      ) await assertRejects(other.query(statement), { code: "42501" }, statement);
      other.drop();
      await session.query("DROP ROLE foreign_role");
    }),
);

postgresTest(
  "upgradeStore() takes each step once and completely",
  () =>
    withDatabaseSession(server(), async (session, database) => {
      await assertRefused(upgradeStore(session), /no store/);
      await initStore(session, { key: "own" });
      const same = { from: STORE_SCHEMA.version, to: STORE_SCHEMA.version };
      assertEquals(await upgradeStore(session), same);

      const broken = {
        ...LATER,
        migrations: LATER.migrations.map((migration) => ({
          ...migration,
          statements: [...migration.statements, ...(migration.to === NEXT ? [] : ["SELECT 1 / 0"])],
        })),
      };
      await assertRejects(upgradeStore(session, broken), { code: "22012" });
      assertEquals((await readMachine(session))?.schemaVersion, NEXT);
      assertEquals(await session.query("SELECT n FROM elastik.later"), []);

      const second = await openDatabase(server(), database);
      const steps: number[] = [];
      await Promise.all(
        [session, second].map((one) => upgradeStore(one, LATER, (to) => steps.push(to))),
      );
      assertEquals(new Set(steps), new Set([NEXT + 1]));
      assertEquals(await session.query("SELECT n FROM elastik.later"), [{ n: 7 }]);
      second.drop();

      await assertRefused(upgradeStore(session), /use a newer elastik/);
      await assertRefused(initStore(session, { key: "own" }), /use a newer elastik/);
      await assertRefused(
        upgradeStore(session, { ...LATER, version: NEXT + 2 }),
        /no step to schema/,
      );
    }),
);

postgresTest(
  "recordRestore() ends what clients remember of the order of changes",
  () =>
    withDatabaseSession(server(), async (session) => {
      await assertRefused(recordRestore(session, "own"), /no store/);
      const { machine } = await initStore(session, { key: "own" });
      await session.query("UPDATE elastik.feed SET seq = 41");
      await session.query(`INSERT INTO elastik.nodes (id, url, version, health, seen_at) VALUES
        ('a', '', '', '{}', clock_timestamp() - interval '9 s'),
        ('b', '', '', '{}', clock_timestamp() - interval '31 s')`);
      await assertRefused(recordRestore(session, "own"), /30 s ago: a; stop every node/);
      assertEquals(await readMachine(session), machine);
      await session.query("DELETE FROM elastik.nodes WHERE id = 'a'");
      await recordRestore(session, "own");
      await recordRestore(session, undefined);
      await assertRefused(recordRestore(session, "other"), /ELASTIK_KEY is not its key/);
      const runs = await session.query("SELECT first, run FROM elastik.runs ORDER BY first");
      assertEquals(runs.map(({ first }) => first), [1, 42]);
      assert(runs[0]?.run !== runs[1]?.run, "the runs differ");
      const after = await readMachine(session);
      assert(after?.epoch !== machine.epoch, "the epoch is new");
      assertEquals({ ...after, epoch: "" }, { ...machine, epoch: "" });
    }),
);

serversTest("a creation that no standby confirms is an unknown outcome, and can be repeated", {
  servers: 2,
}, async (servers) => {
  const session = await openDatabase(servers, "postgres");
  await servers.pause("b");
  const creating = initStore(session, { key: "own" });
  const failed = assertRejects(
    creating,
    (error: unknown) => error instanceof SessionError && error.isUnknown,
  );
  const cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  while ((await servers.sql(cancel)).length === 0);
  await failed;
  servers.resume("b");
  const again = await openDatabase(servers, "postgres");
  assertEquals((await initStore(again, { key: "own" })).isNew, false);
  again.drop();
});

postgresTest(
  "changeStoreKey() takes a new key only in place of the store's own, while no node runs",
  () =>
    withDatabaseSession(server(), async (session) => {
      await assertRefused(changeStoreKey(session, "new", ["own"]), /no store/);
      const { machine } = await initStore(session, { key: "own" });
      assertEquals(await changeStoreKey(session, "own", []), false);
      await assertRefused(changeStoreKey(session, "new", []), /no retired key/);
      await assertRefused(changeStoreKey(session, "new", ["other", "new"]), /no retired key/);
      await session.query(`INSERT INTO elastik.nodes (id, url, version, health, seen_at) VALUES
      ('a', '', '', '{}', clock_timestamp() - interval '9 s'),
      ('b', '', '', '{}', clock_timestamp() - interval '31 s')`);
      await assertRefused(changeStoreKey(session, "new", ["own"]), /30 s ago: a; stop every node/);
      assertEquals(await readMachine(session), machine);

      await session.query("DELETE FROM elastik.nodes WHERE id = 'a'");
      // What was judged before is refused from then on.
      const judged = (authority: number) =>
        session.query("SELECT elastik.assert_judged_1(NULL, $1) AS done", [authority]);
      await judged(0);
      assertEquals(await changeStoreKey(session, "new", ["older", "own"]), true);
      await assertRejects(judged(0), { code: "EL004" });
      await judged(1);
      assertEquals(await session.query("SELECT kind, state FROM elastik.batches"), [
        { kind: "authority", state: "1" },
      ]);
      assertEquals((await initStore(session, { key: "new" })).isNew, false);
      await assertRefused(initStore(session, { key: "own" }), /ELASTIK_KEY is not its key/);
    }),
);

postgresTest(
  "changeStoreKey() waits for a change that is under way, and records the key that signed it",
  () =>
    withDatabaseSession(server(), async (session, database) => {
      await initStore(session, { key: "own" });
      const node = await openDatabase(server(), database);
      await node.query("BEGIN; SELECT elastik.assert_judged_1(NULL, 0)");
      const changing = changeStoreKey(session, "new", ["own"]);
      const waits =
        `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted) AS yes`;
      while ((await node.query(waits))[0]?.yes !== true);
      await node.query(`${INSERT_EVENT}; COMMIT`);
      assertEquals(await changing, true);
      assertEquals((await readMachine(node))?.retiredKeys, [toKeyId("own")]);
      node.drop();
    }),
);

postgresTest(
  "changeStoreKey() records a replaced key if there are events, and takes no key twice",
  () =>
    withDatabaseSession(server(), async (session) => {
      const retired = async () => (await readMachine(session))?.retiredKeys;
      await assertRefused(forgetRetiredKey(session, "x"), /no store/);
      await initStore(session, { key: "first" });
      // No event needs the first key.
      await changeStoreKey(session, "second", ["first"]);
      assertEquals(await retired(), []);
      await assertRefused(forgetRetiredKey(session, toKeyId("first")), /needs no retired key/);
      await session.query(INSERT_EVENT);
      await changeStoreKey(session, "third", ["first", "second"]);
      await changeStoreKey(session, "fourth", ["first", "second", "third"]);
      assertEquals(await retired(), ["second", "third"].map(toKeyId));
      const back = changeStoreKey(session, "second", ["third", "fourth"]);
      await assertRefused(back, /ELASTIK_KEY is a retired key of it; set ELASTIK_KEY to a new key/);

      const other = forgetRetiredKey(session, toKeyId("fourth"));
      await assertRefused(other, new RegExp(`keys ${toKeyId("second")}, ${toKeyId("third")}, and`));
      await forgetRetiredKey(session, toKeyId("second"));
      assertEquals(await retired(), [toKeyId("third")]);
    }),
);

postgresTest(
  "the owner of the database needs no further rights, and nodes have no owner's",
  async () => {
    await server().sql("CREATE ROLE plain_owner LOGIN;\nCREATE ROLE plain_node LOGIN");
    const database = await server().createDatabase();
    await server().sql(`ALTER DATABASE ${database} OWNER TO plain_owner`);
    const owner = await openDatabase(server(), database, "plain_owner");
    assertEquals((await initStore(owner, { key: "own", role: "plain_node" })).isNew, true);
    assertEquals(await upgradeStore(owner, LATER), { from: NEXT - 1, to: NEXT + 1 });
    const node = await openDatabase(server(), database, "plain_node");
    assertEquals(await node.query("SELECT elastik.publish_1(true) AS seq", []), [{ seq: 0 }]);
    const further = { to: NEXT + 2, statements: ["CREATE TABLE elastik.more (n int)"] };
    const migrations = [...LATER.migrations, further];
    const upgrading = upgradeStore(node, { ...LATER, version: NEXT + 2, migrations });
    await assertRejects(upgrading, { code: "42501" });
    await assertRejects(node.query("UPDATE elastik.machine SET epoch = ''"), { code: "42501" });
    owner.drop();
    node.drop();
    await server().dropDatabase(database);
    await server().sql("DROP ROLE plain_owner;\nDROP ROLE plain_node");
  },
);
