/** `apply_1`, the function that commits a batch, on a real server. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import {
  APPLY_BATCH,
  type BatchAnswer,
  type BatchWorld,
  toBatchAnswer,
  toBatchArguments,
} from "../../../lib/world/postgres/batch_arguments.ts";
import type { Session } from "../../../lib/world/postgres/session.ts";

const server = sharedServer();
const TEXT = new TextEncoder();
const TIME = "2026-01-01T00:00:00.000Z";
const HISTORY = { versions: 8, bytes: 1000 };
let batches = 0;

/** A world that is created with the version 1. */
function created(name: string, more: Partial<BatchWorld> = {}): BatchWorld {
  return {
    name,
    version: 1,
    ext: "txt",
    headers: "[]",
    state: "",
    updatedAt: TIME,
    len: 3,
    sha256: "s1",
    head: { id: 1, hmac: `${name}:1`, timestamp: TIME },
    by: "T2",
    bytes: { kind: "inline", bytes: TEXT.encode("one") },
    versions: [],
    dropBelow: 0,
    events: [eventOf(name, 1)],
    names: [{ name, isFree: true, floor: 0, use: "given" }],
    chunks: [],
    uploads: [],
    keys: [],
    ...more,
  };
}

function eventOf(name: string, id: number, kind: "update" | "delete" = "update") {
  return {
    id,
    timestamp: TIME,
    type: "stage_written",
    payload: `{"by":"T2","quote":"\\"{,}"}`,
    hmac: `${name}:${id}`,
    prev_hmac: `${name}:${id - 1}`,
    kind,
    name,
    by: "T2",
    version: id,
    ext: "txt",
    state: "",
    len: 3,
    restricted: false,
    alsoRestricted: false,
  };
}

/** The next version of a world, whose present one is kept. */
function changed(id: number, name: string, version: number, text = "two"): BatchWorld {
  const { names: _, ...rest } = created(name);
  return {
    ...rest,
    names: [],
    seen: { id, name, eventHmac: `${name}:${version - 1}` },
    version,
    len: text.length,
    sha256: text,
    head: { id: version, hmac: `${name}:${version}`, timestamp: TIME },
    bytes: { kind: "inline", bytes: TEXT.encode(text) },
    versions: [{
      ...{ version: version - 1, ext: "txt", headers: "[]", state: "", updatedAt: TIME, len: 3 },
      ...{ kind: "full", sha256: `s${version - 1}`, bytes: { kind: "same" } },
    }],
    events: [eventOf(name, version)],
  };
}

async function apply(
  session: Session,
  worlds: readonly BatchWorld[],
  options: { isWhole?: boolean; guard?: number; authority?: number; batch?: string } = {},
): Promise<BatchAnswer> {
  const { isWhole = false, guard = 0, authority = 0, batch = `b${++batches}` } = options;
  const values = toBatchArguments(
    { batch, guard, authority, isWhole, history: HISTORY, keysSince: "" },
    worlds,
  );
  return toBatchAnswer((await session.query(APPLY_BATCH, values))[0]);
}

async function test(run: (database: PostgresDatabase, session: Session) => Promise<void>) {
  await using database = await PostgresDatabase.create(server());
  await run(database, await database.open());
}

postgresTest(
  "apply_1 creates worlds with bytes, events and names",
  () =>
    test(async (_, session) => {
      const { batch, worlds } = await apply(session, [created("home/a"), created("home/b")]);
      assertEquals([batch, worlds], [1, [1, 2]]);
      const rows = await session.query(
        "SELECT w.name, w.body, n.version, e.payload, e.n FROM elastik.worlds w JOIN elastik.names n " +
          "ON n.world = w.id AND n.name = w.name JOIN elastik.events e ON e.world = w.id ORDER BY w.id",
      );
      const body = TEXT.encode("one");
      const payload = eventOf("", 1).payload;
      assertEquals(rows.map((row) => ({ ...row })), [
        { name: "home/a", body, version: 0, payload, n: 1 },
        { name: "home/b", body, version: 0, payload, n: 2 },
      ]);
    }),
);

postgresTest(
  "apply_1 changes a world once if its head is as seen",
  () =>
    test(async (_, session) => {
      const { worlds: [id = 0] } = await apply(session, [created("home/a")]);
      assertEquals((await apply(session, [changed(id, "home/a", 2)])).worlds, [id]);
      assertEquals(await apply(session, [changed(id, "home/a", 2)]), { batch: 0, worlds: [0] });
      const [row] = await session.query(
        "SELECT w.version, w.body, v.version AS before, v.body AS past, w.kept_versions, w.kept_bytes " +
          "FROM elastik.worlds w JOIN elastik.versions v ON v.world = w.id",
      );
      assertEquals({ ...row }, {
        version: 2,
        body: TEXT.encode("two"),
        before: 1,
        past: TEXT.encode("one"),
        kept_versions: 1,
        kept_bytes: 3,
      });
    }),
);

postgresTest(
  "apply_1 leaves out what is not as seen and does the rest",
  () =>
    test(async (_, session) => {
      const { worlds: [a = 0, b = 0] } = await apply(session, [
        created("home/a"),
        created("home/b"),
      ]);
      await apply(session, [changed(a, "home/a", 2)]);
      const mixed = [changed(a, "home/a", 2), changed(b, "home/b", 2), created("home/a")];
      const { batch, worlds } = await apply(session, [...mixed, created("home/c")]);
      assert(batch > 0 && (worlds[3] ?? 0) > b);
      assertEquals(worlds.slice(0, 3), [0, b, 0]);
      // Left out events keep their places, so that the node knows them.
      const events = await session.query(
        "SELECT world, n FROM elastik.events WHERE batch = $1 ORDER BY n",
        [batch],
      );
      assertEquals(events.map(({ n }) => n), [2, 4]);
      assertEquals(await apply(session, mixed, { isWhole: true }), { batch: 0, worlds: [0, 0, 0] });
    }),
);

postgresTest(
  "apply_1 removes a world, and the next one of the name continues its versions",
  () =>
    test(async (_, session) => {
      const { worlds: [id = 0] } = await apply(session, [created("home/a")]);
      const removal: BatchWorld = {
        ...changed(id, "home/a", 2),
        name: null,
        version: 1,
        bytes: { kind: "same" },
        versions: [],
        trash: { id: "t1", restricted: true },
        events: [eventOf("home/a", 2, "delete")],
        names: [{
          name: "home/a",
          isFree: false,
          use: "ended",
          last: { version: 1, updatedAt: TIME, trash: "t1" },
        }],
      };
      assertEquals((await apply(session, [removal])).worlds, [id]);
      const [row] = await session.query(
        "SELECT w.name, w.trash, w.trashed_name, w.trashed_at, w.trashed_by, w.restricted, n.world, " +
          "n.version, n.trash AS ledger FROM elastik.worlds w, elastik.names n",
      );
      assertEquals({ ...row }, {
        ...{ name: null, trash: "t1", trashed_name: "home/a", trashed_at: TIME, trashed_by: "T2" },
        ...{ restricted: true, world: null, version: 1, ledger: "t1" },
      });
      // The node did not know of the earlier world.
      assertEquals((await apply(session, [created("home/a")])).batch, 0);
      const names = [{ name: "home/a", isFree: true, floor: 1, use: "given" as const }];
      const { worlds: [next = 0] } = await apply(session, [
        created("home/a", { names, version: 2 }),
      ]);
      assert(next > id);
    }),
);

postgresTest(
  "apply_1 moves a world, and a name can change its world in one batch",
  () =>
    test(async (_, session) => {
      const { worlds: [a = 0] } = await apply(session, [created("home/a")]);
      const move: BatchWorld = {
        ...changed(a, "home/a", 2),
        name: "home/b",
        names: [
          {
            name: "home/a",
            isFree: false,
            use: "ended",
            last: { version: 1, updatedAt: TIME, trash: "" },
          },
          { name: "home/b", isFree: true, floor: 0, use: "given" },
        ],
      };
      assertEquals((await apply(session, [move])).worlds, [a]);
      assertEquals((await apply(session, [move])).worlds, [0]);
      const names = await session.query(
        "SELECT name, world, version FROM elastik.names ORDER BY name",
      );
      assertEquals(names.map((row) => ({ ...row })), [
        { name: "home/a", world: null, version: 1 },
        { name: "home/b", world: a, version: 0 },
      ]);
    }),
);

postgresTest(
  "apply_1 refuses a batch that was judged by an older guard",
  () =>
    test(async (_, session) => {
      await session.query("UPDATE elastik.guard SET version = 5");
      await assertRejects(() => apply(session, [created("home/a")], { guard: 4 }), {
        code: "EL001",
      });
      assertEquals((await apply(session, [created("home/a")], { guard: 5 })).batch > 0, true);
    }),
);

postgresTest(
  "apply_1 refuses a batch that was judged by older accounts or revoked capabilities, and follow_1 tells of them",
  () =>
    test(async (_, session) => {
      for (const [before, name] of ["etc/passwd", "etc/shadow", "etc/revoked"].entries()) {
        assert((await apply(session, [created(name)], { authority: before })).batch > 0);
        await assertRejects(() => apply(session, [created("home/a")], { authority: before }), {
          code: "EL004",
        });
      }
      const { worlds: [id = 0] } = await apply(session, [created("etc/quota")], { authority: 3 });
      assertEquals((await apply(session, [changed(id, "etc/quota", 2)], { authority: 3 })).worlds, [
        id,
      ]);
      await session.query("SELECT elastik.publish_1(false)");
      const rows = await session.query("SELECT kind, name, state FROM elastik.follow_1(0, 99)");
      // Each number comes after the change that raised it.
      assertEquals(rows.map(({ kind, name, state }) => `${kind} ${name}${state}`), [
        ...["update etc/passwd", "authority 1", "update etc/shadow", "authority 2"],
        ...["update etc/revoked", "authority 3", "update etc/quota", "update etc/quota"],
      ]);
    }),
);

postgresTest(
  "apply_1 refuses a batch that was judged before an active plugin was disabled, replaced or deleted",
  () =>
    test(async (_, session) => {
      let authority = 0;
      let version = 1;
      const { worlds: [id = 0] } = await apply(session, [created("lib/p", { state: "pending" })]);
      const change = async (state: string, more: Partial<BatchWorld> = {}) => {
        const world = { ...changed(id, "lib/p", ++version), state, ...more };
        assertEquals((await apply(session, [world], { authority })).worlds, [id]);
      };
      const isRefused = async () => {
        const before = authority;
        const [row] = await session.query("SELECT authority FROM elastik.guard");
        authority = Number(row?.authority);
        const old = apply(session, [created(`home/${version}`)], { authority: before });
        if (authority === before) return (await old, false);
        await assertRejects(() => old, { code: "EL004" });
        return true;
      };
      const routes = { routes: { plugin: "lib/p", paths: ["/p"] } };
      const released = { routes: { plugin: "lib/p", paths: [] } };
      const ended: [string, Partial<BatchWorld>][] = [
        ["disabled", released],
        ["pending", released],
        ["active", {
          ...{ ...released, name: null, bytes: { kind: "same" }, versions: [] },
          trash: { id: "t1", restricted: false },
          names: [{
            ...{ name: "lib/p", isFree: false, use: "ended" },
            last: { version: 1, updatedAt: TIME, trash: "t1" },
          }],
        }],
      ];
      for (const [state, more] of ended) {
        await change("active", routes);
        assertEquals(await isRefused(), false, "approved");
        await change("active");
        assertEquals(await isRefused(), false, "an event of the plugin");
        await change(state, more);
        assertEquals(await isRefused(), true, state);
        if (more.name === null) return;
        await change("pending", released);
        assertEquals(await isRefused(), false, "not active before");
      }
    }),
);

postgresTest(
  "apply_1 reads no table as a whole, also if it was planned while the tables were small",
  () =>
    test(async (_, session) => {
      const plugin = "lib/p";
      const first = [created("home/a"), created(plugin), created("home/b"), created("home/c")];
      const { worlds: [a = 0, p = 0, b = 0, c = 0] } = await apply(session, first);
      await session.query("ANALYZE");
      await session.query("BEGIN");
      for (let version = 2; version < 20; version++) {
        await apply(session, [
          changed(a, "home/a", version),
          {
            ...changed(p, plugin, version),
            routes: { plugin, paths: ["/x"] },
            keys: [`key${version}`],
          },
          {
            ...changed(c, "home/c", version),
            bytes: { kind: "content", id: 7 },
            chunks: [{ content: 7, at: version, from: TEXT.encode("x") }],
            dropBelow: version - 3,
          },
        ]);
        await apply(session, [created(`home/new${version}`)]);
      }
      const { names: _names, ...gone } = changed(b, "home/b", 2);
      const last = { version: 2, updatedAt: TIME, trash: "t" };
      await apply(session, [{
        ...gone,
        name: null,
        trash: { id: "t", restricted: false },
        names: [{ name: "home/b", isFree: false, use: "ended", last }],
      }]);
      // The guard has one row. Each route is compared with all others.
      const scans = await session.query(
        "SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'elastik' " +
          "AND relname NOT IN ('guard', 'routes') AND seq_scan > 0",
      );
      await session.query("ROLLBACK");
      assertEquals(scans.map(({ relname }) => relname), []);
    }),
);

postgresTest(
  "apply_1 keeps the newest versions, with an eighth in reserve",
  () =>
    test(async (_, session) => {
      const { worlds: [id = 0] } = await apply(session, [created("home/a")]);
      const kept = async () => {
        const [row] = await session.query(
          "SELECT min(v.version) AS lowest, count(*) AS count, min(w.kept_versions) AS known " +
            "FROM elastik.versions v, elastik.worlds w",
        );
        return [row?.lowest, row?.count, row?.known];
      };
      for (let version = 2; version <= 10; version++) {
        await apply(session, [changed(id, "home/a", version)]);
      }
      assertEquals(await kept(), [1, 9, 9]);
      await apply(session, [changed(id, "home/a", 11)]);
      assertEquals(await kept(), [3, 8, 8]);
    }),
);

postgresTest(
  "apply_1 keeps the newest versions also if the count of a world is too high",
  () =>
    test(async (_, session) => {
      const { worlds: [id = 0] } = await apply(session, [created("home/a")]);
      for (let version = 2; version <= 9; version++) {
        await apply(session, [changed(id, "home/a", version)]);
      }
      await session.query("UPDATE elastik.worlds SET kept_versions = kept_versions + 5");
      await apply(session, [changed(id, "home/a", 10)]);
      const rows = await session.query("SELECT version FROM elastik.versions ORDER BY version");
      assertEquals(rows.map(({ version }) => version), [2, 3, 4, 5, 6, 7, 8, 9]);
    }),
);

postgresTest(
  "apply_1 drops the oldest versions beyond the bytes, equal contents count once",
  () =>
    test(async (_, session) => {
      const { worlds: [id = 0] } = await apply(session, [created("home/a")]);
      const long = (version: number, sha256: string): BatchWorld => {
        const world = changed(id, "home/a", version, "x".repeat(400));
        const versions = world.versions.map((kept) => ({
          ...kept,
          sha256: version === 2 ? "s1" : sha256,
          len: version === 2 ? 3 : 400,
        }));
        return { ...world, versions };
      };
      await apply(session, [long(2, "")]);
      await apply(session, [long(3, "A")]);
      await apply(session, [long(4, "B")]);
      const state = async () => {
        const [row] = await session.query(
          "SELECT min(v.version) AS lowest, min(w.kept_bytes) AS bytes FROM elastik.versions v, elastik.worlds w",
        );
        return [row?.lowest, row?.bytes];
      };
      assertEquals(await state(), [1, 803]);
      // The sum is too long, but the content is the same.
      await apply(session, [long(5, "B")]);
      assertEquals(await state(), [1, 1203]);
      await apply(session, [long(6, "C")]);
      assertEquals(await state(), [3, 1200]);
    }),
);

postgresTest(
  "apply_1 adds to a content, and a short last chunk becomes longer",
  () =>
    test(async (_, session) => {
      const write = (version: number, at: number, size: number, id: number): BatchWorld => ({
        ...(version === 1 ? created("home/a") : changed(id, "home/a", version)),
        bytes: { kind: "content", id: 7 },
        versions: [],
        len: at + size,
        chunks: [{ content: 7, at, from: new Uint8Array(size).fill(version) }],
      });
      const { worlds: [id = 0] } = await apply(session, [write(1, 0, 1000, 0)]);
      await apply(session, [write(2, 1000, 900, id)]);
      await apply(session, [write(3, 1900, 1, id)]);
      const chunks = await session.query(
        "SELECT at, length(bytes) AS len FROM elastik.content ORDER BY at",
      );
      assertEquals(chunks.map(({ at, len }) => [at, len]), [[0, 1900], [1900, 1]]);
    }),
);

postgresTest(
  "apply_1 moves uploaded chunks to the end of a content and takes them out of uploads",
  () =>
    test(async (_, session) => {
      await session.query(
        "INSERT INTO elastik.content VALUES (7, 0, 'a'), (8, 0, 'b'), (8, 1, 'c');" +
          "INSERT INTO elastik.uploads VALUES (7), (8), (9)",
      );
      const world = created("home/a", {
        bytes: { kind: "content", id: 7 },
        chunks: [{ content: 7, at: 1, from: { upload: 8 } }],
        uploads: [7],
      });
      await apply(session, [world]);
      const chunks = await session.query("SELECT id, at FROM elastik.content ORDER BY id, at");
      assertEquals(chunks.map(({ id, at }) => [id, at]), [[7, 0], [7, 1], [7, 2]]);
      assertEquals((await session.query("SELECT id FROM elastik.uploads")).map(({ id }) => id), [
        9,
      ]);
      const late = created("home/b", { bytes: { kind: "content", id: 10 }, uploads: [10] });
      await assertRejects(() => apply(session, [late]), { code: "EL002" });
    }),
);

postgresTest(
  "apply_1 gives content that no version has to the upkeep",
  () =>
    test(async (_, session) => {
      await session.query("INSERT INTO elastik.content VALUES (7, 0, 'a')");
      const first = created("home/a", { bytes: { kind: "content", id: 7 } });
      const { worlds: [id = 0] } = await apply(session, [first]);
      const next = { ...changed(id, "home/a", 2), versions: [], dropBelow: 2, dropContent: 7 };
      await apply(session, [next]);
      assertEquals((await session.query("SELECT id FROM elastik.uploads")).map(({ id }) => id), [
        7,
      ]);
    }),
);

postgresTest(
  "apply_1 lets one plugin have a route and releases the others",
  () =>
    test(async (_, session) => {
      const plugin = (name: string, ...paths: string[]) =>
        created(`lib/${name}`, { routes: { plugin: name, paths } });
      await apply(session, [plugin("a", "/x", "/y"), plugin("b", "/z")]);
      await assertRejects(() => apply(session, [plugin("c", "/w", "/y")]), {
        code: "EL003",
        message: "/y is taken: /a has the route /y",
      });
      await apply(session, [created("home/q", { routes: { plugin: "a", paths: ["/q"] } })]);
      const routes = await session.query("SELECT path, plugin FROM elastik.routes ORDER BY path");
      assertEquals(routes.map(({ path, plugin }) => `${path} ${plugin}`), ["/q a", "/z b"]);
    }),
);

postgresTest(
  "apply_1 leaves out a world that another session changes, and waits for a name",
  () =>
    test(async (database, session) => {
      const { worlds: [id = 0, free = 0] } = await apply(session, [
        created("home/a"),
        created("home/b"),
      ]);
      const other = await database.open();
      await session.query("BEGIN");
      await apply(session, [changed(id, "home/a", 2), created("home/n")]);
      // Before the other session has committed.
      const both = [changed(id, "home/a", 2), changed(free, "home/b", 2)];
      assertEquals((await apply(other, both)).worlds, [0, free]);
      assertEquals((await apply(other, [changed(id, "home/a", 2)])).batch, 0);
      const waiting = apply(other, [created("home/n")]);
      await session.query("COMMIT");
      assertEquals((await waiting).worlds, [0]);
    }),
);

postgresTest(
  "lock_1 knows the batches that happened and waits for those under way",
  () =>
    test(async (database, session) => {
      await apply(session, [created("home/a")], { batch: "one" });
      const other = await database.open();
      await session.query("BEGIN");
      await apply(session, [created("home/b")], { batch: "two" });
      await other.query("BEGIN");
      const locked = other.query("SELECT elastik.lock_1($1, '{}', $2)::text AS found", [
        ["home/b", "home/a"],
        ["one", "two", "three"],
      ]);
      await session.query("COMMIT");
      assertEquals((await locked).map(({ found }) => found), ["{one,two}"]);
      // The world of the name is locked until the end, for all but this transaction.
      assertEquals((await apply(session, [changed(1, "home/a", 2)])).worlds, [0]);
      assertEquals((await apply(other, [changed(1, "home/a", 2)])).worlds, [1]);
      await other.query("COMMIT");
    }),
);

postgresTest(
  "apply_1 and assert_judged_1 refuse everything if the guard is missing",
  () =>
    test(async (_, session) => {
      await session.query("DELETE FROM elastik.guard");
      const missing = { code: "P0002" };
      await assertRejects(() => apply(session, [created("home/a")]), missing);
      const judged = session.query("SELECT elastik.assert_judged_1(0, 0)");
      await assertRejects(() => judged, missing);
    }),
);
