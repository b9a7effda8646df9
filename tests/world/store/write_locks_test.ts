import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { WriteLocks } from "../../../lib/world/store/write_locks.ts";

Deno.test("WriteLocks.of() names nothing to wait for where nothing moves", () => {
  equal(new WriteLocks().pending("home/a"), undefined);
});

Deno.test("WriteLocks.hold() holds both names until the move is over, and no others", async () => {
  const transits = new WriteLocks();
  const move = Promise.withResolvers<string>();
  const moving = transits.exclusive(["home/a", "home/b"], () => move.promise);
  equal(
    ["home/a", "home/b", "home/c"].map((name) => transits.pending(name) !== undefined),
    [true, true, false],
  );
  const waited = transits.pending("home/a")?.then(() => transits.pending("home/a"));
  move.resolve("moved");
  equal(await moving, "moved");
  equal(await waited, undefined);
});

Deno.test("WriteLocks.hold() lets go of the names of a move that failed", async () => {
  const transits = new WriteLocks();
  const moving = transits.exclusive(["home/a"], () => Promise.reject(new Error("no")));
  await rejects(moving, /no/);
  equal(transits.pending("home/a"), undefined);
});

Deno.test("WriteLocks.hold() runs moves that share a name one after the other", async () => {
  const transits = new WriteLocks();
  const log: string[] = [];
  function move(name: string) {
    return async () => {
      log.push(`${name} begins`);
      await Promise.resolve();
      log.push(`${name} ends`);
    };
  }
  await Promise.all([
    transits.exclusive(["home/a", "home/b"], move("first")),
    transits.exclusive(["home/b", "home/c"], move("second")),
    transits.exclusive(["home/c", "home/a"], move("third")),
  ]);
  equal(log.length, 6);
  for (let i = 0; i < log.length; i += 2) equal(log[i]?.split(" ")[0], log[i + 1]?.split(" ")[0]);
});
