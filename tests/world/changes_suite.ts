/** Tests of the changes of all worlds in one order that apply to every engine. */

import { assert, assertEquals } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import type { ChangePage, ChangeQuery, Within } from "../../lib/world/changes.ts";
import type { Published, Store } from "../../lib/world/store.ts";
import {
  append,
  assertFails,
  type Engine,
  OPEN_WORLDS,
  patch,
  put,
  type StoreFixture,
  type SuiteOptions,
} from "./store_fixture.ts";

const OPTIONS: SuiteOptions = { isRestricted: (name) => name.startsWith("boot/") };

function read(store: Store, query: Partial<ChangeQuery> = {}): Promise<ChangePage> {
  return store.changes({ within: OPEN_WORLDS, order: "oldest", limit: 100, ...query });
}

/** Waits until the order has a number of events. */
async function waitForEvents(store: Store, count: number): Promise<ChangePage> {
  return await eventually(async () => {
    const page = await read(store);
    return page.events.length >= count ? page : undefined;
  }, `${count} events in the order of all changes`);
}

/** Returns the name, the type and the id of each event. */
function rowsOf({ events }: ChangePage): string[] {
  return events.map(({ name, type, id }) => `${name} ${type} ${id}`);
}

/** Registers the tests for an engine. */
export function changesSuite({ name: engine, withStore }: Engine): void {
  function promise(sentence: string, use: (fixture: StoreFixture) => Promise<void>): void {
    Deno.test(`${engine} ${sentence}`, () => withStore(OPTIONS, use));
  }

  promise("lists the events of all worlds in the order of their changes", async ({ store }) => {
    await put(store, "home/a", "1");
    await put(store, "home/b/c", "1");
    await append(store, "home/a", "2");
    await patch(store, "home/a", '{"append":"3"}');
    await store.rename({ name: "home/a", to: "etc/d", ext: "txt", by: "T3" });
    await store.remove({ name: "home/b/c", by: "T3" });
    await store.note({ name: "etc/d", by: "T3", type: "checked", payload: { why: "x" } });
    await store.transition({ name: "etc/d", to: "seen", by: "T3" });
    const page = await waitForEvents(store, 8);
    assertEquals(rowsOf(page), [
      "home/a stage_written 1",
      "home/b/c stage_written 1",
      "home/a stage_appended 2",
      "home/a stage_written 3",
      "etc/d world_moved 4",
      "home/b/c world_deleted 2",
      "etc/d checked 5",
      "etc/d state_transition 6",
    ]);
    assertEquals(page.events[4]?.also, "home/a");
    assertEquals(page.events[6]?.payload, { why: "x", by: "T3" });
    for (const { name, id, type, timestamp } of page.events) {
      const now = name.startsWith("home/a") ? "etc/d" : name;
      if (now !== "etc/d") continue;
      const [event] = await store.log(now, { before: id + 1, limit: 1 });
      assertEquals([event?.type, event?.timestamp], [type, timestamp]);
    }
    const newest = await read(store, { order: "newest", limit: 2 });
    assertEquals(rowsOf(newest), ["etc/d state_transition 6", "etc/d checked 5"]);
    assertEquals(newest.more, true);
    const next = await read(store, { order: "newest", limit: 2, from: newest.cursor });
    assertEquals(rowsOf(next), ["home/b/c world_deleted 2", "etc/d world_moved 4"]);
  });

  promise("returns pages that together have each event once", async ({ store }) => {
    const names = ["home/a", "home/b", "home/c"];
    await Promise.all(Array.from({ length: 60 }, (_, i) => append(store, names[i % 3] ?? "", "x")));
    const all = await waitForEvents(store, 60);
    for (const order of ["oldest", "newest"] as const) {
      const found: string[] = [];
      for (let from: string | undefined, more = true; more;) {
        const page = await read(store, {
          order,
          limit: 7,
          ...(from === undefined ? {} : { from }),
        });
        found.push(...rowsOf(page));
        ({ cursor: from, more } = page);
      }
      assertEquals(order === "oldest" ? found : found.reverse(), rowsOf(all), order);
    }
    // The events of one world are in the order of its chain.
    for (const name of names) {
      const ids = all.events.filter((event) => event.name === name).map(({ id }) => id);
      assertEquals(ids, Array.from({ length: 20 }, (_, i) => i + 1));
    }
  });

  promise(
    "begins a page of changes with the event at its position on request",
    async ({ store }) => {
      for (const text of ["1", "2", "3"]) await append(store, "home/a", text);
      const all = await waitForEvents(store, 3);
      const from = all.events[1]?.cursor ?? "";
      const after = await read(store, { from });
      assertEquals(after.events.map(({ id }) => id), [3]);
      for (const query of [{}, { by: "T2" }]) {
        const page = await read(store, { from, isInclusive: true, ...query });
        assertEquals(page.events.map(({ id }) => id), [2, 3]);
        assertEquals(page.cursor, after.cursor);
      }
      const parts = [{ name: "home/b", part: "exact", restricted: false }] as const;
      assertEquals((await read(store, { from, isInclusive: true, within: parts })).events, []);
    },
  );

  promise("limits a page of changes to parts of the tree; a move is in both", async ({ store }) => {
    await put(store, "home/a/x", "1");
    await put(store, "home/b", "1");
    await put(store, "boot/log", "1");
    await store.rename({ name: "home/a/x", to: "var/y", ext: "txt", by: "T3" });
    await waitForEvents(store, 3);
    const within = (name: string, restricted = false, part: Within["part"] = "tree") => [
      { name, part, restricted },
    ];
    const rows = async (parts: readonly Within[]) => rowsOf(await read(store, { within: parts }));
    const moved = "var/y world_moved 2";
    assertEquals(await rows(within("home/a")), ["home/a/x stage_written 1", moved]);
    assertEquals(await rows(within("var")), [moved]);
    assertEquals(await rows(within("var/y", false, "exact")), [moved]);
    assertEquals(await rows(within("var/y", false, "below")), []);
    assertEquals(await rows(within("boot")), []);
    assertEquals(await rows(within("boot", true)), ["boot/log stage_written 1"]);
    assertEquals((await rows(within("", true))).length, 4);
    assertEquals((await rows(within(""))).length, 3);
    assertEquals((await rows([...within("home/a"), ...within("home")])).length, 3);
    assertEquals(await rows([]), []);
  });

  promise("filters changes by caller and time", async ({ store }) => {
    await put(store, "home/a", "1", { by: "cap:/home#k" });
    await put(store, "home/a", "2", { by: "cap:/home#k/junior" });
    await put(store, "home/a", "3", { by: "cap:/home#kk" });
    const { events } = await waitForEvents(store, 3);
    const ids = async (by: string) => (await read(store, { by })).events.map(({ id }) => id);
    assertEquals(await ids("cap:/home#k"), [1]);
    assertEquals(await ids("cap:/home#k/*"), [1, 2]);
    const since = events[2]?.timestamp ?? "";
    const later = await read(store, { since });
    assert(later.events.length >= 1 && later.events.every(({ timestamp }) => timestamp >= since));
    assertEquals((await read(store, { since: "9999-01-01T00:00:00.000Z" })).events, []);
  });

  promise(
    "keeps the cursors of changes after reopening and refuses unknown ones",
    async (fixture) => {
      await put(fixture.store, "home/a", "1");
      const { cursor } = await waitForEvents(fixture.store, 1);
      const store = await fixture.reopen();
      assertEquals((await read(store, { from: cursor })).events, []);
      await put(store, "home/a", "2");
      await waitForEvents(store, 2);
      assertEquals((await read(store, { from: cursor })).events.length, 1);
      for (const unknown of ["7-00000001", "A".repeat(22), "x", "now"]) {
        await assertFails(read(store, { from: unknown }), "gone");
      }
    },
  );

  promise("tells followers of each change when its cursor can be used", async ({ store }) => {
    const seen: Published[] = [];
    const stop = store.follow("home/", (published) => seen.push(published));
    await put(store, "home/a", "1");
    await put(store, "home/a", "2");
    await store.note({ name: "home/a", by: "T3", type: "checked", payload: {} });
    await put(store, "etc/x", "1");
    await waitForEvents(store, 4);
    await eventually(
      () => Promise.resolve(seen.length === 3 || undefined),
      "followers are told of three changes",
    );
    assertEquals(seen.map(({ change }) => change?.version), [1, 2, undefined]);
    assertEquals(rowsOf(await read(store, { from: seen[1]?.cursor ?? "" })), [
      "home/a checked 3",
      "etc/x stage_written 1",
    ]);
    stop();
    await put(store, "home/a", "3");
    await waitForEvents(store, 5);
    assertEquals(seen.length, 3);
  });
}
