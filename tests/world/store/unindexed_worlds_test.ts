import { deepStrictEqual as equal, ok } from "node:assert/strict";
import type { CatalogRow } from "../../../lib/world/store/worker_messages.ts";
import { UnindexedWorlds } from "../../../lib/world/store/unindexed_worlds.ts";

function rowOf(name: string): CatalogRow {
  return { name, version: 1, ext: "", len: 0, state: "", updatedAt: "", mtime: 0, size: 0 };
}

/** Unknown worlds whose rows are read as `stat` says; tells what was asked and learned. */
function unknown(names: readonly string[], during: () => void = () => {}) {
  const asked: (readonly string[])[] = [];
  const learned: string[] = [];
  let stopped = false;
  const worlds: UnindexedWorlds = new UnindexedWorlds({
    stat(step) {
      asked.push(step);
      during();
      return Promise.resolve(step.map((name) => name.includes("gone") ? undefined : rowOf(name)));
    },
    onRow: (name, row) => learned.push(row === undefined ? `-${name}` : name),
    stopped: () => stopped,
  });
  for (const name of names) worlds.add(name);
  return { worlds, asked, learned, stop: () => stopped = true };
}

const MANY = Array.from({ length: 50 }, (_, i) => `w${i}`);

Deno.test("UnindexedWorlds.learn() asks for what is unknown alone, once", async () => {
  const { worlds, asked, learned } = unknown(["a", "b", "gone"]);
  await worlds.index(["a", "gone", "known"]);
  await worlds.index(["a", "gone", "known"]);
  equal([asked, learned, worlds.size], [[["a", "gone"]], ["a", "-gone"], 1]);
});

Deno.test("UnindexedWorlds.learnAll() learns everything, a few at a time", async () => {
  const { worlds, asked, learned } = unknown(MANY);
  await worlds.indexAll();
  equal([learned, worlds.size], [MANY, 0]);
  ok(asked.every(({ length }) => length <= 16));
});

Deno.test("UnindexedWorlds leaves alone what became known while it was being read", async () => {
  const { worlds, learned } = unknown(["a", "b"], () => worlds.delete("a"));
  await worlds.index(["a", "b"]);
  equal(learned, ["b"]);
  equal([worlds.delete("a"), worlds.delete("b")], [false, false]);
});

Deno.test("UnindexedWorlds stops when it is told to, and ends", async () => {
  const many = unknown(MANY, () => many.stop());
  await many.worlds.indexAll();
  equal(many.asked.length, 1);
  await many.worlds.index(MANY);
  equal(many.asked.length, 1);
});

Deno.test("UnindexedWorlds.learn() beside learnAll() reads nothing twice that is learned already", async () => {
  const { worlds, learned } = unknown(MANY);
  await Promise.all([worlds.indexAll(), worlds.index(MANY), worlds.index(MANY.toReversed())]);
  equal(learned.toSorted(), MANY.toSorted());
});
