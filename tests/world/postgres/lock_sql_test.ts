/** Marked collections and WebDAV locks of the PostgreSQL store, on a real server. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { LIST_LOCKS } from "../../../lib/world/postgres/lock_sql.ts";
import type { PgValue, Session } from "../../../lib/world/postgres/session.ts";

const server = sharedServer();

interface Wanted {
  readonly token: string;
  readonly path: string;
  readonly depth?: string;
  readonly exclusive?: boolean;
  readonly credential?: string;
  readonly max?: readonly [credential: number, server: number, shared: number];
  readonly replaced?: readonly string[];
  readonly authority?: number;
}

async function grant(session: Session, wanted: Wanted): Promise<string> {
  const { token, path, depth = "0", exclusive = true, credential = "c" } = wanted;
  const { max = [10, 10, 10], replaced = [], authority = 0 } = wanted;
  const lock = [token, path, depth, exclusive, "", "T2", credential, 60];
  const values = [...lock, ...max, replaced, authority];
  const marks = values.map((_, i) => `$${i + 1}`).join(", ");
  const [row] = await session.query(`SELECT * FROM elastik.dav_grant_1(${marks})`, values);
  return [row?.outcome, row?.guard, row?.conflict].filter((part) => part !== null).join(" ");
}

async function value(session: Session, text: string, values: readonly PgValue[] = []) {
  return Object.values((await session.query(text, values))[0] ?? {})[0];
}

async function test(run: (database: PostgresDatabase, session: Session) => Promise<void>) {
  await using database = await PostgresDatabase.create(server());
  await run(database, await database.open());
}

postgresTest(
  "mark_1 marks a collection once and publishes each change",
  () =>
    test(async (_, session) => {
      const mark = (present: boolean) =>
        value(session, "SELECT elastik.mark_1('home/x', $1, 0, 0)", [present]);
      assertEquals([await mark(true), await mark(true)], [true, false]);
      assertEquals(await value(session, "SELECT name FROM elastik.marks"), "home/x");
      assertEquals([await mark(false), await mark(false)], [true, false]);
      assertEquals(await value(session, "SELECT elastik.publish_1(false)"), 2);
      const rows = await session.query("SELECT kind, state FROM elastik.follow_1(0, 9)");
      assertEquals(rows.map(({ kind, state }) => `${kind} ${state}`), ["mark true", "mark false"]);
    }),
);

postgresTest("dav_grant_1 grants locks that are compatible", () =>
  test(async (_, session) => {
    assertEquals(await grant(session, { token: "1", path: "/home/a" }), "granted 1");
    assertEquals(await grant(session, { token: "2", path: "/home/a" }), "conflict 1");
    assertEquals(await grant(session, { token: "3", path: "/home/ab" }), "granted 2");
    assertEquals(
      await grant(session, { token: "4", path: "/home", depth: "infinity" }).then(
        (found) => found.slice(0, 8),
      ),
      "conflict",
    );
    assertEquals(await grant(session, { token: "5", path: "/home" }), "granted 3");
    const shared = { exclusive: false, path: "/home/s", depth: "infinity" };
    assertEquals(await grant(session, { ...shared, token: "6" }), "granted 4");
    assertEquals(await grant(session, { ...shared, token: "7" }), "granted 5");
    assertEquals((await grant(session, { token: "8", path: "/home/s/x" })).slice(0, 8), "conflict");
    assertEquals(
      await grant(session, { token: "9", path: "/home/s/x", exclusive: false }),
      "granted 6",
    );
    const replaced = { token: "10", path: "/home/a", replaced: ["1"] };
    assertEquals(await grant(session, replaced), "granted 7");
    const all = { path: "/", depth: "infinity", exclusive: false };
    assertEquals((await grant(session, { ...all, token: "11" })).slice(0, 8), "conflict");
    assertEquals(await grant(session, { ...all, path: "/home/s/x", token: "12" }), "granted 8");
    assertEquals(await grant(session, { path: "/home/s-x", token: "13" }), "granted 9");
    assertEquals((await grant(session, { path: "/home/s/x/y/z", token: "14" })).slice(9), "6");
  }));

postgresTest(
  "LIST_LOCKS lists what has changed since a number of the guard",
  () =>
    test(async (_, session) => {
      const since = async (guard: number) =>
        (await session.query(LIST_LOCKS, [guard])).map(({ token, path }) => `${token} ${path}`);
      for (const at of [1, 2, 3, 4]) await grant(session, { token: `${at}`, path: `/home/${at}` });
      assertEquals(await since(2), ["3 /home/3", "4 /home/4"]);
      assertEquals(await since(4), ["null null"]);
      await session.query("SELECT elastik.dav_refresh_1('2', 90, 0)");
      await session.query("SELECT elastik.dav_release_1('{3}')");
      await grant(session, { token: "5", path: "/home/4", replaced: ["4"] });
      assertEquals(await since(4), ["2 /home/2", "5 /home/4", "3 null", "4 null"]);
      await session.query("SELECT elastik.dav_release_1('{1}')");
      assertEquals(await since(7), ["1 null"]);
      assertEquals(await since(0), ["2 /home/2", "5 /home/4"]);
    }),
);

postgresTest("dav_grant_1 refuses one lock beyond each limit", () =>
  test(async (_, session) => {
    const shared = { exclusive: false, path: "/home/a" };
    assertEquals(await grant(session, { ...shared, token: "1", max: [1, 9, 9] }), "granted 1");
    assertEquals(await grant(session, { ...shared, token: "2", max: [1, 9, 9] }), "credential");
    const other = { credential: "d", token: "3" };
    assertEquals(await grant(session, { ...shared, ...other, max: [9, 9, 1] }), "server");
    assertEquals(await grant(session, { path: "/home/b", ...other, max: [9, 1, 9] }), "server");
    assertEquals(await grant(session, { path: "/home/b", ...other, max: [9, 2, 9] }), "granted 2");
  }));

postgresTest(
  "dav_refresh_1 and dav_release_1 raise the guard if they change something",
  () =>
    test(async (_, session) => {
      await grant(session, { token: "1", path: "/home/a" });
      await grant(session, { token: "2", path: "/home/a/b" });
      await grant(session, { token: "3", path: "/home/c" });
      assertEquals(await value(session, "SELECT elastik.dav_refresh_1('1', 90, 0)"), 4);
      assertEquals(await value(session, "SELECT elastik.dav_refresh_1('x', 90, 0)"), null);
      const rows = await session.query(LIST_LOCKS, [0]);
      assertEquals(rows.map(({ guard, token, seconds }) => [guard, token, seconds]), [
        ...[[4, "1", 90], [4, "2", 60], [4, "3", 60]],
      ]);
      const left = Number(rows[0]?.seconds_left);
      assert(left > 80 && left <= 90);
      assertEquals(await value(session, "SELECT elastik.dav_release_1('{3,x}')"), 5);
      assertEquals(await value(session, "SELECT elastik.dav_release_1('{3,x}')"), null);
      assertEquals(await value(session, "SELECT elastik.dav_release_1('{1,2}')"), 6);
      const [last] = await session.query(LIST_LOCKS, [0]);
      assertEquals([last?.guard, last?.token], [6, null]);
      assertEquals(await value(session, "SELECT elastik.publish_1(false)"), 6);
      const feed = await session.query("SELECT kind FROM elastik.follow_1(0, 9)");
      assertEquals(feed.map(({ kind }) => kind), Array(6).fill("locks"));
    }),
);

postgresTest(
  "a lock that ended is not listed, and another one takes its place",
  () =>
    test(async (_, session) => {
      await grant(session, { token: "1", path: "/home/a" });
      await session.query("UPDATE elastik.dav_locks SET expires = clock_timestamp()");
      assertEquals((await session.query(LIST_LOCKS, [0]))[0]?.token, null);
      assertEquals(await value(session, "SELECT elastik.dav_refresh_1('1', 90, 0)"), null);
      assertEquals(await grant(session, { token: "2", path: "/home/a" }), "granted 2");
    }),
);

postgresTest(
  "a grant that is repeated restarts the time of its lock, which another one has not replaced",
  () =>
    test(async (_, session) => {
      await grant(session, { token: "1", path: "/home/a" });
      await session.query("UPDATE elastik.dav_locks SET expires = clock_timestamp()");
      // Its commit waited for a standby for so long.
      assertEquals(await grant(session, { token: "1", path: "/home/a" }), "granted 2");
      const [row] = await session.query(LIST_LOCKS, [1]);
      assertEquals([row?.guard, row?.token], [2, "1"]);
      assert(Number(row?.seconds_left) > 50);
      await session.query("UPDATE elastik.dav_locks SET expires = clock_timestamp()");
      assertEquals(await grant(session, { token: "2", path: "/home/a" }), "granted 3");
      assertEquals(await grant(session, { token: "1", path: "/home/a" }), "conflict 2");
    }),
);

postgresTest(
  "grants, refreshes, marks and final deletions are refused if they were judged by older accounts",
  () =>
    test(async (database, session) => {
      const calls = {
        grant: "SELECT elastik.dav_grant_1('2', '/b', '0', true, '', '', '', 9, 9, 9, 9, '{}', $1)",
        refresh: "SELECT elastik.dav_refresh_1('1', 90, $1)",
        mark: "SELECT elastik.mark_1('home/x', true, 9, $1)",
        expunge: "SELECT elastik.expunge_1('t', $1, 'b')",
      };
      await grant(session, { token: "1", path: "/home/a" });
      await session.query("UPDATE elastik.guard SET authority = 5");
      const guard = () => value(session, "SELECT version FROM elastik.guard");
      for (const text of Object.values(calls)) {
        await assertRejects(() => session.query(text, [4]), { code: "EL004" });
      }
      assertEquals([await guard(), await value(session, "SELECT count(*) FROM elastik.marks")], [
        1,
        0,
      ]);
      await assertRejects(
        () => session.query("SELECT elastik.mark_1('home/x', true, 0, 5)"),
        { code: "EL001" },
      );
      // What changes the accounts has this lock: they wait, and see what it has changed.
      const other = await database.open();
      const waiting = await Promise.all(Object.values(calls).map(() => database.open()));
      await other.query("BEGIN; SELECT pg_advisory_xact_lock(7021)");
      const late = Object.values(calls).map((text, i) =>
        assertRejects(() => waiting[i]!.query(text, [5]), { code: "EL004" })
      );
      const waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'";
      while (await value(session, waits) !== late.length);
      await other.query("UPDATE elastik.guard SET authority = 6; COMMIT");
      await Promise.all(late);
      for (const text of Object.values(calls)) await session.query(text, [6]);
      assertEquals([await guard(), await value(session, "SELECT count(*) FROM elastik.marks")], [
        3,
        1,
      ]);
    }),
);

postgresTest(
  "dav_grant_1 waits for the batches under way",
  () =>
    test(async (database, session) => {
      const batch = await database.open();
      await batch.query("BEGIN; SELECT pg_advisory_xact_lock_shared(7021)");
      const order: string[] = [];
      const granted = grant(session, { token: "1", path: "/home/a" }).then(() =>
        order.push("lock")
      );
      const waits = await database.open();
      while (await value(waits, "SELECT count(*) FROM pg_locks WHERE NOT granted") === 0);
      order.push("batch");
      await batch.query("COMMIT");
      await granted;
      assertEquals(order, ["batch", "lock"]);
    }),
);
