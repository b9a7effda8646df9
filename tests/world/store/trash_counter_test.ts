import { assert, assertEquals } from "../../support/assert.ts";
import { readTrashPages, TrashCounter } from "../../../lib/world/store/trash_counter.ts";
import type { TrashQuery } from "../../../lib/world/trash.ts";

const world = (name: string) => ({ id: name, name, by: "T2", bytes: 10 });

Deno.test("TrashCounter counts what moves to the trash and what leaves it, and tells listeners", async () => {
  const told: string[] = [];
  const counter = new TrashCounter({
    onAdded: ({ name }) => told.push(`added ${name}`),
    onTaken: ({ name }) => told.push(`taken ${name}`),
  });
  assert(await counter.measure(() => Promise.resolve({ entries: 1, bytes: 5 }), "keep"));
  counter.recordAdded(world("a"));
  assertEquals(counter.counts, { entries: 2, bytes: 15, expired: 0 });
  counter.recordTaken([world("a"), world("b"), world("c")], 20);
  counter.recordExpired(2);
  assertEquals(counter.counts, { entries: 0, bytes: 0, expired: 2 });
  assertEquals(told, ["added a", "taken a", "taken b", "taken c"]);
});

Deno.test("TrashCounter keeps its figures if the trash changes while the store is measured", async () => {
  const counter = new TrashCounter({});
  const five = () => Promise.resolve({ entries: 5, bytes: 50 });
  const entries = () => counter.counts.entries;
  // The first figures are taken: they are better than none.
  let running = counter.change(async () => {
    assert(!await counter.measure(five, "keep"));
    assertEquals(entries(), 5);
    counter.recordAdded(world("a"));
  });
  await running;
  const whileChanging: (() => Promise<unknown>)[] = [
    () => running = counter.change(() => new Promise((resolve) => setTimeout(resolve, 5))),
    () => Promise.resolve(counter.recordAdded(world("b"))),
    () => Promise.resolve(counter.recordTaken([world("b")], 10)),
    () => counter.use("c", () => Promise.resolve(counter.recordAdded(world("c")))),
  ];
  for (const change of whileChanging) {
    const read = async () => {
      const changed = change();
      const size = await five();
      if (change !== whileChanging[0]) await changed;
      return size;
    };
    assert(!await counter.measure(read, "keep"), `${change}`);
  }
  assertEquals(entries(), 7);
  await running;
  assert(await counter.measure(five, "keep"));
  assertEquals(entries(), 5);
  await counter.change(() =>
    counter.measure(() => Promise.resolve({ entries: 9, bytes: 9 }), "replace")
  );
  assertEquals(entries(), 9);
});

Deno.test("readTrashPages() reads page after page, and none after it must stop", async () => {
  const entry = (id: string) => ({ ...world(id), version: 1, deletedAt: "", ext: "txt" });
  const queries: (string | undefined)[] = [];
  const read = async (isStopping: () => boolean) => {
    const found: string[] = [];
    const readPage = ({ after }: TrashQuery) => {
      queries.push(after?.id);
      const id = after === undefined ? "a" : "b";
      return Promise.resolve({ entries: [entry(id)], more: id === "a" });
    };
    for await (const page of readTrashPages(readPage, isStopping)) {
      found.push(...page.map(({ id }) => id));
    }
    return found;
  };
  assertEquals(await read(() => false), ["a", "b"]);
  assertEquals(await read(() => queries.length === 3), ["a"]);
  assertEquals(queries, [undefined, "a", undefined]);
});
