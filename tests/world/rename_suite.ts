/** Tests of renames that apply to every engine. */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import type { Change, Store } from "../../lib/world/store.ts";
import { append, type Engine, put, readText, textOf } from "./store_fixture.ts";

function rename(store: Store, name: string, to: string, more = {}) {
  return store.rename({ name, to, ext: "txt", by: "T3", ...more });
}

/** Registers the tests for an implementation. */
export function renameSuite({ name: engine, withStore }: Engine): void {
  for (const cacheBytes of [0, 1_000_000]) {
    const where = cacheBytes === 0 ? "on disk" : "in memory";
    Deno.test(
      `${engine} keeps history, chain and metadata of a renamed world ${where}`,
      () =>
        withStore({ cacheBytes }, async ({ store, reopen }) => {
          const meta = [["x-meta-a", "1"]] as const;
          await put(store, "home/a", "one");
          await put(store, "home/a", "two", { meta, ext: "md" });
          const before = await store.log("home/a", { limit: 10 });
          const written = await rename(store, "home/a", "var/deep/b", { ext: "html" });
          assertEquals([written.version, written.ext, written.created], [3, "html", true]);
          for (const again of [false, true]) {
            const at = again ? await reopen() : store;
            assertEquals([await at.read("home/a"), at.stat("home/a")], [undefined, undefined]);
            assertEquals(at.isCollection("home"), false);
            const world = await at.read("var/deep/b");
            assertEquals([world?.version, world?.ext, world?.meta], [3, "html", meta]);
            assertEquals(await readText(at, "var/deep/b"), "two");
            assertEquals(textOf(await at.readAt("var/deep/b", 1)), "one");
            assertEquals((await at.readAt("var/deep/b", 2)).ext, "md");
            const log = await at.log("var/deep/b", { limit: 10 });
            assertEquals(log.slice(1), before);
            assertEquals(log[0]?.type, "world_moved");
            const payload = { ...Object(log[0]?.payload) };
            assertEquals([payload.from, payload.to, payload.by], ["/home/a", "/var/deep/b", "T3"]);
            assertEquals((await at.audit("var/deep/b")).ok, true);
          }
        }),
    );
  }

  Deno.test(`${engine} refuses to rename a missing world, or to an existing name`, () =>
    withStore({ lower: { "usr/low": "low" } }, async ({ store }) => {
      await put(store, "home/a", "a");
      await put(store, "home/b", "b");
      const code = (promise: Promise<unknown>, name: string) =>
        assertRejects(promise, { name: "StoreError", code: name });
      await code(rename(store, "home/a", "home/b"), "precondition");
      await code(rename(store, "home/a", "usr/low"), "precondition");
      for (const more of [{}, { replace: true }, { contentOnly: true }]) {
        await code(rename(store, "home/a", "home/a", more), "precondition");
      }
      await code(rename(store, "usr/low", "home/c"), "lower");
      await code(rename(store, "home/none", "home/c"), "absent");
      const precondition = { match: [{ version: 7 }] };
      await code(rename(store, "home/a", "home/c", { precondition }), "precondition");
      assertEquals(await readText(store, "home/a"), "a");
      assertEquals(await readText(store, "home/b"), "b");
      assertEquals(await store.read("home/c"), undefined);
      assertEquals((await put(store, "home/a", "still")).version, 2);
    }));

  Deno.test(`${engine} shows a lower-layer world again after the world that covered it is renamed`, () =>
    withStore({ lower: { "usr/low": "low" } }, async ({ store, reopen }) => {
      await put(store, "usr/low", "high");
      await rename(store, "usr/low", "home/high");
      for (const again of [false, true]) {
        const at = again ? await reopen() : store;
        assertEquals(await readText(at, "usr/low"), "low");
        assertEquals(await readText(at, "home/high"), "high");
      }
    }));

  Deno.test(`${engine} notifies watchers of the old and of the new name`, () =>
    withStore({}, async ({ store }) => {
      await put(store, "home/a", "a");
      const changes: [Change["kind"], string, number][] = [];
      store.watch("/", ({ kind, name, version }) => void changes.push([kind, name, version]));
      await rename(store, "home/a", "home/b");
      assertEquals(changes, [["update", "home/b", 2], ["delete", "home/a", 1]]);
    }));

  Deno.test(`${engine} keeps all changes during renames of their world`, () =>
    withStore({ history: { versions: 1000, bytes: 1e6 } }, async ({ store, reopen }) => {
      const names = ["home/a", "home/b", "etc/c"];
      let done = false;
      const added: string[] = [];
      async function add(writer: number): Promise<void> {
        for (let i = 0; !done || i < 20; i++) {
          const line = `${writer}.${i}\n`;
          const name = names[i % names.length] ?? "";
          await append(store, name, line);
          added.push(line);
        }
      }
      for (const name of names) await put(store, name, "");
      const writers = [0, 1, 2, 3].map(add);
      let moves = 0;
      for (let i = 0; i < 60; i++) {
        const [name = "", to = ""] = [names[i % 3], `home/kept${i}`];
        try {
          await rename(store, name, to);
          moves += 1;
        } catch (error) {
          assert(error instanceof Error && error.name === "StoreError", String(error));
        }
        await store.read(name);
        await put(store, `home/between${i % 2}`, "");
      }
      done = true;
      await Promise.all(writers);
      assert(moves > 20, `only ${moves} moves`);
      for (const again of [false, true]) {
        const at = again ? await reopen() : store;
        const lines: string[] = [];
        for (const { name } of await at.walk("")) {
          lines.push(...(await readText(at, name) ?? "").match(/.+\n/g) ?? []);
          assertEquals((await at.audit(name)).ok, true, name);
        }
        assertEquals(lines.sort(), added.toSorted());
      }
    }));

  Deno.test(`${engine} renames exactly one of several worlds to the same name`, () =>
    withStore({}, async ({ store }) => {
      const names = Array.from({ length: 8 }, (_, i) => `home/w${i}`);
      await Promise.all(names.map((name) => put(store, name, name)));
      const outcomes = await Promise.allSettled(names.map((name) => rename(store, name, "home/x")));
      assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
      assertEquals((await store.walk("home")).length, 8);
    }));
}
