import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { Transits } from "../../../lib/world/store/write_locks.ts";

Deno.test("Transits.of() names nothing to wait for where nothing moves", () => {
  equal(new Transits().of("home/a"), undefined);
});

Deno.test("Transits.hold() holds both names until the move is over, and no others", async () => {
  const transits = new Transits();
  const move = Promise.withResolvers<string>();
  const moving = transits.hold(["home/a", "home/b"], () => move.promise);
  equal(
    ["home/a", "home/b", "home/c"].map((name) => transits.of(name) !== undefined),
    [true, true, false],
  );
  const waited = transits.of("home/a")?.then(() => transits.of("home/a"));
  move.resolve("moved");
  equal(await moving, "moved");
  equal(await waited, undefined);
});

Deno.test("Transits.hold() lets go of the names of a move that failed", async () => {
  const transits = new Transits();
  const moving = transits.hold(["home/a"], () => Promise.reject(new Error("no")));
  await rejects(moving, /no/);
  equal(transits.of("home/a"), undefined);
});

Deno.test("Transits.hold() runs moves that share a name one after the other", async () => {
  const transits = new Transits();
  const log: string[] = [];
  function move(name: string) {
    return async () => {
      log.push(`${name} begins`);
      await Promise.resolve();
      log.push(`${name} ends`);
    };
  }
  await Promise.all([
    transits.hold(["home/a", "home/b"], move("first")),
    transits.hold(["home/b", "home/c"], move("second")),
    transits.hold(["home/c", "home/a"], move("third")),
  ]);
  equal(log.length, 6);
  for (let i = 0; i < log.length; i += 2) equal(log[i]?.split(" ")[0], log[i + 1]?.split(" ")[0]);
});
