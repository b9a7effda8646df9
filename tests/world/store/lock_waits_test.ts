import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { LockWaits } from "../../../lib/world/store/lock_waits.ts";
import { LockBudget, withLockBudget } from "../../../lib/world/lock_wait.ts";
import { StoreError } from "../../../lib/world/store.ts";

const LONG_MS = 600_000;

/** Operations of worlds of which some are locked; it records the operations that were tried. */
class TestWorlds {
  readonly locked = new Set<string>();
  readonly tried: string[] = [];

  /** Returns an operation that needs worlds. */
  use(id: string, ...names: string[]): () => Promise<string> {
    return () => {
      this.tried.push(id);
      const world = names.find((name) => this.locked.has(name));
      return world === undefined
        ? Promise.resolve(id)
        : Promise.reject(new StoreError("in-use", "locked", world));
    };
  }
}

Deno.test("LockWaits.run() returns the result of an operation whose world is not locked", async () => {
  const waits = new LockWaits(LONG_MS);
  const worlds = new TestWorlds();
  assertEquals(await waits.run("change", ["a"], worlds.use("1", "a")), "1");
  const failing = () => Promise.reject(new StoreError("absent", "absent"));
  await assertRejects(waits.run("change", ["a"], failing), { code: "absent" });
  assertEquals([waits.waiting, waits.failures], [0, 0]);
});

Deno.test("LockWaits.run() tries only the first of a world's operations, and then all in order", async () => {
  const waits = new LockWaits(LONG_MS);
  const worlds = new TestWorlds();
  worlds.locked.add("a");
  const done: string[] = [];
  const record = (id: string) => void done.push(id);
  const running = ["1", "2", "3"].map(async (id, i) => {
    if (i > 0) { while (waits.waiting < i) await Promise.resolve(); }
    record(await waits.run("change", ["a"], worlds.use(id, "a")));
  });
  while (worlds.tried.length < 4) await new Promise((resume) => setTimeout(resume, 1));
  assertEquals(new Set(worlds.tried), new Set(["1"]));
  assertEquals(await waits.run("read", ["a"], worlds.use("read")), "read");
  assertEquals(await waits.run("change", ["b"], worlds.use("b", "b")), "b");
  worlds.locked.clear();
  await Promise.all(running);
  assertEquals(done, ["1", "2", "3"]);
  waits.close();
});

Deno.test("LockWaits.run() fails every operation at its own deadline", async () => {
  const waits = new LockWaits(50);
  const worlds = new TestWorlds();
  worlds.locked.add("a");
  const started = performance.now();
  const all = Array.from(
    { length: 1_200 },
    (_, i) => waits.run("change", ["a"], worlds.use(`${i}`, "a")),
  );
  for (const result of await Promise.allSettled(all)) {
    assert(result.status === "rejected" && result.reason.code === "in-use");
  }
  // One after another they would take a minute.
  assert(performance.now() - started < 30_000);
  assertEquals([waits.failures, waits.waiting], [1_200, 0]);
  waits.close();
});

Deno.test("LockWaits.run() gives all operations of one request one deadline", async () => {
  const waits = new LockWaits(LONG_MS);
  const worlds = new TestWorlds();
  worlds.locked.add("a");
  const budget = new LockBudget();
  budget.start(performance.now() - LONG_MS);
  await withLockBudget(budget, async () => {
    await assertRejects(waits.run("change", ["a"], worlds.use("1", "a")), { code: "in-use" });
    assertEquals(await waits.submit((waitMs) => Promise.resolve(waitMs)), 0);
  });
  assertEquals(worlds.tried, ["1"]);
  assertEquals(await waits.submit((waitMs) => Promise.resolve(waitMs)), undefined);
});

Deno.test("LockWaits.run() waits for the world that is locked and not for the others", async () => {
  const waits = new LockWaits(LONG_MS);
  const worlds = new TestWorlds();
  worlds.locked.add("to");
  const move = waits.run("change", ["from", "to"], worlds.use("move", "from", "to"));
  while (waits.waiting < 1) await Promise.resolve();
  assertEquals(await waits.run("change", ["from"], worlds.use("delete", "from")), "delete");
  // The other world is locked at the next attempt.
  worlds.locked.add("from").delete("to");
  assertEquals(await waits.run("change", ["x", "from"], worlds.use("1", "x")), "1");
  worlds.locked.clear();
  assertEquals(await move, "move");
  waits.close();
});

Deno.test("LockWaits.run() starts the next operation while a long one has the world", async () => {
  const waits = new LockWaits(LONG_MS);
  const worlds = new TestWorlds();
  worlds.locked.add("a");
  const end = Promise.withResolvers<void>();
  const long = waits.run("audit", ["a"], async () => {
    const id = await worlds.use("long", "a")();
    await end.promise;
    return id;
  });
  while (waits.waiting < 1) await Promise.resolve();
  const short = waits.run("audit", ["a"], worlds.use("short", "a"));
  worlds.locked.clear();
  assertEquals(await short, "short");
  end.resolve();
  assertEquals(await long, "long");
  waits.close();
});

Deno.test("LockWaits.close() fails operations that wait", async () => {
  const waits = new LockWaits(LONG_MS);
  const worlds = new TestWorlds();
  worlds.locked.add("a");
  const waiting = waits.run("change", ["a"], worlds.use("1", "a"));
  while (waits.waiting < 1) await Promise.resolve();
  waits.close();
  await assertRejects(waiting, { code: "closed" });
  await assertRejects(waits.run("change", ["a"], worlds.use("2", "a")), { code: "closed" });
});
