import { deepStrictEqual, equal } from "node:assert/strict";
import { ancestors, type Lock, LockTable, parentOf } from "../../../lib/dav/locks/lock_table.ts";
import type { LockRequest } from "../../../lib/dav/locks/lock_table.ts";
import { MAX_DAV_LOCKS, MAX_SHARED_LOCKS } from "../../../lib/limits.ts";

const WISH: LockRequest = {
  path: "/home/a",
  depth: "0",
  exclusive: true,
  owner: "",
  by: "T2",
  seconds: 60,
};

function clocked() {
  const clock = { now: 1_000_000 };
  return { clock, table: new LockTable(() => clock.now) };
}

function granted(table: LockTable, wish: Partial<LockRequest> = {}): Lock {
  const lock = table.grant({ ...WISH, ...wish });
  if (!("token" in lock)) throw new Error("the lock was refused");
  return lock;
}

function isRefused(table: LockTable, wish: Partial<LockRequest>): boolean {
  return "conflict" in table.grant({ ...WISH, ...wish });
}

Deno.test("LockTable.grant() returns a lock with a new token", () => {
  const { table } = clocked();
  equal(table.isEmpty, true);
  const first = granted(table);
  const second = granted(table, { path: "/home/b" });
  equal(table.isEmpty, false);
  equal(first.token === second.token, false);
  equal(/^urn:uuid:[0-9a-f-]{36}$/.test(first.token), true);
  deepStrictEqual(table.covering("/home/a"), [first]);
  deepStrictEqual(table.covering("/home"), []);
  deepStrictEqual(table.covering("/home/a/b"), []);
  deepStrictEqual(table.covering("/home/ab"), []);
});

Deno.test("LockTable.covering() includes locks of depth infinity on all paths above", () => {
  const { table } = clocked();
  const lock = granted(table, { path: "/home/c", depth: "infinity" });
  deepStrictEqual(table.covering("/home/c/d/e"), [lock]);
  deepStrictEqual(table.covering("/home/cd"), []);
  deepStrictEqual(table.below("/home"), [lock]);
  deepStrictEqual(table.below("/home/c"), []);
  const whole = clocked().table;
  const root = granted(whole, { path: "/", depth: "infinity" });
  deepStrictEqual(whole.covering("/home/x"), [root]);
  deepStrictEqual(whole.covering("/"), [root]);
});

Deno.test("LockTable.grant() refuses an exclusive lock together with any other", () => {
  const { table } = clocked();
  granted(table, { path: "/home/c/d" });
  equal(isRefused(table, { path: "/home/c/d" }), true);
  equal(isRefused(table, { path: "/home/c/d", exclusive: false }), true);
  equal(isRefused(table, { path: "/home", depth: "infinity" }), true);
  equal(isRefused(table, { path: "/home", depth: "infinity", exclusive: false }), true);
  equal(isRefused(table, { path: "/home", depth: "0" }), false);
  granted(table, { path: "/home/e", depth: "infinity" });
  equal(isRefused(table, { path: "/home/e/f/g" }), true);
});

Deno.test("LockTable.grant() allows a limited number of shared locks on one path", () => {
  const { table } = clocked();
  for (let i = 0; i < MAX_SHARED_LOCKS; i++) granted(table, { exclusive: false });
  equal("full" in table.grant({ ...WISH, exclusive: false }), true);
  equal(isRefused(table, {}), true);
});

Deno.test("LockTable.grant() limits the total number of locks", () => {
  const { table } = clocked();
  for (let i = 0; i < MAX_DAV_LOCKS; i++) granted(table, { path: `/home/${i}` });
  equal("full" in table.grant(WISH), true);
});

Deno.test("LockTable removes a lock when its time is over", () => {
  const { table, clock } = clocked();
  granted(table, { seconds: 10 });
  granted(table, { path: "/home/b", seconds: 20 });
  clock.now += 9_999;
  equal(table.covering("/home/a").length, 1);
  clock.now += 1;
  equal(table.covering("/home/a").length, 0);
  equal(table.isEmpty, false);
  clock.now += 10_000;
  equal(table.isEmpty, true);
  granted(table);
});

Deno.test("LockTable.refresh() restarts the time of a lock and keeps its token", () => {
  const { table, clock } = clocked();
  const lock = granted(table, { seconds: 10 });
  clock.now += 9_000;
  equal(table.refresh(lock, 10).token, lock.token);
  clock.now += 9_000;
  equal(table.covering("/home/a").length, 1);
  clock.now += 1_000;
  equal(table.isEmpty, true);
});

Deno.test("LockTable.release() removes only one lock", () => {
  const { table } = clocked();
  const one = granted(table, { exclusive: false });
  const two = granted(table, { exclusive: false });
  table.release(one);
  deepStrictEqual(table.covering("/home/a"), [two]);
  table.release(one);
  table.release(two);
  equal(table.isEmpty, true);
});

Deno.test("LockTable.releaseAt() removes the locks of a path, or of a tree", () => {
  const { table } = clocked();
  granted(table, { path: "/home/c" });
  granted(table, { path: "/home/c/d" });
  granted(table, { path: "/home/cd" });
  table.releaseAt("/home/c");
  equal(table.covering("/home/c/d").length, 1);
  table.releaseAt("/home/c", true);
  equal(table.covering("/home/c/d").length, 0);
  equal(table.covering("/home/cd").length, 1);
});

Deno.test("ancestors() and parentOf() return the paths above a path up to the root", () => {
  deepStrictEqual(ancestors("/home/a/b"), ["/home/a", "/home", "/"]);
  deepStrictEqual(ancestors("/"), []);
  equal(parentOf("/home"), "/");
});
