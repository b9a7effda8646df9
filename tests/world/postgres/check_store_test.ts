import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { openDatabase, withDatabaseSession } from "../../support/database_session.ts";
import { postgresTest, serversTest, sharedServer } from "../../support/postgres_servers.ts";
import {
  type CheckContext,
  type ClusterFacts,
  formatVersion,
  judgeCluster,
  readClusterFacts,
} from "../../../lib/world/postgres/check_store.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";
import { keyCheckOf } from "../../../lib/world/postgres/machine.ts";
import { initStore } from "../../../lib/world/postgres/manage_store.ts";
import { findPrimary } from "../../../lib/world/postgres/primary.ts";
import { POSTGRES_SCHEMA_VERSION } from "../../../lib/world/postgres/schema.ts";
import { SessionError } from "../../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

const server = sharedServer();
/** Time for the answer of a host: it only ends a test that would never end. */
const PATIENT = { deadlineMs: 120_000 };
const a = { host: "a", port: 5432 };
const machine = {
  schemaVersion: POSTGRES_SCHEMA_VERSION,
  keyCheck: keyCheckOf("key"),
  retiredKeys: [toKeyId("old")],
  epoch: "",
  createdAt: "",
};
/** A cluster without fault. */
const GOOD: ClusterFacts = {
  hosts: [{ host: a, role: "primary", timeline: 1 }],
  version: 130000,
  fsync: true,
  fullPageWrites: true,
  encoding: "UTF8",
  synchronousCommit: "on",
  hasSessionSettings: true,
  synchronousNames: "ANY 1 (b,c)",
  synchronousStandbys: 2,
  standbyWait: undefined,
  feedback: [],
  slots: [
    { name: "physical", isActive: true, age: undefined },
    { name: "logical", isActive: true, age: 100_000 },
  ],
  oldestTransaction: 60,
  preparedTransactions: 0,
  maxSessions: 39,
  hasNotifications: true,
  machine,
};
const CONTEXT: CheckContext = {
  store: parseStoreUrl("postgres://u@a/n"),
  key: "key",
  retired: ["old"],
  isManaged: false,
};

function codesOf(facts: Partial<ClusterFacts>, context: Partial<CheckContext> = {}): string[] {
  return judgeCluster({ ...GOOD, ...facts }, { ...CONTEXT, ...context })
    .map(({ level, code }) => `${level} ${code}`);
}

Deno.test("judgeCluster() finds nothing in a cluster without fault", () => {
  assertEquals(codesOf({}), []);
  assertEquals(codesOf({ synchronousCommit: "remote_apply", synchronousStandbys: undefined }), []);
});

Deno.test("judgeCluster() refuses what loses data or cannot work", () => {
  for (
    const [facts, code] of [
      [{ fsync: false }, "fsync"],
      [{ fullPageWrites: false }, "full_page_writes"],
      [{ version: 129999 }, "server"],
      [{ encoding: "LATIN1" }, "encoding"],
      [{ machine: undefined }, "store"],
      [{ standbyWait: "commits wait", synchronousStandbys: 0 }, "synchronous"],
      [{ machine: { ...machine, schemaVersion: POSTGRES_SCHEMA_VERSION + 1 } }, "store"],
      [{ machine: { ...machine, keyCheck: keyCheckOf("other") } }, "store"],
    ] as const
  ) assertEquals(codesOf(facts), [`refused ${code}`]);
});

Deno.test("judgeCluster() refuses several primaries, and names them by their timelines", () => {
  const b = { host: "b", port: 5432 };
  const former = { host: a, role: "primary", timeline: 4, started: "1" } as const;
  const promoted = { host: b, role: "primary", timeline: 5, started: "2" } as const;
  const [found] = judgeCluster({ ...GOOD, hosts: [former, promoted] }, CONTEXT);
  assertEquals(found, {
    level: "refused",
    code: "primaries",
    text:
      "2 servers are primaries: b:5432 (timeline 5), a:5432 (timeline 4); stop the former one, " +
      "and copy it anew",
  });
  const unknown = { host: b, role: "primary", timeline: 5 } as const;
  assertEquals(codesOf({ hosts: [unknown, former] }), ["refused primaries"]);
  // Two names of one server.
  assertEquals(codesOf({ hosts: [former, { ...former, host: b }] }), []);
});

Deno.test("judgeCluster() warns of what is slow, or unsafe in a failover", () => {
  const unreachable = { host: a, role: "unreachable", error: new SessionError("late", "a: x") };
  for (
    const [facts, code] of [
      [{ synchronousNames: "" }, "synchronous"],
      [{ synchronousStandbys: 0 }, "synchronous"],
      [{ synchronousCommit: "remote_write" }, "synchronous_commit"],
      [{ synchronousCommit: "local" }, "synchronous_commit"],
      [{ hasSessionSettings: false }, "session_settings"],
      [{ feedback: ["b:5432"] }, "hot_standby_feedback"],
      [{ slots: [{ name: "s", isActive: false, age: undefined }] }, "slot"],
      [{ slots: [{ name: "s", isActive: true, age: 100_001 }] }, "slot"],
      [{ oldestTransaction: 60.1 }, "transaction"],
      [{ preparedTransactions: 1 }, "prepared_transaction"],
      [{ maxSessions: 38 }, "sessions"],
      [{ hasNotifications: false }, "listen"],
      [{ hosts: [unreachable] }, "host"],
    ] as const
  ) assertEquals(codesOf(facts as Partial<ClusterFacts>), [`warning ${code}`]);
  assertEquals(codesOf({ synchronousNames: "" }, { isManaged: true }), []);
  assertEquals(codesOf({}, { key: undefined }), ["warning key"]);
  assertEquals(codesOf({}, { retired: ["other"] }), ["warning retired_keys"]);
  for (
    const [url, expected] of [
      ["postgres://u@a/n?sslmode=disable", ["warning tls"]],
      ["postgres://u@127.0.0.1,a/n?sslmode=require", ["warning tls"]],
      ["postgres://u@a/n?sslmode=verify-ca", []],
      ["postgres://u@127.0.0.1,localhost/n", []],
    ] as const
  ) assertEquals(codesOf({}, { store: parseStoreUrl(url) }), expected, url);
});

Deno.test("judgeCluster() lists refusals first, each as one sentence", () => {
  const all = judgeCluster({
    ...GOOD,
    fsync: false,
    synchronousNames: "",
    slots: [{ name: "s", isActive: false, age: 5 }],
  }, CONTEXT);
  assertEquals(all.map(({ level }) => level), ["refused", "warning", "warning"]);
  assertMatch(all[2]?.text ?? "", /s \(not in use\)/);
  assert(all.every(({ text }) => text.length <= 200 && !/[.!]$/.test(text)), "their form");
});

Deno.test("formatVersion() has the form that the server prints", () => {
  assertEquals(formatVersion(150018), "15.18");
});

postgresTest(
  "readClusterFacts() reads the settings of one server",
  () =>
    withDatabaseSession(server(), async (session, database) => {
      await initStore(session, { key: "key" });
      const store = parseStoreUrl(server().url(database));
      const facts = await readClusterFacts(store, await findPrimary(store, PATIENT));
      assertEquals(codesOf(facts, { store }), ["refused fsync", "warning synchronous"]);
      assertEquals(facts.maxSessions, 97);
      assertEquals(facts.synchronousStandbys, 0);

      // The limits of the database and of the role count as well.
      await session.query(`ALTER DATABASE ${database} CONNECTION LIMIT 12`);
      const limited = await readClusterFacts(store, await findPrimary(store, PATIENT));
      assertEquals(limited.maxSessions, 12);
    }),
);

postgresTest(
  "readClusterFacts() works with the rights of a node",
  () =>
    withDatabaseSession(server(), async (session, database) => {
      await session.query("CREATE ROLE checking LOGIN CONNECTION LIMIT 40");
      await initStore(session, { key: "key", role: "checking" });
      const store = parseStoreUrl(server().url(database, undefined, "checking"));
      const facts = await readClusterFacts(store, await findPrimary(store, PATIENT));
      assertEquals(codesOf(facts, { store }), ["refused fsync", "warning synchronous"]);
      assertEquals(facts.maxSessions, 40);
      await session.query("DROP OWNED BY checking; DROP ROLE checking");
    }),
);

serversTest("readClusterFacts() sees standbys, their feedback, slots and transactions", {
  servers: 2,
  fsync: true,
  settings: { max_prepared_transactions: "2" },
}, async (servers) => {
  const owner = await openDatabase(servers, "postgres");
  await initStore(owner, { key: "key" });
  const store = parseStoreUrl(servers.url());
  const primary = await findPrimary(store, PATIENT);
  const good = await readClusterFacts(store, primary);
  assertEquals(codesOf(good, { store }), []);
  assertEquals(good.synchronousStandbys, 1);

  await servers.configure({ hot_standby_feedback: "on" }, "b");
  await servers.sql("SELECT pg_create_physical_replication_slot('unused', true)");
  await owner.query("CREATE TABLE elastik.own (n int)");
  await owner.query("BEGIN; INSERT INTO elastik.own VALUES (1); PREPARE TRANSACTION 'old'");
  const bad = await readClusterFacts(store, primary);
  assertEquals(codesOf(bad, { store }), [
    "warning hot_standby_feedback",
    "warning slot",
    "warning prepared_transaction",
  ]);
  assertEquals(bad.feedback, [`127.0.0.1:${servers.port("b")}`]);

  await owner.query("ROLLBACK PREPARED 'old'");
  await servers.kill("b");
  const alone = await readClusterFacts(store, primary);
  const codes = codesOf(alone, { store });
  assert(codes.includes("refused synchronous"), "no commit is confirmed");
  assert(codes.includes("warning host"), "b is reported");
  const WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  // The check leaves no session that waits.
  while ((await servers.sql(WAITING))[0] !== "0");
});
