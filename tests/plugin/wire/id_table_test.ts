import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { IdTable } from "../../../lib/plugin/wire/id_table.ts";

/** A generator of the same numbers in every run (linear congruential, Numerical Recipes). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
}

const by = (a: { id: number }, b: { id: number }): number => a.id - b.id;

Deno.test("IdTable.get() returns the same entries as a Map after adds and deletes", () => {
  // Consecutive ids, as this end assigns them, and ids that all map to one slot, as a hostile end can send.
  for (const step of [1, 64, 0x1_0000, 7]) {
    const table = new IdTable<{ id: number }>();
    const model = new Map<number, { id: number }>();
    const next = numbers(step);
    for (let turn = 0; turn < 5000; turn++) {
      const id = next() % 300 * step;
      if (next() % 2 === 0 && model.size < 200) {
        if (!model.has(id)) {
          const entry = { id };
          model.set(id, entry);
          table.add(entry);
        }
      } else {
        assertStrictEquals(table.delete(id), model.delete(id));
      }
      const other = next() % 300 * step;
      assertStrictEquals(table.get(other), model.get(other));
      assertStrictEquals(table.has(id), model.has(id));
      assertStrictEquals(table.size, model.size);
    }
    assertEquals(table.values().sort(by), [...model.values()].sort(by));
  }
});

Deno.test("IdTable.add() accepts ids at the limits of u32 and of i32", () => {
  const table = new IdTable<{ id: number }>();
  const ids = [0xffff_ffff, 0xffff_fffe, 0x8000_0000, 0x7fff_ffff, 0, 1, 63, 64, 127];
  for (const id of ids) table.add({ id });
  for (const id of ids) assertStrictEquals(table.get(id)?.id, id);
  assertEquals(table.get(2), undefined);
  for (const id of ids) assertEquals(table.delete(id), true);
  assertEquals(table.size, 0);
});

Deno.test("IdTable.values() returns a copy, so that entries can be deleted during iteration", () => {
  const table = new IdTable<{ id: number }>();
  for (let id = 1; id <= 100; id++) table.add({ id });
  let seen = 0;
  for (const { id } of table.values()) {
    assertEquals(table.delete(id), true);
    seen++;
  }
  assertEquals(seen, 100);
  assertEquals(table.size, 0);
});
