import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { ReadLocks } from "../../../lib/world/store/read_locks.ts";

/** Lets everything run that waits for nothing else. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A look or removal that tells when it starts and ends when it is told to. */
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

Deno.test("ReadLocks.look() runs looks at once where nothing is removed", async () => {
  const looks = new ReadLocks();
  const log: string[] = [];
  const steps = ["a", "b"].map((name) => step(log, name));
  const looking = steps.map(({ act }) => looks.shared(["home/x"], act));
  equal(log, ["a", "b"]);
  for (const { end } of steps) end();
  equal(await Promise.all(looking), ["a", "b"]);
});

Deno.test("ReadLocks.remove() waits for the looks under way, also for those that fail", async () => {
  const looks = new ReadLocks();
  const log: string[] = [];
  const [good, bad, removal] = ["good", "bad", "removal"].map((name) => step(log, name));
  if (!good || !bad || !removal) throw new Error("unreachable");
  const looking = looks.shared(["home/x", "home/y"], good.act);
  const failing = looks.shared(["home/x"], bad.act);
  const removing = looks.exclusive("home/x", removal.act);
  await settle();
  equal(log, ["good", "bad"]);
  good.end();
  bad.fail();
  await rejects(failing);
  await settle();
  equal(log, ["good", "bad", "removal"]);
  removal.end();
  equal(await Promise.all([looking, removing]), ["good", "removal"]);
});

Deno.test("ReadLocks.look() waits for removals of any of its names, and for no others", async () => {
  const looks = new ReadLocks();
  const log: string[] = [];
  const [removal, look, other] = ["removal", "look", "other"].map((name) => step(log, name));
  if (!removal || !look || !other) throw new Error("unreachable");
  const removing = looks.exclusive("home/x", removal.act);
  const looking = looks.shared(["home/a", "home/x"], look.act);
  const elsewhere = looks.shared(["home/a"], other.act);
  await settle();
  equal(log, ["other", "removal"]);
  removal.fail();
  await rejects(removing);
  await settle();
  equal(log, ["other", "removal", "look"]);
  look.end();
  other.end();
  await Promise.all([looking, elsewhere]);
});

Deno.test("ReadLocks.look() that waited for one removal does not run into the next", async () => {
  const looks = new ReadLocks();
  const log: string[] = [];
  const [first, second, look] = ["first", "second", "look"].map((name) => step(log, name));
  if (!first || !second || !look) throw new Error("unreachable");
  const one = looks.exclusive("home/x", first.act);
  const looking = looks.shared(["home/x"], look.act);
  const two = looks.exclusive("home/x", second.act);
  await settle();
  first.end();
  await one;
  await settle();
  equal(log, ["first", "second"]);
  second.end();
  await two;
  await settle();
  equal(log, ["first", "second", "look"]);
  look.end();
  await looking;
});
