import { assertEquals, assertRejects } from "../../support/assert.ts";
import { KeyedLock } from "../../../lib/world/store/keyed_lock.ts";

/** Runs all pending microtasks. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Creates an action that logs its start and ends when the test releases it. */
function step(log: string[], name: string) {
  const end = Promise.withResolvers<string>();
  return {
    end: (value = name) => end.resolve(value),
    fail: () => end.reject(new Error(name)),
    act: () => {
      log.push(name);
      return end.promise;
    },
  };
}

Deno.test("KeyedLock.shared() runs at once, together with other shared holders", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const steps = ["a", "b"].map((name) => step(log, name));
  const looking = steps.map(({ act }) => lock.shared(["home/x"], act));
  assertEquals(log, ["a", "b"]);
  for (const { end } of steps) end();
  assertEquals(await Promise.all(looking), ["a", "b"]);
});

Deno.test("KeyedLock.exclusive() waits for the shared holders, also for those that fail", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const [good, bad, removal] = ["good", "bad", "removal"].map((name) => step(log, name));
  if (!good || !bad || !removal) throw new Error("unreachable");
  const looking = lock.shared(["home/x", "home/y"], good.act);
  const failing = lock.shared(["home/x"], bad.act);
  const removing = lock.exclusive(["home/x"], removal.act);
  await settle();
  assertEquals(log, ["good", "bad"]);
  good.end();
  bad.fail();
  await assertRejects(failing);
  await settle();
  assertEquals(log, ["good", "bad", "removal"]);
  removal.end();
  assertEquals(await Promise.all([looking, removing]), ["good", "removal"]);
});

Deno.test("KeyedLock.shared() waits for exclusive holders of any of its keys, and for no others", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const [removal, look, other] = ["removal", "look", "other"].map((name) => step(log, name));
  if (!removal || !look || !other) throw new Error("unreachable");
  const removing = lock.exclusive(["home/x"], removal.act);
  const looking = lock.shared(["home/a", "home/x"], look.act);
  const elsewhere = lock.shared(["home/a"], other.act);
  await settle();
  assertEquals(log, ["removal", "other"]);
  removal.fail();
  await assertRejects(removing);
  await settle();
  assertEquals(log, ["removal", "other", "look"]);
  look.end();
  other.end();
  await Promise.all([looking, elsewhere]);
});

Deno.test("KeyedLock serves shared and exclusive holders of one key in the order of their calls", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const [first, second, look] = ["first", "second", "look"].map((name) => step(log, name));
  if (!first || !second || !look) throw new Error("unreachable");
  const one = lock.exclusive(["home/x"], first.act);
  const looking = lock.shared(["home/x"], look.act);
  const two = lock.exclusive(["home/x"], second.act);
  await settle();
  first.end();
  await one;
  await settle();
  assertEquals(log, ["first", "look"]);
  look.end();
  await looking;
  await settle();
  assertEquals(log, ["first", "look", "second"]);
  second.end();
  assertEquals(await two, "second");
});

Deno.test("KeyedLock.pending() returns undefined if there is no exclusive holder", () => {
  assertEquals(new KeyedLock().pending("home/a"), undefined);
});

Deno.test("KeyedLock.exclusive() holds all of its keys until the action ends, and no others", async () => {
  const lock = new KeyedLock();
  const move = Promise.withResolvers<string>();
  const moving = lock.exclusive(["home/a", "home/b"], () => move.promise);
  assertEquals(
    ["home/a", "home/b", "home/c"].map((name) => lock.pending(name) !== undefined),
    [true, true, false],
  );
  const waited = lock.pending("home/a")?.then(() => lock.pending("home/a"));
  move.resolve("moved");
  assertEquals(await moving, "moved");
  assertEquals(await waited, undefined);
});

Deno.test("KeyedLock.exclusive() releases its keys if the action fails", async () => {
  const lock = new KeyedLock();
  const moving = lock.exclusive(["home/a"], () => Promise.reject(new Error("no")));
  await assertRejects(moving, /no/);
  assertEquals(lock.pending("home/a"), undefined);
});

Deno.test("KeyedLock.exclusive() runs actions that share a key one after the other", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  function move(name: string) {
    return async () => {
      log.push(`${name} begins`);
      await Promise.resolve();
      log.push(`${name} ends`);
    };
  }
  await Promise.all([
    lock.exclusive(["home/a", "home/b"], move("first")),
    lock.exclusive(["home/b", "home/c"], move("second")),
    lock.exclusive(["home/c", "home/a"], move("third")),
  ]);
  assertEquals(log.length, 6);
  for (let i = 0; i < log.length; i += 2) {
    assertEquals(log[i]?.split(" ")[0], log[i + 1]?.split(" ")[0]);
  }
});
