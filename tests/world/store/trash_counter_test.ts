import { assertEquals } from "../../support/assert.ts";
import { readTrashPages, TrashCounter } from "../../../lib/world/store/trash_counter.ts";
import type { TrashQuery } from "../../../lib/world/trash.ts";

const world = (name: string) => ({ id: name, name, by: "T2", bytes: 10 });

Deno.test("TrashCounter counts what moves to the trash and what leaves it, and tells listeners", () => {
  const told: string[] = [];
  const counter = new TrashCounter({
    onAdded: ({ name }) => told.push(`added ${name}`),
    onTaken: ({ name }) => told.push(`taken ${name}`),
  });
  counter.setSize({ entries: 1, bytes: 5 });
  counter.recordAdded(world("a"));
  assertEquals(counter.counts, { entries: 2, bytes: 15, expired: 0 });
  counter.recordTaken([world("a"), world("b"), world("c")], 20);
  counter.recordExpired(2);
  assertEquals(counter.counts, { entries: 0, bytes: 0, expired: 2 });
  assertEquals(told, ["added a", "taken a", "taken b", "taken c"]);
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
