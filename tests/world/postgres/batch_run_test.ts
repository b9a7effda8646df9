/**
 * Random changes by several nodes on a real server: they never wait for each other in a ring, and each
 * change is made once or never, also if sessions are ended while their batches are under way.
 */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { checkChains } from "../../support/check_chains.ts";
import { intercepted, type OnBatch, withQuery } from "../../support/intercepted_session.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, serversTest, sharedServer } from "../../support/postgres_servers.ts";
import { TEST_KEY, WriteNode } from "../../support/write_node.ts";
import type { Committed } from "../../../lib/world/postgres/queued_job.ts";
import { APPLY_BATCH } from "../../../lib/world/postgres/batch_arguments.ts";
import { type PgRow, type Session, SessionError } from "../../../lib/world/postgres/session.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { withWriteChecks, WriteChecks } from "../../../lib/world/write_checks.ts";

const server = sharedServer();
/** Changes that a test makes at least, whose outcome is known. */
const CHANGES = 200;
/** Sessions that are ended at least, while changes are under way. */
const ENDED_SESSIONS = 20;
const NAMES = ["home/a", "home/b", "home/c", "home/d", "home/e", "home/f"];

/** What became of one call, by the caller that only this call has. */
type Call = { readonly by: string; readonly done?: Committed; readonly code?: string };

/**
 * Calls random changes, several at once on each node.
 *
 * @param isEnough is asked with the number of changes whose outcome is known, before each call
 */
async function change(
  nodes: readonly WriteNode[],
  isEnough: (done: number) => boolean,
  choose: (node: WriteNode, by: string, pick: () => string) => Promise<Committed>,
): Promise<Call[]> {
  const calls: Call[] = [];
  let done = 0;
  await Promise.all(nodes.flatMap((node) =>
    Array.from({ length: 4 }, async () => {
      while (!isEnough(done)) {
        const by = `${node.id}.${calls.length}`;
        const pick = () => NAMES[Math.floor(Math.random() * NAMES.length)] ?? "";
        const at = calls.push({ by }) - 1;
        try {
          calls[at] = { by, done: await choose(node, by, pick) };
          done += 1;
        } catch (error) {
          assert(error instanceof StoreError, `${error}`);
          calls[at] = { by, code: error.code };
        }
      }
    })
  ));
  return calls;
}

/** Checks that each call is on the chains as its caller was told. */
async function checkCalls(session: Session, calls: readonly Call[]): Promise<void> {
  const rows = await session.query(
    "SELECT by, count(*) AS count, max(version) AS version FROM elastik.events WHERE kind <> 'note' GROUP BY by",
  );
  const found = new Map(rows.map(({ by, count, version }) => [by, { count, version }]));
  for (const { by, done, code } of calls) {
    const changes = found.get(by);
    if (done !== undefined) {
      const expected = { count: done.changes.length, version: done.result.version };
      assertEquals(changes && { ...changes, version: expected.version }, expected, by);
      if (done.changes.length === 1) assertEquals(changes?.version, expected.version, by);
    } else if (code !== "unknown") assertEquals(changes, undefined, `${by}: ${code}`);
  }
}

async function withNodes(run: (session: Session, nodes: readonly WriteNode[]) => Promise<void>) {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  const nodes = ["a", "b", "c"].map((id) => new WriteNode(database, id));
  try {
    await run(session, nodes);
    await checkChains(session, TEST_KEY);
  } finally {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  }
}

/** Returns a function that makes any change: also of long contents, and restores of what it removed. */
function createChanges(): (node: WriteNode, by: string, pick: () => string) => Promise<Committed> {
  const trash: (readonly [id: string, name: string])[] = [];
  const columns = { ext: "txt", state: "" };
  /** Longer than a row, than a chunk, or short. No other call has these bytes. */
  const bodyOf = (by: string) => {
    const size = Math.random() < 0.7 ? 0 : Math.random() < 0.9 ? 9000 : 300_000;
    return by.padEnd(size, "x");
  };
  return async (node, by, pick) => {
    const name = pick();
    const kind = Math.random();
    if (kind < 0.35) return await node.put(name, bodyOf(by), { by });
    if (kind < 0.6) return await node.append(name, bodyOf(by), { by });
    if (kind < 0.7) {
      const removed = await node.remove(name, { by });
      trash.push([removed.result.trash ?? "", name]);
      return removed;
    }
    const [id, from] = kind < 0.8 ? trash.shift() ?? [] : [];
    if (id !== undefined && from !== undefined) {
      return await node.submit({
        ...{ kind: "restore", name, trash: id, from, by, floor: 0, ...columns },
      });
    }
    const flags = { replace: Math.random() < 0.5, contentOnly: Math.random() < 0.3 };
    let to = pick();
    while (to === name) to = pick();
    return await node.submit({ kind: "rename", name: to, from: name, by, ...columns, ...flags });
  };
}

postgresTest(
  "batches of three nodes with moves never wait for each other in a ring",
  () =>
    withNodes(async (session, nodes) => {
      const calls = await change(nodes, (done) => done >= CHANGES, createChanges());
      await checkCalls(session, calls);
      assertEquals(calls.filter(({ code }) => code === "unknown" || code === "unreachable"), []);
      // The server reports its figures with a delay; the log has each deadlock at once.
      assertEquals((await server().log()).match(/deadlock detected/g), null);
    }),
);

postgresTest(
  "a change is made once or never if its session is ended at any time",
  () =>
    withNodes(async (session, nodes) => {
      let ended = 0;
      let made = 0;
      let isOver = false;
      const killing = (async () => {
        for (let before = -1; !isOver;) {
          await new Promise((resolve) => setTimeout(resolve, 20 * Math.random()));
          // Faster than the changes of a slow computer, the sessions would be ended before any change.
          if (made === before) continue;
          before = made;
          const rows = await session.query(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity " +
              "WHERE application_name LIKE 'elastik/_' AND datname = current_database() AND state = 'active' " +
              "ORDER BY random() LIMIT 1) x",
          );
          ended += rows.length;
        }
      })();
      try {
        const isEnough = (done: number) => {
          made = done;
          return done >= CHANGES && ended >= ENDED_SESSIONS;
        };
        const calls = await change(nodes, isEnough, createChanges());
        isOver = true;
        await killing;
        await checkCalls(session, calls);
      } finally {
        isOver = true;
      }
    }),
);

async function withLoss(
  onFirst: OnBatch,
  run: (session: Session, node: WriteNode, lost: () => number) => Promise<void>,
) {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  let lost = 0;
  let isArmed = false;
  const node = new WriteNode(database, "a", {
    wrap: (session) =>
      intercepted(session, async (send) => {
        if (!isArmed) return await send();
        isArmed = false;
        lost += 1;
        return await onFirst(send);
      }),
  });
  try {
    await node.put("home/x", "one");
    isArmed = true;
    await run(session, node, () => lost);
    await checkChains(session, TEST_KEY);
  } finally {
    await node[Symbol.asyncDispose]();
  }
}

const lostAnswer = () => new SessionError("lost", "the answer was lost");

postgresTest(
  "a batch whose answer was lost is found and not made again",
  () =>
    withLoss(async (send) => {
      await send();
      throw lostAnswer();
    }, async (session, node, lost) => {
      const [x, y] = await Promise.all([node.append("home/x", "+"), node.put("home/y", "new")]);
      assertEquals([x.result.version, y.result.version, y.result.created], [2, 1, true]);
      assertEquals([lost(), node.batches.length, node.reconnects], [1, 2, 1]);
      const rows = await session.query("SELECT id, name FROM elastik.worlds ORDER BY id");
      assertEquals(rows.map(({ id }) => id), [x.changes[0]?.world, y.changes[0]?.world]);
      assertEquals(x.batch, y.batch);
      assertEquals((await node.append("home/x", "+")).result.version, 3);
    }),
);

postgresTest(
  "a batch that never reached the server is made once",
  () =>
    withLoss(() => Promise.reject(lostAnswer()), async (session, node, lost) => {
      assertEquals((await node.append("home/x", "+", { match: 1 })).result.version, 2);
      assertEquals([lost(), node.batches.length], [1, 3]);
      const [row] = await session.query("SELECT count(*) AS count FROM elastik.events");
      assertEquals(row?.count, 2);
    }),
);

postgresTest("a batch that the server begins after its second try changes nothing", async () => {
  let late: (() => Promise<readonly PgRow[]>) | undefined;
  await using database = await PostgresDatabase.create(server());
  const other = await database.open();
  await withLateBatch(database, other, (send) => late = send);
  const rows = await late?.();
  assertEquals(rows?.map(({ batch, worlds }) => [batch, worlds]), [[0, "0,0"]]);
  await checkChains(other, TEST_KEY);
});

/** Loses a batch and sends it on another session later. */
async function withLateBatch(
  database: PostgresDatabase,
  other: Session,
  keep: (send: () => Promise<readonly PgRow[]>) => void,
) {
  let isArmed = false;
  await using node = new WriteNode(database, "a", {
    wrap: (session) =>
      withQuery(session, (text, values, deadlineMs) => {
        if (text !== APPLY_BATCH || !isArmed) return session.query(text, values, deadlineMs);
        isArmed = false;
        keep(() => other.query(text, values));
        session.drop();
        return Promise.reject(lostAnswer());
      }),
  });
  await node.put("home/x", "one");
  isArmed = true;
  const done = await Promise.all([node.append("home/x", "+"), node.put("home/y", "new")]);
  assertEquals(done.map(({ result }) => result.version), [2, 1]);
}

postgresTest(
  "a refusal stands after a lost answer only if the change did not happen",
  () =>
    withLoss(async (send) => {
      await send();
      throw lostAnswer();
    }, async (_, node) => {
      // The second try finds version 2: without the look for the batch it would be refused.
      assertEquals((await node.put("home/x", "two", { match: 1 })).result.version, 2);
    }),
);

postgresTest("a change whose outcome stays unknown is answered in time", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isDown = false;
  let now = 0;
  await using node = new WriteNode(database, "a", {
    trouble: "commits wait",
    patienceMs: 300,
    monotonic: () => now,
    wrap: (session) =>
      withQuery(session, async (text, values, deadlineMs) => {
        // The second try looks for the first one under a lock, and gets no answer.
        if (isDown && text.includes("lock_1")) {
          reached.resolve();
          await gate.promise;
        }
        const rows = await session.query(text, values, deadlineMs);
        if (isDown && text === APPLY_BATCH) throw lostAnswer();
        return rows;
      }),
  });
  await node.put("home/x", "one");
  isDown = true;
  let isSettled = false;
  const put = node.put("home/x", "two").finally(() => isSettled = true);
  await reached.promise;
  now = 299;
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert(!isSettled, "its time is not over");
  now = 300;
  // The log has the reason.
  await assertRejects(put, (error: unknown) => {
    assert(error instanceof StoreError && error.code === "unknown", String(error));
    return error.message.endsWith("; commits wait");
  });
  gate.resolve();
  await node.queue.close();
  const [row] = await session.query("SELECT version FROM elastik.worlds WHERE name = 'home/x'");
  assertEquals(row?.version, 2, "it happened");
  await checkChains(session, TEST_KEY);
});

postgresTest("a full disk does not decide the outcome of an earlier try", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  let isArmed = false;
  await using node = new WriteNode(database, "a", {
    trouble: "no host is the primary",
    wrap: (session) =>
      withQuery(session, async (text, values, deadlineMs) => {
        if (isArmed && text.includes("lock_1")) throw new SessionError("53100", "no space left");
        const rows = await session.query(text, values, deadlineMs);
        if (isArmed && text === APPLY_BATCH) throw lostAnswer();
        return rows;
      }),
  });
  await node.put("home/x", "one");
  isArmed = true;
  await assertRejects(node.put("home/x", "two"), (error: unknown) => {
    assert(error instanceof StoreError && error.code === "unknown", String(error));
    return error.message.endsWith("; no host is the primary");
  });
  isArmed = false;
  const [row] = await session.query("SELECT version FROM elastik.worlds WHERE name = 'home/x'");
  assertEquals(row?.version, 2, "it happened");
});

const putOf = (name: string) => ({
  ...{ kind: "put" as const, name, by: "T2", body: new Uint8Array(1), ext: "txt", meta: [] },
  ...{ state: "", eventFields: {} },
});

postgresTest("changes are judged again after the guard has risen", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  let guard = 0;
  let raised = 0;
  await using node = new WriteNode(database, "a", {
    guard: () => ({ guard, authority: 0 }),
    onGuardRaised() {
      raised += 1;
      guard = 5;
      return Promise.resolve();
    },
  });
  await node.put("home/x", "one");
  await session.query("UPDATE elastik.guard SET version = 5");
  // The checks of a request hold at first, and no longer when the locks are read again.
  const checks = new WriteChecks();
  checks.add(() => guard, () => {
    throw new StoreError("busy", "locked");
  });
  const permitted = node.submit(putOf("home/x"));
  const refused = withWriteChecks(checks, () => node.submit(putOf("home/y")));
  await assertRejects(refused, { code: "busy" });
  assertEquals((await permitted).result.version, 2);
  assertEquals(raised, 1);
});

postgresTest(
  "changes are judged again when the accounts are known that raised the authority",
  async () => {
    await using database = await PostgresDatabase.create(server());
    const session = await database.open();
    const { promise: read, resolve } = Promise.withResolvers<void>();
    let [authority, isCurrent] = [0, true];
    let pending: Promise<void> | undefined;
    await using node = new WriteNode(database, "a", {
      guard: () => ({ guard: 0, authority }),
      onAuthorityRaised() {
        // The node has the row of the change, and reads the accounts.
        authority = 5;
        pending = read.then(() => {
          [pending, isCurrent] = [undefined, false];
        });
        setTimeout(resolve, 20);
        return Promise.resolve();
      },
    });
    await node.put("home/x", "one");
    await session.query("UPDATE elastik.guard SET authority = 5");
    const checks = new WriteChecks({
      pending: () => pending,
      run() {
        if (!isCurrent) throw new StoreError("busy", "withdrawn");
      },
    });
    // The checks that a request adds can be removed; that of its caller remains.
    checks.clear();
    const permitted = node.submit(putOf("home/x"));
    const refused = withWriteChecks(checks, () => node.submit(putOf("home/y")));
    await assertRejects(refused, { code: "busy" });
    assertEquals((await permitted).result.version, 2);
    assertEquals(
      (await session.query("SELECT FROM elastik.worlds WHERE name = 'home/y'")).length,
      0,
    );
  },
);

postgresTest("a change fails if another try of its request has changed the world", async () => {
  await using database = await PostgresDatabase.create(server());
  await using a = new WriteNode(database, "a");
  await using b = new WriteNode(database, "b");
  const idem = `${"k".repeat(22)}.${"c".repeat(22)}`;
  await a.put("home/x", "one");
  await a.append("home/x", "+", { idem });
  await assertRejects(b.append("home/x", "+", { idem }), { code: "repeated" });
  // The memory of the node has the event already: the database refuses what would follow it.
  await assertRejects(a.append("home/x", "+", { idem }), { code: "repeated" });
  assertEquals((await b.append("home/x", "!")).result.version, 3);
  // A request can change several worlds with one key.
  assertEquals((await a.append("home/y", "+", { idem })).result.version, 1);
  const session = await database.open();
  // The newest event must stay as its world's row has it.
  await session.query(
    "UPDATE elastik.events SET timestamp = '2020-01-01T00:00:00.000Z' WHERE name = 'home/x' AND id < 3",
  );
  assertEquals((await a.append("home/x", "+", { idem })).result.version, 4);
});

postgresTest("a content that another node has replaced is read again", async () => {
  await using database = await PostgresDatabase.create(server());
  await using a = new WriteNode(database, "a", { history: { versions: 0, bytes: 0 } });
  await using b = new WriteNode(database, "b", { history: { versions: 0, bytes: 0 } });
  const session = await database.open();
  await a.put("home/x", new Uint8Array(20_000));
  await b.put("home/x", new Uint8Array(30_000));
  await session.query("SELECT elastik.upkeep_1(0, 0, 9)");
  assertEquals((await a.append("home/x", "+")).result.len, 30_001);
  await checkChains(session, TEST_KEY);
});

/** Statements that damage the rows of `home/damaged`. */
const DAMAGES = [
  "UPDATE elastik.worlds SET version = 9223372036854775807 WHERE name = 'home/damaged'",
  "UPDATE elastik.worlds SET event_id = 9007199254740993 WHERE name = 'home/damaged'",
  "UPDATE elastik.names SET version = 9223372036854775807 WHERE name = 'home/damaged'",
  "UPDATE elastik.worlds SET name = 'home/other' WHERE name = 'home/damaged'",
  "DELETE FROM elastik.worlds WHERE name = 'home/damaged'",
  "UPDATE elastik.worlds SET event_hmac = 'zz' WHERE name = 'home/damaged'",
  "UPDATE elastik.worlds SET event_id = 77 WHERE name = 'home/damaged'",
  "UPDATE elastik.worlds SET event_id = 1 WHERE name = 'home/damaged'",
  "DELETE FROM elastik.events WHERE name = 'home/damaged' AND id = 2",
];

for (const damage of DAMAGES) {
  postgresTest(`damaged rows stop the changes of their world only: ${damage}`, async () => {
    await using database = await PostgresDatabase.create(server());
    const session = await database.open();
    await using before = new WriteNode(database, "a");
    await before.put("home/damaged", "one");
    await before.put("home/damaged", "more");
    await session.query(damage);
    // It knows nothing of the world, and sends one batch with all changes.
    await using node = new WriteNode(database, "b", { headOf: () => ({ world: 1, event: 1 }) });
    const names = ["home/x", "home/damaged", "home/y"];
    const found = await Promise.allSettled(names.map((name) => node.put(name, "two")));
    const codes = found.map((one) =>
      one.status === "fulfilled" ? one.value.result.version : one.reason.code
    );
    assertEquals([codes, node.reconnects], [[1, "damaged", 1], 0]);
  });
}

postgresTest("missing bytes stop the changes that need them, of their world only", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  await using before = new WriteNode(database, "a");
  await before.put("home/damaged", "x".repeat(30_000));
  await session.query("UPDATE elastik.worlds SET content = 987654321");
  await using node = new WriteNode(database, "b", { headOf: () => ({ world: 1, event: 1 }) });
  const names = ["home/x", "home/damaged", "home/y"];
  const found = await Promise.allSettled(
    names.map((name) => name === "home/damaged" ? node.append(name, "+") : node.put(name, "two")),
  );
  const outcomes = found.map((one) =>
    one.status === "fulfilled" ? one.value.result.version : `${one.reason.message}`
  );
  assertEquals(outcomes, [
    1,
    "Cannot read home/damaged: a part of its bytes is missing",
    1,
  ]);
});

serversTest(
  "a change that waits for its standby longer than the deadline is made once",
  { servers: 2, synchronous: "b" },
  async (servers) => {
    await using database = await PostgresDatabase.create(servers);
    await using node = new WriteNode(database, "a");
    await node.put("home/x", "one");
    await servers.pause("b");
    let isDone = false;
    const append = node.append("home/x", "+").finally(() => isDone = true);
    // The first try is late, and the second one waits for its lock.
    const session = await database.open();
    const waits = "SELECT count(*) AS count FROM pg_locks WHERE NOT granted";
    while (Number((await session.query(waits))[0]?.count) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert(!isDone && node.reconnects >= 1, `${node.reconnects} tries were late`);
    servers.resume("b");
    assertEquals((await append).result.version, 2);
    const [row] = await session.query("SELECT count(*) AS count FROM elastik.events");
    assertEquals(row?.count, 2);
    await checkChains(session, TEST_KEY);
  },
);
