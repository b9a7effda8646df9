import { assert, assertEquals } from "../../support/assert.ts";
import type { CatalogRow } from "../../../lib/world/store/worker_messages.ts";
import { type OnRow, UnindexedWorlds } from "../../../lib/world/store/unindexed_worlds.ts";

function rowOf(name: string): CatalogRow {
  const head = { by: "T2", head: 1, headAt: "" };
  return {
    name,
    version: 1,
    ext: "",
    len: 0,
    state: "",
    updatedAt: "",
    mtime: 0,
    size: 0,
    ...head,
  };
}

/** Worlds that are not indexed; records which were read and which rows were received. */
function createUnindexed(names: readonly string[], during: () => void = () => {}) {
  const requested: (readonly string[])[] = [];
  const learned: string[] = [];
  const files = {
    isClosing: false,
    stat(step: readonly string[]) {
      requested.push(step);
      during();
      return Promise.resolve(step.map((name) => name.includes("gone") ? undefined : rowOf(name)));
    },
  };
  const worlds = new UnindexedWorlds(files);
  const onRow: OnRow = (name, row) => void learned.push(row === undefined ? `-${name}` : name);
  for (const name of names) worlds.add(name);
  return {
    worlds,
    requested,
    learned,
    index: (some: readonly string[]) => worlds.index(some, onRow),
    indexAll: () => worlds.indexAll(onRow),
    stop: () => files.isClosing = true,
  };
}

const MANY = Array.from({ length: 50 }, (_, i) => `w${i}`);

Deno.test("UnindexedWorlds.index() reads only names that are not indexed, once", async () => {
  const { worlds, index, requested, learned } = createUnindexed(["a", "b", "gone"]);
  await index(["a", "gone", "known"]);
  await index(["a", "gone", "known"]);
  assertEquals([requested, learned, worlds.size], [[["a", "gone"]], ["a", "-gone"], 1]);
});

Deno.test("UnindexedWorlds.indexAll() reads all names, at most 16 at a time", async () => {
  const { worlds, indexAll, requested, learned } = createUnindexed(MANY);
  await indexAll();
  assertEquals([learned, worlds.size], [MANY, 0]);
  assert(requested.every(({ length }) => length <= 16));
});

Deno.test("UnindexedWorlds skips a row whose name was deleted while it was read", async () => {
  const { worlds, index, learned } = createUnindexed(["a", "b"], () => worlds.delete("a"));
  await index(["a", "b"]);
  assertEquals(learned, ["b"]);
  assertEquals([worlds.delete("a"), worlds.delete("b")], [false, false]);
});

Deno.test("UnindexedWorlds stops when the files are closing", async () => {
  const many = createUnindexed(MANY, () => many.stop());
  await many.indexAll();
  assertEquals(many.requested.length, 1);
  await many.index(MANY);
  assertEquals(many.requested.length, 1);
});

Deno.test("UnindexedWorlds.index() during indexAll() gives each row once", async () => {
  const { index, indexAll, learned } = createUnindexed(MANY);
  await Promise.all([indexAll(), index(MANY), index(MANY.toReversed())]);
  assertEquals(learned.toSorted(), MANY.toSorted());
});
