import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
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
