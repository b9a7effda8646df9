/** Tests of idempotency keys in events that apply to every engine. */

import { assertEquals } from "../support/assert.ts";
import type { Store } from "../../lib/world/store.ts";
import {
  append,
  assertFails,
  beforeAndAfter,
  type Engine,
  patch,
  put,
  readText,
} from "./store_fixture.ts";

const CONTENT = "c".repeat(22);

function keyOf(letter: string): string {
  return letter.repeat(22);
}

function markOf(letter: string): string {
  return `${keyOf(letter)}.${CONTENT}`;
}

async function rowsOf(store: Store, letter: string, name = "home/a"): Promise<string[]> {
  return (await store.keyed(keyOf(letter), name)).map(({ name, id, type, payload }) =>
    `${name} ${id} ${type} ${Object(payload).idem === markOf(letter)}`
  );
}

/** Registers the tests for an engine. */
export function keyedSuite({ name: engine, withStore }: Engine): void {
  Deno.test(`${engine} finds the events of an idempotency key, also after reopening`, () =>
    withStore({}, async (fixture) => {
      const { store } = fixture;
      const idem = markOf("k");
      await put(store, "home/a", "1", { idem });
      await put(store, "home/a", "2");
      await append(store, "home/b", "3", { idem: markOf("o") });
      await append(store, "home/b", "4", { idem });
      await put(store, "home/d", "5");
      await store.remove({ name: "home/d", by: "T3", idem });
      await beforeAndAfter(fixture, async (of) => {
        assertEquals(await rowsOf(of, "k"), [
          "home/a 1 stage_written true",
          "home/b 2 stage_appended true",
          "home/d 2 world_deleted true",
        ]);
        assertEquals(await rowsOf(of, "o"), ["home/b 1 stage_appended true"]);
        assertEquals(await rowsOf(of, "n"), []);
        const [first] = await of.keyed(keyOf("k"), "home/a");
        assertEquals(Object(first?.payload).ext, "txt");
      });
    }));

  Deno.test(`${engine} finds the events of an idempotency key as soon as a change is acknowledged`, () =>
    withStore({}, async ({ store }) => {
      for (const letter of "abcdefgh") {
        await put(store, `home/${letter}`, letter, { idem: markOf(letter) });
        const name = `home/${letter}`;
        assertEquals(await rowsOf(store, letter, name), [`${name} 1 stage_written true`]);
      }
    }));

  Deno.test(`${engine} records the idempotency key of edits and restores`, () =>
    withStore({}, async (fixture) => {
      const { store } = fixture;
      await put(store, "home/a", "1");
      await patch(store, "home/a", '{"append":"2"}', { idem: markOf("p") });
      const { trash } = await store.remove({ name: "home/a", by: "T3" });
      await store.restore({
        name: "home/a",
        from: "home/a",
        trash,
        by: "T3",
        ext: "txt",
        state: "",
        idem: markOf("r"),
      });
      await beforeAndAfter(fixture, async (of) => {
        assertEquals(await rowsOf(of, "p"), ["home/a 2 stage_written true"]);
        assertEquals(await rowsOf(of, "r"), ["home/a 4 world_restored true"]);
      });
    }));

  Deno.test(`${engine} has no event of a change with an idempotency key that was refused`, () =>
    withStore({}, async ({ store }) => {
      await put(store, "home/a", "1");
      const precondition = { match: [{ version: 9 }] };
      const refused = [
        put(store, "home/a", "2", { idem: markOf("k"), precondition }),
        store.remove({ name: "home/none", by: "T3", idem: markOf("k") }),
      ];
      const results = await Promise.allSettled(refused);
      assertEquals(results.map(({ status }) => status), ["rejected", "rejected"]);
      assertEquals(await rowsOf(store, "k"), []);
    }));

  Deno.test(`${engine} refuses a second change of a world with one idempotency key if it is shared`, () =>
    withStore({}, async ({ store }) => {
      await put(store, "home/a", "1", { idem: markOf("k") });
      await put(store, "home/b", "1");
      // The route finds the event of the first try, if it looks after the second one was refused.
      assertEquals(await rowsOf(store, "k"), ["home/a 1 stage_written true"]);
      if (!store.isShared) return;
      await assertFails(append(store, "home/a", "2", { idem: markOf("k") }), "repeated");
      await assertFails(put(store, "home/a", "2", { idem: markOf("k") }), "repeated");
      assertEquals(await readText(store, "home/a"), "1");
      // Another world can be a part of the same request, and another key is another request.
      await append(store, "home/b", "2", { idem: markOf("k") });
      await append(store, "home/a", "2", { idem: markOf("o") });
      const tries = Array.from(
        { length: 8 },
        () => append(store, "home/c", "x", { idem: markOf("p") }),
      );
      const results = await Promise.allSettled(tries);
      assertEquals(results.filter(({ status }) => status === "fulfilled").length, 1);
      assertEquals(await readText(store, "home/c"), "x");
    }));
}
