/** The locks of a node in memory, over a real database. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import type { WantedLock } from "../../../lib/world/lock_records.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { DatabaseLocks } from "../../../lib/world/postgres/database_locks.ts";
import type { Session } from "../../../lib/world/postgres/session.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";

const server = sharedServer();
const WANTED: WantedLock = {
  token: "urn:uuid:1",
  path: "/home/a",
  depth: "0",
  exclusive: true,
  owner: "<D:href/>",
  holder: "{}",
  credential: "T2",
  seconds: 60,
  maxPerCredential: 2,
  maxLocks: 9,
  maxPerPath: 9,
  replaced: [],
};

const JUDGED = { guard: 0, authority: 0 };
const FIRST = { mayHaveHappened: false };

function over(session: Session): DatabaseLocks {
  return new DatabaseLocks(
    { ask: (_role, run) => run(session) },
    { ask: (run) => run(session, JUDGED, FIRST) },
  );
}

postgresTest("DatabaseLocks has the locks and their guard after each change", async () => {
  await using database = await PostgresDatabase.create(server());
  const [own, other] = [over(await database.open()), over(await database.open())];
  let told = 0;
  own.onRead(() => told += own.version);
  await own.read();
  assertEquals([own.version, [...own.records]], [0, []]);
  assertEquals(await own.grant(WANTED), { kind: "granted" });
  // The answer to a call can be lost; it is sent again.
  assertEquals(await own.grant(WANTED), { kind: "granted" });
  assertEquals([own.version, told], [2, 3]);
  await other.read();
  const { token, path, depth, exclusive, owner, holder, seconds } = WANTED;
  const record = { token, path, depth, exclusive, owner, holder, seconds };
  assertEquals([...other.records], [record]);
  const left = other.msLeft(record);
  assert(left > 50_000 && left <= 60_000, String(left));
  assertEquals(await other.grant({ ...WANTED, token: "2" }), { kind: "conflict", token });
  assertEquals(await other.refresh(token, 900), true);
  assertEquals([other.version, [...other.records][0]?.seconds], [3, 900]);
  assertEquals(await other.grant({ ...WANTED, token: "2", path: "/b" }), { kind: "granted" });
  const wanted = { ...WANTED, token: "3", path: "/c" };
  assertEquals(await other.grant(wanted), { kind: "credential" });
  assertEquals(await other.grant({ ...wanted, credential: "x", maxLocks: 2 }), { kind: "server" });
  await other.release([token, "2"]);
  assertEquals([[...other.records], other.version], [[], 5]);
  assertEquals(await own.refresh(token, 60), false);
  assertEquals([[...own.records], own.version], [[], 5]);
});

postgresTest(
  "DatabaseLocks.read() shares one later read among all that ask meanwhile",
  async () => {
    await using database = await PostgresDatabase.create(server());
    const session = await database.open();
    let asked = 0;
    const locks = new DatabaseLocks({
      ask: (_role, run) => {
        asked++;
        return run(session);
      },
    }, { ask: (run) => run(session, JUDGED, FIRST) });
    await Promise.all([locks.read(), locks.read(), locks.read(), locks.read()]);
    assertEquals(asked, 2);
    assertEquals(locks.whenCurrent(), undefined);
    await locks.read();
    assertEquals(asked, 3);
  },
);

postgresTest("DatabaseLocks reads again what a read that failed was told of", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  let failures = 0;
  const locks = new DatabaseLocks({
    ask: (_role, run) =>
      failures-- > 0 ? Promise.reject(new StoreError("unreachable", "lost")) : run(session),
  }, { ask: (run) => run(session, JUDGED, FIRST) });
  await locks.read();
  await over(await database.open()).grant(WANTED);
  failures = 2;
  await assertRejects(() => locks.read(), { code: "unreachable" });
  await assertRejects(() => locks.whenCurrent() ?? Promise.resolve(), { code: "unreachable" });
  await locks.whenCurrent();
  assertEquals([[...locks.records].length, locks.version], [1, 1]);
  assertEquals(locks.whenCurrent(), undefined);
});

postgresTest("DatabaseLocks does not deny a change that memory could not follow", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  let isLost = false;
  const locks = new DatabaseLocks({
    ask: (role, run) =>
      isLost && role === "read"
        ? Promise.reject(new StoreError("unreachable", "lost"))
        : run(session),
  }, { ask: (run) => run(session, JUDGED, FIRST) });
  await locks.read();
  isLost = true;
  const { token } = WANTED;
  await assertRejects(() => locks.grant(WANTED), { code: "unknown" });
  await assertRejects(() => locks.refresh(token, 90), { code: "unknown" });
  isLost = false;
  await locks.whenCurrent();
  assertEquals([...locks.records].map(({ seconds }) => seconds), [90]);
  isLost = true;
  await assertRejects(() => locks.release([token]), { code: "unknown" });
  isLost = false;
  await locks.whenCurrent();
  assertEquals([...locks.records], []);
});

postgresTest(
  "DatabaseLocks ends a lock whose token no client got, when the database is reached again",
  async () => {
    await using database = await PostgresDatabase.create(server());
    const session = await database.open();
    let isLost = false;
    const lost = () => Promise.reject(new StoreError("unreachable", "lost"));
    const locks = new DatabaseLocks({
      ask: (_role, run) => isLost ? lost() : run(session),
    }, {
      async ask(run) {
        const rows = await run(session, JUDGED, FIRST);
        if (isLost) throw new StoreError("unknown", "no answer");
        return rows;
      },
    });
    await locks.read();
    const held = async () =>
      (await session.query("SELECT token FROM elastik.dav_locks")).map(({ token }) => token);
    const other = { ...WANTED, token: "2", path: "/home/b" };
    assertEquals(await locks.grant(other), { kind: "granted" });
    isLost = true;
    await assertRejects(() => locks.grant(WANTED), { code: "unknown" });
    locks.catchUp();
    assertEquals(await held(), ["2", WANTED.token]);
    isLost = false;
    const seen: string[] = [];
    locks.onRead(({ ended }) => void seen.push(...ended));
    await eventually(() => {
      locks.catchUp();
      return Promise.resolve(seen.includes(WANTED.token) || undefined);
    }, "the lock ends");
    assertEquals([await held(), [...locks.records].map(({ token }) => token)], [["2"], ["2"]]);
    // The first try of the grant arrives only now, or is sent again.
    assertEquals(await locks.grant(WANTED), { kind: "granted" });
    assertEquals(await held(), ["2"]);
    assertEquals(await locks.grant({ ...WANTED, token: "3" }), { kind: "granted" });
    assertEquals(await held(), ["2", "3"]);
  },
);

postgresTest(
  "DatabaseLocks has no number until the locks of another primary are known",
  async () => {
    await using database = await PostgresDatabase.create(server());
    const session = await database.open();
    const answered = Promise.withResolvers<void>();
    let isHeld = false;
    const locks = new DatabaseLocks({
      async ask(_role, run) {
        const rows = await run(session);
        if (isHeld) await answered.promise;
        return rows;
      },
    }, { ask: (run) => run(session, JUDGED, FIRST) });
    await locks.read();
    await locks.grant(WANTED);
    isHeld = true;
    const before = locks.read();
    // This primary lacks the lock, and its next one has the same number.
    await session.query("DELETE FROM elastik.dav_locks");
    await over(session).grant({ ...WANTED, token: "2" });
    await session.query("UPDATE elastik.guard SET version = 1");
    const all = locks.readAll();
    assertEquals(locks.version, -1);
    answered.resolve();
    await Promise.all([before, all]);
    assertEquals([locks.version, ...[...locks.records].map(({ token }) => token)], [1, "2"]);
  },
);

postgresTest("DatabaseLocks.read() reads the locks that have changed, and no others", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  let rows = 0;
  const counting: Session = {
    ...{ isOpen: true, inTransaction: false, pid: 0, drop: () => {} },
    query: async (text, values) => {
      const found = await session.query(text, values);
      rows += found.length;
      return found;
    },
  };
  const [own, other] = [over(counting), over(await database.open())];
  const told: string[] = [];
  const most = { maxPerCredential: 99, maxLocks: 99 };
  const grant = (at: number) =>
    other.grant({ ...WANTED, ...most, token: `${at}`, path: `/home/${at}` });
  for (let at = 1; at <= 20; at++) await grant(at);
  await own.read();
  own.onRead(({ isWhole, changed, ended }) =>
    told.push([isWhole, ...changed.map(({ token }) => token), "-", ...ended].join(" "))
  );
  rows = 0;
  await grant(21);
  await other.refresh("3", 90);
  await own.read();
  await other.release(["4", "5"]);
  await own.read();
  await own.read();
  assertEquals(told, ["false 21 3 -", "false - 4 5", "false -"]);
  assertEquals([rows, [...own.records].length], [5, 19]);
  // What ended is kept for some time only; another primary can lack what was read.
  await other.release(["6"]);
  await session.query("DELETE FROM elastik.dav_ended");
  await session.query("UPDATE elastik.guard SET floor = version");
  await own.read();
  assertEquals([...own.records].length, 18);
  await session.query("DELETE FROM elastik.dav_locks WHERE token = '7'");
  await own.readAll();
  await session.query("DELETE FROM elastik.dav_locks WHERE token = '8'");
  await session.query("UPDATE elastik.guard SET version = 1, floor = 0");
  await own.read();
  assertEquals([own.version, [...own.records].length], [1, 16]);
});
