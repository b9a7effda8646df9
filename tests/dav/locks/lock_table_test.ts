import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { LockTable } from "../../../lib/dav/locks/lock_table.ts";
import type { Lock, LockRequest } from "../../../lib/dav/locks/locks.ts";
import { DAV_LIMITS, LOCK_PURGE_MS } from "../../../lib/dav_limits.ts";

const REQUEST: LockRequest = {
  path: "/home/a",
  depth: "0",
  exclusive: true,
  owner: "",
  holder: { tier: "T2", by: "T2", authenticated: true },
  seconds: 60,
};

function clocked() {
  const clock = { now: 1_000_000 };
  const options = { monotonic: () => clock.now, secondsLeft: () => Infinity };
  return { clock, table: new LockTable({ ...options, maxPerCredential: DAV_LIMITS.locks }) };
}

async function granted(table: LockTable, request: Partial<LockRequest> = {}): Promise<Lock> {
  const lock = await table.grant({ ...REQUEST, ...request });
  if (!("token" in lock)) throw new Error("the lock was refused");
  return lock;
}

async function isRefused(table: LockTable, request: Partial<LockRequest>): Promise<boolean> {
  return "conflict" in await table.grant({ ...REQUEST, ...request });
}

Deno.test("LockTable.grant() returns a lock with a new token", async () => {
  const { table } = clocked();
  assertEquals(table.isEmpty, true);
  const first = await granted(table);
  const second = await granted(table, { path: "/home/b" });
  assertEquals(table.isEmpty, false);
  assertEquals(first.token === second.token, false);
  assertEquals(/^urn:uuid:[0-9a-f-]{36}$/.test(first.token), true);
  assertEquals(table.covering("/home/a"), [first]);
  assertEquals(table.covering("/home"), []);
  assertEquals(table.covering("/home/a/b"), []);
  assertEquals(table.covering("/home/ab"), []);
});

Deno.test("LockTable.covering() includes locks of depth infinity on all paths above", async () => {
  const { table } = clocked();
  const lock = await granted(table, { path: "/home/c", depth: "infinity" });
  assertEquals(table.covering("/home/c/d/e"), [lock]);
  assertEquals(table.covering("/home/cd"), []);
  assertEquals(table.below("/home"), [lock]);
  assertEquals(table.below("/home/c"), []);
  const whole = clocked().table;
  const root = await granted(whole, { path: "/", depth: "infinity" });
  assertEquals(whole.covering("/home/x"), [root]);
  assertEquals(whole.covering("/"), [root]);
});

Deno.test("LockTable.grant() ends the locks that the caller may replace, all or none", async () => {
  const { table } = clocked();
  for (let at = 0; at < 50; at++) await granted(table, { path: `/home/c/${at}` });
  const own = await granted(table, { path: "/home/c/x", owner: "kept" });
  const request: LockRequest = { ...REQUEST, path: "/home/c", depth: "infinity" };
  const isReplaced = ({ owner }: Lock) => owner !== "kept";
  assertEquals(await table.grant(request, isReplaced), { conflict: own });
  assertStrictEquals(table.size, 51);
  await table.release(own);
  assertEquals("token" in await table.grant(request, isReplaced), true);
  assertStrictEquals(table.size, 1);
});

Deno.test("LockTable.grant() refuses an exclusive lock together with any other", async () => {
  const { table } = clocked();
  await granted(table, { path: "/home/c/d" });
  assertEquals(await isRefused(table, { path: "/home/c/d" }), true);
  assertEquals(await isRefused(table, { path: "/home/c/d", exclusive: false }), true);
  assertEquals(await isRefused(table, { path: "/home", depth: "infinity" }), true);
  assertEquals(
    await isRefused(table, { path: "/home", depth: "infinity", exclusive: false }),
    true,
  );
  assertEquals(await isRefused(table, { path: "/home", depth: "0" }), false);
  await granted(table, { path: "/home/e", depth: "infinity" });
  assertEquals(await isRefused(table, { path: "/home/e/f/g" }), true);
});

Deno.test("LockTable.grant() allows a limited number of shared locks on one path", async () => {
  const { table } = clocked();
  for (let i = 0; i < DAV_LIMITS.sharedLocks; i++) await granted(table, { exclusive: false });
  assertEquals("full" in await table.grant({ ...REQUEST, exclusive: false }), true);
  assertEquals(await isRefused(table, {}), true);
});

Deno.test("LockTable.grant() limits the total number of locks", async () => {
  const { table } = clocked();
  const limit = DAV_LIMITS.locks / 2;
  for (let i = 0; i < limit; i++) await granted(table, { path: `/home/${i}` });
  assertEquals(await table.grant(REQUEST), { full: "server" });
  assertEquals([table.size, table.refused], [limit, 1]);
  // The other half is the reserve of T3.
  const holder = { tier: "T3", by: "T3" } as const;
  for (let i = 0; i < DAV_LIMITS.locks - limit; i++) {
    await granted(table, { path: `/etc/${i}`, holder });
  }
  assertEquals(await table.grant({ ...REQUEST, holder }), { full: "server" });
});

Deno.test("LockTable removes a lock when its time is over", async () => {
  const { table, clock } = clocked();
  await granted(table, { seconds: 10 });
  await granted(table, { path: "/home/b", seconds: 20 });
  clock.now += 9_999;
  assertEquals(table.covering("/home/a").length, 1);
  clock.now += 1;
  assertEquals(table.covering("/home/a").length, 0);
  assertEquals(table.isEmpty, false);
  clock.now += 10_000;
  assertEquals(table.isEmpty, true);
  await granted(table);
});

Deno.test("LockTable.refresh() restarts the time of a lock and keeps its token", async () => {
  const { table, clock } = clocked();
  const lock = await granted(table, { seconds: 10 });
  clock.now += 9_000;
  assertStrictEquals((await table.refresh(lock, 10))?.token, lock.token);
  clock.now += 9_000;
  assertEquals(table.covering("/home/a").length, 1);
  clock.now += 1_000;
  assertEquals(table.isEmpty, true);
});

Deno.test("LockTable.release() removes only one lock", async () => {
  const { table } = clocked();
  const one = await granted(table, { exclusive: false });
  const two = await granted(table, { exclusive: false });
  await table.release(one);
  assertEquals(table.covering("/home/a"), [two]);
  await table.release(one);
  await table.release(two);
  assertEquals(table.isEmpty, true);
  assertEquals(await table.refresh(two, 10), undefined);
});

Deno.test("LockTable.releaseAt() removes the locks of a path, or of a tree", async () => {
  const { table } = clocked();
  await granted(table, { path: "/home/c" });
  await granted(table, { path: "/home/c/d" });
  await granted(table, { path: "/home/cd" });
  await table.releaseAt("/home/c");
  assertEquals(table.covering("/home/c/d").length, 1);
  await table.releaseAt("/home/c", true);
  assertEquals(table.covering("/home/c/d").length, 0);
  assertEquals(table.covering("/home/cd").length, 1);
});

Deno.test("LockTable.grant() limits the locks of one credential", async () => {
  const options = { monotonic: () => 0, secondsLeft: () => Infinity, maxPerCredential: 2 };
  const table = new LockTable(options);
  const scope = { prefixes: ["/home/a"], mode: "rw", exp: 9, root: "/home/a|9|rw" } as const;
  const narrowed = { ...scope, prefixes: ["/home/a", "/home/a/b"] };
  const holder = { tier: "T2", by: "cap:/home/a", scope } as const;
  const first = await granted(table, { path: "/home/1", holder });
  await granted(table, { path: "/home/2", holder: { ...holder, scope: narrowed } });
  assertEquals(await table.grant({ ...REQUEST, holder }), { full: "credential" });
  await granted(table, { path: "/home/other" });
  await table.release(first);
  await granted(table, { path: "/home/3", holder });
  assertEquals(await table.grant({ ...REQUEST, holder }), { full: "credential" });
  assertEquals([table.size, table.refused], [3, 2]);
});

Deno.test("LockTable ends a lock with the credential of its holder", async () => {
  const left = { seconds: 5 };
  const table = new LockTable({
    monotonic: () => 0,
    secondsLeft: () => left.seconds,
    maxPerCredential: 2,
  });
  const lock = await granted(table, { seconds: 3600 });
  assertEquals([lock.seconds, lock.expires], [5, 5000]);
  assertEquals((await table.refresh(lock, 3600))?.expires, 5000);
  left.seconds = 0;
  assertEquals([table.covering("/home/a"), table.below("/home")], [[], []]);
  assertEquals(table.size, 1);
  table.removeEnded();
  assertEquals([table.size, table.isEmpty], [0, true]);
});

Deno.test("LockTable removes ended locks at most once in LOCK_PURGE_MS", async () => {
  const { table, clock } = clocked();
  for (let i = 1; i <= 3; i++) await granted(table, { path: `/home/${i}`, seconds: i / 100 });
  clock.now += 10;
  assertEquals([table.isEmpty, table.size], [false, 2]);
  clock.now += 20;
  assertEquals([table.covering("/home/3"), table.size], [[], 2]);
  clock.now += LOCK_PURGE_MS;
  assertEquals([table.isEmpty, table.size], [true, 0]);
});

Deno.test("LockTable.version rises whenever a lock is granted or ends", async () => {
  const { table, clock } = clocked();
  const versions = [table.version];
  const lock = await granted(table, { seconds: 10 });
  versions.push(table.version);
  await table.release(lock);
  versions.push(table.version);
  await granted(table, { seconds: 10 });
  versions.push(table.version);
  clock.now += 10_000;
  table.removeEnded();
  versions.push(table.version);
  assertEquals(versions.toSorted((a, b) => a - b), versions);
  assertStrictEquals(new Set(versions).size, versions.length);
  await table.grant({ ...REQUEST, path: "/home/a" });
  const before = table.version;
  assertEquals("conflict" in await table.grant(REQUEST), true);
  assertStrictEquals(table.version, before);
});
