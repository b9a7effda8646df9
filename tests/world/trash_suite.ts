/** Tests of the trash that apply to every engine. */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import type { Change, Restore, Store } from "../../lib/world/store.ts";
import { ALL_WORLDS, type Engine, put, textOf } from "./store_fixture.ts";

function restore(store: Store, trash: string, from: string, more: Partial<Restore> = {}) {
  return store.restore({ name: from, trash, from, by: "T3", ext: "txt", state: "", ...more });
}

async function textAt(store: Store, name: string, version?: number): Promise<string | undefined> {
  return textOf(await (version === undefined ? store.read(name) : store.readAt(name, version)));
}

/** Creates a world with two versions and deletes it. */
async function deleted(store: Store, name: string, by = "T3"): Promise<string> {
  await put(store, name, "one", { meta: [["x-meta-a", "1"]] });
  await put(store, name, "two", { meta: [["x-meta-a", "2"]] });
  return (await store.remove({ name, by })).trash;
}

/** Registers the tests for an implementation. */
export function trashSuite({ name: engine, withStore, isScattered = false }: Engine): void {
  Deno.test(`${engine} restores a deleted world with chain, history and metadata`, () =>
    withStore({}, async ({ store, reopen }) => {
      const trash = await deleted(store, "home/x");
      await put(store, "home/x", "later");
      await store.remove({ name: "home/x", by: "T3" });
      const changes: Change[] = [];
      store.watch("home/x", (change) => changes.push(change));
      const written = await restore(store, trash, "home/x");
      // The later world of the name used version 3.
      assertEquals([written.version, written.created], [4, true]);
      assertEquals(changes.map(({ kind, version, by }) => [kind, version, by]), [[
        "update",
        4,
        "T3",
      ]]);
      for (const again of [false, true]) {
        const at = again ? await reopen() : store;
        assertEquals(await textAt(at, "home/x"), "two");
        assertEquals(await textAt(at, "home/x", 1), "one");
        assertEquals((await at.read("home/x"))?.meta, [["x-meta-a", "2"]]);
        const log = await at.log("home/x", { limit: 10 });
        assertEquals(log.map(({ type }) => type), [
          "world_restored",
          "world_deleted",
          "stage_written",
          "stage_written",
        ]);
        const { trash: id, by, version_after, op } = { ...Object(log[0]?.payload) };
        assertEquals([id, by, version_after, op], [trash, "T3", 4, "restore"]);
        assertEquals((await at.audit("home/x")).ok, true);
        assertEquals(await at.findTrash(trash), []);
      }
    }));

  Deno.test(`${engine} restores a deleted world under another name`, () =>
    withStore({}, async ({ store }) => {
      const trash = await deleted(store, "home/x");
      await put(store, "home/x", "a");
      await put(store, "home/x", "b");
      await put(store, "home/y", "y");
      await put(store, "home/y", "y2");
      await store.remove({ name: "home/y", by: "T3" });
      const written = await restore(store, trash, "home/x", { name: "home/y", ext: "md" });
      // home/x has used version 4.
      assertEquals([written.version, written.ext], [5, "md"]);
      const log = await store.log("home/y", { limit: 2 });
      assertEquals(log.map(({ type }) => type), ["world_restored", "world_moved"]);
      assertEquals({ ...Object(log[0]?.payload) }.from, "/home/x");
      assertEquals((await store.audit("home/y")).ok, true);
      assertEquals(await textAt(store, "home/x"), "b");
      assertEquals((await store.audit("home/x")).ok, true);
      const within = [{ name: "home", part: "below", restricted: false }] as const;
      const { events } = await store.changes({ within, order: "newest", limit: 2 });
      assertEquals(events.map(({ name, type, also }) => [name, type, also]), [
        ["home/y", "world_restored", undefined],
        ["home/y", "world_moved", "home/x"],
      ]);
    }));

  Deno.test(`${engine} refuses a restore over a world, of an unknown id and of another name`, () =>
    withStore({ lower: { "usr/a": "lower" } }, async ({ store }) => {
      const trash = await deleted(store, "home/x");
      await put(store, "home/x", "new");
      const fails = (promise: Promise<unknown>, code: string) =>
        assertRejects(promise, { name: "StoreError", code });
      await fails(restore(store, trash, "home/x"), "precondition");
      await fails(restore(store, trash, "home/x", { name: "usr/a" }), "precondition");
      await fails(restore(store, trash, "home/y"), "absent");
      await fails(restore(store, "20260101T000000000Z-000000000000", "home/y"), "absent");
      const precondition = { match: "*" } as const;
      await fails(
        restore(store, trash, "home/x", { name: "home/z", precondition }),
        "precondition",
      );
      assertEquals(await textAt(store, "home/x"), "new");
      assertEquals((await store.findTrash(trash)).length, 1);
    }));

  Deno.test(`${engine} restores a world that covered one of the lower layer`, () =>
    withStore({ lower: { "usr/a": "lower" } }, async ({ store }) => {
      const trash = await deleted(store, "usr/a");
      assertEquals(await textAt(store, "usr/a"), "lower");
      const written = await restore(store, trash, "usr/a");
      assertEquals([written.version, written.created], [3, false]);
      assertEquals(await textAt(store, "usr/a"), "two");
      assertEquals((await store.audit("usr/a")).ok, true);
    }));

  Deno.test(`${engine} changes the state of a restored plugin source and records it`, () =>
    withStore({}, async ({ store }) => {
      await put(store, "lib/p", "source", { state: "pending" });
      await store.transition({ name: "lib/p", to: "active", by: "T3" });
      const { trash } = await store.remove({ name: "lib/p", by: "T3" });
      const written = await restore(store, trash, "lib/p", { state: "pending", ext: "ts" });
      assertEquals(written.state, "pending");
      const [event] = await store.log("lib/p", { limit: 1 });
      const { from, to, reason } = { ...Object(event?.payload) };
      assertEquals([event?.type, from, to, reason], [
        "state_transition",
        "active",
        "pending",
        "restored",
      ]);
      assertEquals((await store.audit("lib/p")).ok, true);
    }));

  Deno.test(`${engine} restores one entry once, however many callers ask`, () =>
    withStore({}, async ({ store }) => {
      const trash = await deleted(store, "home/x");
      const names = ["home/a", "home/b", "home/x"];
      const done = await Promise.allSettled(
        names.map((name) => restore(store, trash, "home/x", { name })),
      );
      assertEquals(done.filter(({ status }) => status === "fulfilled").length, 1);
      const found = await Promise.all(names.map((name) => store.read(name)));
      assertEquals(found.filter((world) => world !== undefined).length, 1);
    }));

  Deno.test(`${engine} lists the trash newest first in pages, by the parts of a query`, () =>
    withStore({}, async ({ store, reopen }) => {
      const ids: string[] = [];
      for (const name of ["home/a", "home/t/1", "home/t/2", "home/t2", "etc/x"]) {
        ids.push(await deleted(store, name, `cap:${name}`));
        // What is deleted in the same millisecond has no order.
        const end = Date.now();
        while (Date.now() === end) await new Promise((resume) => setTimeout(resume, 1));
      }
      for (const again of [false, true]) {
        const at = again ? await reopen() : store;
        const all = await at.listTrash({ within: ALL_WORLDS, limit: 10 });
        assertEquals(all.entries.map(({ id }) => id), ids.toReversed());
        assertEquals(all.more, false);
        const [newest] = all.entries;
        assertEquals([newest?.name, newest?.version, newest?.by, newest?.ext], [
          "etc/x",
          2,
          "cap:etc/x",
          "txt",
        ]);
        assert((newest?.bytes ?? 0) > 0);
        const names = async (query: Parameters<Store["listTrash"]>[0]["within"]) =>
          (await at.listTrash({ within: query, limit: 10 })).entries.map(({ name }) => name);
        const restricted = false;
        assertEquals(await names([{ name: "home/t", part: "tree", restricted }]), [
          "home/t/2",
          "home/t/1",
        ]);
        assertEquals(await names([{ name: "home/t2", part: "exact", restricted }]), ["home/t2"]);
        assertEquals(await names([{ name: "home/a", part: "below", restricted }]), []);
        assertEquals(await names([]), []);
        const first = await at.listTrash({ within: ALL_WORLDS, limit: 2 });
        assertEquals(first.more, true);
        const last = first.entries[1];
        assert(last !== undefined);
        const next = await at.listTrash({ within: ALL_WORLDS, limit: 3, after: last });
        assertEquals([...first.entries, ...next.entries], all.entries);
        assertEquals(next.more, false);
      }
    }));

  Deno.test(`${engine} deletes a world in the trash for good, and counts the trash`, () =>
    withStore({}, async ({ store }) => {
      await store.listTrash({ within: ALL_WORLDS, limit: 1 }); // the trash has been measured
      const [a, b] = [await deleted(store, "home/a"), await deleted(store, "home/b")];
      const { entries, bytes } = store.counts.trash;
      assert(isScattered || entries === 2 && bytes > 0);
      const gone = await store.expunge(a);
      assertEquals(gone.map(({ id, name }) => [id, name]), [[a, "home/a"]]);
      assertEquals([await store.expunge(a), await store.expunge("../x")], [[], []]);
      assertEquals(await store.findTrash(a), []);
      assertEquals((await store.listTrash({ within: ALL_WORLDS, limit: 9 })).entries.length, 1);
      if (!isScattered) assertEquals(store.counts.trash.entries, 1);
      await restore(store, b, "home/b");
      if (!isScattered) assertEquals(store.counts.trash.entries, 0);
      // The numbering of the name continues.
      assertEquals((await put(store, "home/a", "new")).version, 3);
    }));
}
