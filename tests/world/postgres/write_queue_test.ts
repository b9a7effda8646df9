/** The write path of the PostgreSQL store on a real server: every verb, on one node and on several. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { checkChains, readBytesOf } from "../../support/check_chains.ts";
import { intercepted } from "../../support/intercepted_session.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { TEST_KEY, WriteNode, type WriteNodeOptions } from "../../support/write_node.ts";
import { FEW_CHANGES, MIN_FURTHER_WORLDS } from "../../../lib/cluster_limits.ts";
import type { Session } from "../../../lib/world/postgres/session.ts";

const server = sharedServer();
const DECODER = new TextDecoder();

interface Parts {
  readonly database: PostgresDatabase;
  readonly session: Session;
  readonly nodes: readonly WriteNode[];
  /** The first two nodes. */
  readonly a: WriteNode;
  readonly b: WriteNode;
}

async function test(
  run: (parts: Parts) => Promise<void>,
  { nodes: count = 2, ...options }: WriteNodeOptions & { nodes?: number } = {},
): Promise<void> {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  const nodes = Array.from(
    { length: Math.max(2, count) },
    (_, i) => new WriteNode(database, `n${i}`, options),
  );
  const [a, b] = nodes;
  assert(a !== undefined && b !== undefined);
  try {
    await run({ database, session, nodes, a, b });
    await checkChains(session, TEST_KEY);
  } finally {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  }
}

/** Version and text of a name in the database; undefined without a world. */
async function read(session: Session, name: string): Promise<string | undefined> {
  const [row] = await session.query("SELECT * FROM elastik.worlds WHERE name = $1", [name]);
  if (row === undefined) return undefined;
  return `${row.version} ${DECODER.decode(await readBytesOf(session, row))}`;
}

postgresTest(
  "submit() creates, replaces and appends, and another node continues",
  () =>
    test(async ({ session, a, b }) => {
      const { result, changes } = await a.put("home/x", "one");
      assertEquals([result.version, result.created, result.first], [1, true, true]);
      assertEquals(changes.map(({ events }) => events.map(({ kind }) => kind)), [["update"]]);
      assertEquals((await b.put("home/x", "two")).result.version, 2);
      assertEquals((await a.append("home/x", "+")).result.version, 3);
      assertEquals((await b.append("home/new", "begun")).result.version, 1);
      assertEquals([await read(session, "home/x"), await read(session, "home/new")], [
        "3 two+",
        "1 begun",
      ]);
    }),
);

postgresTest(
  "submit() makes several changes of a world in one batch",
  () =>
    test(async ({ session, a }) => {
      await a.put("home/x", "one");
      const many = await Promise.all(
        Array.from({ length: 7 }, (_, i) => a.append("home/x", `+${i}`)),
      );
      assertEquals(many.map(({ result }) => result.version), [2, 3, 4, 5, 6, 7, 8]);
      assertEquals(new Set(many.map(({ batch }) => batch)).size, 1);
      assertEquals(await read(session, "home/x"), "8 one+0+1+2+3+4+5+6");
      const rows = await session.query(
        "SELECT version, kind FROM elastik.versions ORDER BY version",
      );
      assertEquals(rows.map(({ version, kind }) => `${version} ${kind}`), [
        ...["1 prefix", "2 prefix", "3 prefix", "4 prefix", "5 prefix", "6 prefix", "7 prefix"],
      ]);
    }),
);

postgresTest(
  "submit() compares a precondition with the database, not with memory",
  () =>
    test(async ({ a, b }) => {
      await a.put("home/x", "one", { noneMatch: true });
      await assertRejects(b.put("home/x", "two", { noneMatch: true }), { code: "precondition" });
      await assertRejects(b.put("home/x", "two", { match: 7 }), { code: "precondition" });
      assertEquals((await b.put("home/x", "two", { match: 1 })).result.version, 2);
      // The memory of the first node is behind.
      await assertRejects(a.put("home/x", "three", { match: 1 }), { code: "precondition" });
      assertEquals((await a.put("home/x", "three", { match: 2 })).result.version, 3);
    }),
);

postgresTest(
  "submit() refuses what has no world, also if another node removed it",
  () =>
    test(async ({ a, b }) => {
      await assertRejects(a.remove("home/x"), { code: "absent" });
      await a.put("home/x", "one");
      await b.remove("home/x");
      await assertRejects(a.remove("home/x"), { code: "absent" });
      await assertRejects(a.move("home/x", "home/y"), { code: "absent" });
    }),
);

postgresTest(
  "submit() removes a world, and the name continues its versions",
  () =>
    test(async ({ session, a, b }) => {
      await a.put("home/x", "one");
      await a.put("home/x", "two");
      const { result } = await b.remove("home/x");
      assertEquals(result.version, 2);
      assert(result.trash !== undefined && (result.trashBytes ?? 0) > 0);
      const [row] = await session.query("SELECT * FROM elastik.worlds");
      assertEquals([row?.trash, row?.trashed_name, row?.trashed_by], [
        result.trash,
        "home/x",
        "T2",
      ]);
      const created = await a.put("home/x", "new");
      assertEquals([created.result.version, created.result.created], [3, true]);
      assert(created.result.updatedAt > result.updatedAt);
      // A node that has never seen the name.
      await a.remove("home/x");
      assertEquals((await b.put("home/x", "again")).result.version, 4);
    }),
);

postgresTest(
  "submit() makes changes of one name in their order, each life in a batch of its own",
  () =>
    test(async ({ session, a }) => {
      await a.put("home/x", "one");
      const all = await Promise.all([
        a.put("home/x", "two"),
        a.remove("home/x"),
        a.put("home/x", "new"),
        a.append("home/x", "+"),
        a.remove("home/x"),
        a.put("home/x", "last"),
        a.put("home/y", "other"),
      ]);
      assertEquals(all.map(({ result }) => result.version), [2, 2, 3, 4, 4, 5, 1]);
      assertEquals(await read(session, "home/x"), "5 last");
      assertEquals(new Set(all.slice(0, 6).map(({ batch }) => batch)).size, 5);
    }),
);

postgresTest(
  "submit() moves a world with its chain to a free name",
  () =>
    test(async ({ session, a, b }) => {
      await a.put("home/x", "one");
      await a.put("home/y", "other");
      await assertRejects(b.move("home/x", "home/y"), { code: "precondition" });
      await b.remove("home/y");
      const { result, changes } = await b.move("home/x", "home/y");
      assertEquals(result.version, 2);
      assertEquals(
        changes.map(({ events }) => events.map(({ kind, name, also }) => [kind, name, also])),
        [
          [["move", "home/y", "home/x"]],
        ],
      );
      assertEquals([await read(session, "home/x"), await read(session, "home/y")], [
        undefined,
        "2 one",
      ]);
      assertEquals((await a.put("home/x", "new")).result.version, 2);
      assertEquals((await a.put("home/y", "more")).result.version, 3);
    }),
);

postgresTest(
  "submit() moves a content over another world, all or nothing",
  () =>
    test(async ({ session, a, b }) => {
      await a.put("home/x", "one");
      for (const text of ["a", "b", "c"]) await a.put("home/y", text);
      const { result, changes } = await b.move("home/x", "home/y", { replace: true });
      assertEquals([result.version, result.created], [4, false]);
      assertEquals(changes.map(({ events }) => events.map(({ kind, name }) => `${kind} ${name}`)), [
        ["update home/y"],
        ["note home/x", "delete home/x"],
      ]);
      assertEquals([await read(session, "home/x"), await read(session, "home/y")], [
        undefined,
        "4 one",
      ]);
      const moved = await a.move("home/y", "home/z", { contentOnly: true });
      assertEquals([moved.result.version, moved.result.created, moved.result.first], [
        5,
        true,
        true,
      ]);
      assertEquals(await read(session, "home/z"), "5 one");
    }),
);

postgresTest(
  "submit() restores a world under its name and under another one",
  () =>
    test(async ({ session, a, b }) => {
      await a.put("home/x", "one");
      const first = await a.remove("home/x");
      await b.put("home/x", "other");
      const trash = first.result.trash ?? "";
      await assertRejects(b.restore(trash, "home/x"), { code: "precondition" });
      await assertRejects(b.restore("none", "home/x", "home/y"), { code: "absent" });
      const { result } = await b.restore(trash, "home/x", "home/y");
      assertEquals([result.version, result.created], [3, true]);
      await assertRejects(a.restore(trash, "home/x", "home/z"), { code: "absent" });
      const second = await a.remove("home/x");
      assertEquals((await a.restore(second.result.trash ?? "", "home/x")).result.version, 3);
      assertEquals([await read(session, "home/x"), await read(session, "home/y")], [
        "3 other",
        "3 one",
      ]);
    }),
);

postgresTest(
  "submit() changes states, appends notes and applies edits",
  () =>
    test(async ({ session, a, b }) => {
      await a.put("lib/p", "one");
      const base = { name: "lib/p", by: "T3" };
      const moved = await b.submit({ kind: "transition", ...base, to: "active", eventFields: {} });
      assertEquals([moved.result.version, moved.result.state], [1, "active"]);
      const noted = await a.submit({ kind: "note", ...base, type: "seen", payload: { a: 1 } });
      assertEquals(noted.changes[0]?.events.map(({ kind }) => kind), ["note"]);
      const put = await b.put("lib/p", "two");
      // The state changes with the bytes: one change with two events.
      assertEquals(put.changes[0]?.events.map(({ kind }) => kind), ["note", "update"]);
      assertEquals(await read(session, "lib/p"), "2 two");
    }),
);

postgresTest(
  "submit() applies an edit to the version that is current, and reports one without effect",
  () =>
    test(async ({ session, a, b }) => {
      const patch = (node: WriteNode, text: string) =>
        node.submit({
          ...{ kind: "patch", name: "home/x", by: "T2", meta: [], state: "" },
          edit: { format: "application/merge-patch+json", body: new TextEncoder().encode(text) },
        });
      await a.put("home/x", `{"a":1}`);
      await b.put("home/x", `{"b":2}`);
      const { result } = await patch(a, `{"c":3}`);
      assertEquals(DECODER.decode(result.patched?.body), `{"b":2,"c":3}`);
      const none = await patch(b, `{"c":3}`);
      assertEquals([none.result.version, none.changes, none.batch], [3, [], 0]);
      await assertRejects(patch(b, "{"), { code: "malformed" });
      assertEquals(await read(session, "home/x"), `3 {"b":2,"c":3}`);
    }),
);

postgresTest(
  "submit() keeps long bytes as chunks, and an append adds only its own",
  () =>
    test(async ({ session, a, b }) => {
      const long = (size: number, fill: number) => new Uint8Array(size).fill(fill);
      await a.put("home/x", long(9000, 1));
      await b.append("home/x", long(100, 2));
      await a.append("home/x", long(3000, 3));
      await a.append("home/x", long(600_000, 4));
      await a.append("home/x", long(5, 5));
      await a.put("home/long", long(700_000, 6));
      await b.append("home/long", long(10, 7));
      await a.put("home/y", "short");
      await a.append("home/y", long(8200, 8));
      await b.append("home/z", long(8190, 9));
      await b.append("home/z", long(300_000, 9));
      const [row] = await session.query(
        "SELECT (SELECT count(*) FROM elastik.uploads) AS uploads, len FROM elastik.worlds WHERE name = 'home/x'",
      );
      assertEquals([row?.uploads, row?.len], [0, 9000 + 100 + 3000 + 600_000 + 5]);
      await checkChains(session, TEST_KEY);
      // Replaced twice without a history, its content goes to the upkeep.
      await a.put("home/long", "short");
      await a.move("home/x", "home/moved", { contentOnly: true });
    }),
);

postgresTest(
  "submit() drops versions by number, and their content goes to the upkeep",
  () =>
    test(async ({ session, a }) => {
      for (let i = 0; i < 6; i++) await a.put("home/x", new Uint8Array(10_000).fill(i));
      const rows = await session.query("SELECT version FROM elastik.versions ORDER BY version");
      assertEquals(rows.map(({ version }) => version), [4, 5]);
      const [count] = await session.query("SELECT count(*) AS count FROM elastik.uploads");
      assertEquals(count?.count, 3);
    }, { history: { versions: 2, bytes: 1_000_000 } }),
);

postgresTest(
  "submit() keeps no version that is longer than the history",
  () =>
    test(async ({ session, a }) => {
      await a.put("home/x", "a");
      await a.put("home/x", "b");
      await a.put("home/x", "x".repeat(200));
      await a.put("home/x", "c");
      const rows = await session.query("SELECT version FROM elastik.versions");
      assertEquals(rows.map(({ version }) => version), []);
      await a.put("home/x", "d");
      const [row] = await session.query("SELECT version FROM elastik.versions");
      assertEquals(row?.version, 4);
    }, { history: { versions: 8, bytes: 100 } }),
);

postgresTest(
  "submit() gives one of two plugins a route and refuses the other one",
  () =>
    test(async ({ session, a, b }) => {
      const claim = (node: WriteNode, name: string, ...claims: string[]) =>
        node.submit({
          ...{ kind: "transition", name, by: "T3", to: "active", eventFields: {}, claims },
        });
      const routes = async () =>
        (await session.query("SELECT path, plugin FROM elastik.routes ORDER BY path"))
          .map(({ path, plugin }) => `${path} ${plugin}`);
      for (const name of ["lib/p", "lib/q"]) await a.put(name, "one");
      await claim(a, "lib/p", "/x/y", "fallback");
      for (const path of ["/x/y", "/x", "/x/y/z", "fallback"]) {
        await assertRejects(claim(b, "lib/q", "/free", path), { code: "claimed" });
      }
      await claim(b, "lib/q", "/x/yz");
      assertEquals(await routes(), ["/x/y lib/p", "/x/yz lib/q", "fallback lib/p"]);
      // A change that keeps the state keeps the routes; all others end them.
      const kept = { by: "T2", state: "active" };
      const body = new Uint8Array(1);
      await b.submit({ kind: "append", name: "lib/p", body, ext: "ts", ...kept });
      assertEquals((await routes()).length, 3);
      await b.put("lib/p", "two");
      assertEquals(await routes(), ["/x/yz lib/q"]);
      await claim(b, "lib/q", "/x");
      await a.move("lib/q", "lib/r");
      assertEquals(await routes(), []);
      await claim(b, "lib/r", "/x");
      await a.remove("lib/r");
      assertEquals(await routes(), []);
    }),
);

postgresTest("one of two claims at the same time wins", () =>
  test(async ({ nodes }) => {
    const names = ["lib/p", "lib/q", "lib/r"];
    for (const name of names) await nodes[0]?.put(name, "one");
    const all = await Promise.allSettled(nodes.map((node, i) =>
      node.submit({
        ...{ kind: "transition", name: names[i] ?? "", by: "T3", to: "active", eventFields: {} },
        claims: [i === 1 ? "/x" : "/x/y"],
      })
    ));
    const codes = all.map((one) => one.status === "rejected" ? one.reason.code : "done").sort();
    assertEquals(codes, ["claimed", "claimed", "done"]);
  }, { nodes: 3 }));

postgresTest(
  "submit() records idempotency keys and restricted names with the events",
  () =>
    test(async ({ session, a }) => {
      const idem = `${"k".repeat(22)}.${"c".repeat(22)}`;
      await a.put("etc/x", "one", { idem });
      const [row] = await session.query("SELECT key, restricted FROM elastik.events");
      assertEquals([row?.key, row?.restricted], ["k".repeat(22), true]);
    }),
);

/** Puts some worlds while a batch of others is held, and returns how many batches there were, and are. */
async function putBeside(
  held: number,
  more: number,
  slowBatchMs: number,
  isEnough: (batches: number) => boolean,
): Promise<{ beside: number; all: number }> {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isArmed = false;
  const found = { beside: 0, all: 0 };
  await test(async ({ a }) => {
    const putAll = (kind: string, count: number) =>
      Array.from({ length: count }, (_, i) => a.put(`home/${kind}${i}`, "x"));
    await a.put("home/first", "opens the session");
    const before = a.queue.counts.batches;
    isArmed = true;
    const first = putAll("held", held);
    await reached.promise;
    const others = putAll("more", more);
    const count = () => a.queue.counts.batches - before;
    for (let turn = 0; turn < 20 || !isEnough(count()); turn++) {
      await new Promise((next) => setTimeout(next, 1));
    }
    found.beside = count() - 1;
    gate.resolve();
    await Promise.all([...first, ...others]);
    found.all = count();
  }, {
    slowBatchMs,
    wrap: (session) =>
      intercepted(session, async (send) => {
        if (isArmed) {
          isArmed = false;
          reached.resolve();
          await gate.promise;
        }
        return await send();
      }),
  });
  return found;
}

postgresTest("changes wait for a quick batch and travel together", async () => {
  assertEquals(await putBeside(4, 8, 1e9, () => true), { beside: 0, all: 2 });
});

postgresTest("changes do not wait for a slow batch", async () => {
  const { beside } = await putBeside(4, 8, 1, (batches) => batches > 1);
  assertEquals(beside, 1);
});

postgresTest("changes do not wait if many worlds wait, or if there are few changes", async () => {
  assertEquals(await putBeside(4, MIN_FURTHER_WORLDS, 1e9, (batches) => batches > 1), {
    beside: 1,
    all: 2,
  });
  assertEquals(await putBeside(1, FEW_CHANGES - 1, 1e9, (batches) => batches > 1), {
    beside: 1,
    all: 2,
  });
});

postgresTest(
  "close() waits for what was accepted and refuses what comes later",
  () =>
    test(async ({ session, a }) => {
      const put = a.put("home/x", "one");
      await a.queue.close();
      await assertRejects(a.put("home/y", "two"), { code: "closed" });
      await put;
      assertEquals(await read(session, "home/x"), "1 one");
    }),
);

postgresTest(
  "one of 30 creations with If-None-Match on three nodes wins",
  () =>
    test(async ({ nodes }) => {
      const all = await Promise.allSettled(
        Array.from(
          { length: 30 },
          (_, i) => nodes[i % 3]?.put("home/x", `${i}`, { noneMatch: true }),
        ),
      );
      const won = all.filter(({ status }) => status === "fulfilled");
      assertEquals(won.length, 1);
      for (const one of all) {
        if (one.status === "rejected") assertEquals(one.reason.code, "precondition");
      }
    }, { nodes: 3 }),
);

postgresTest(
  "each version is won once with If-Match on three nodes",
  () =>
    test(async ({ session, nodes }) => {
      await nodes[0]?.put("home/x", "0");
      const won: number[] = [];
      await Promise.all(Array.from({ length: 12 }, async (_, i) => {
        const node = nodes[i % 3];
        for (let tries = 0; tries < 20 && won.length < 40; tries++) {
          const [row] = await session.query("SELECT version FROM elastik.worlds");
          const match = Number(row?.version);
          try {
            const done = await node?.put("home/x", `${i}.${tries}`, { match });
            assertEquals(done?.result.version, match + 1);
            won.push(match + 1);
          } catch (error) {
            assert(
              error instanceof Error && "code" in error && error.code === "precondition",
              `${error}`,
            );
          }
        }
      }));
      assert(won.length >= 12, `only ${won.length} writes won`);
      assertEquals([...won].sort((x, y) => x - y), won.map((_, i) => i + 2));
    }, { nodes: 3 }),
);
