/**
 * Tests of quotas that apply to every engine: every kind of change, changes that run at the same time,
 * the list, and attached worlds.
 */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { QuotaError } from "../../lib/world/quota_list.ts";
import type { AttachedWorlds } from "../../lib/world/quota.ts";
import type { Put, Store } from "../../lib/world/store.ts";
import { append, assertFails, beforeAndAfter, type Engine, patch, put } from "./store_fixture.ts";

const encoder = new TextEncoder();

function rename(store: Store, name: string, to: string, by = "T2") {
  return store.rename({ name, to, by, ext: "txt", replace: true });
}

async function assertRefused(change: Promise<unknown>, code = "quota"): Promise<void> {
  const error = await change.then(() => undefined, (thrown) => thrown);
  assert(error instanceof QuotaError, `expected a QuotaError: ${error}`);
  assertEquals(error.code, code, error.message);
}

/** Worlds and bytes that a rule has counted. */
function used(store: Store, name: string, by = ""): string[] {
  return store.quotas(name, by).map(({ subject, used }) =>
    `${subject} ${used.worlds} ${used.bytes}`
  );
}

/** The content of an attached world is its owner. */
const ATTACHED: AttachedWorlds = {
  isAttached: ({ name, by }) => name.startsWith("var/at/") && (by === "at" || by === ""),
  ownerOf: ({ body }) => {
    const [name = "", by = ""] = new TextDecoder().decode(body).split(" ");
    return name === "" ? undefined : { name, by };
  },
};

function attach(store: Store, id: string, name: string, by: string, more: Partial<Put> = {}) {
  const body = encoder.encode(`${name} ${by}`);
  const owner = { name, by };
  return store.put({ name: `var/at/${id}`, body, ext: "txt", meta: [], by: "at", owner, ...more });
}

/** Registers the tests for an engine. */
export function quotaSuite({ name: engine, withStore, isScattered = false }: Engine): void {
  function withQuotas(list: string, use: (store: Store) => Promise<void>): Promise<void> {
    return withStore({}, async ({ store }) => {
      await put(store, "etc/quota", list, { by: "T3" });
      await use(store);
    });
  }

  Deno.test(`${engine}: a quota limits puts, appends and edits, and counts overwrites by their difference`, () =>
    withQuotas("prefix:/home/q bytes:20 worlds:3", async (store) => {
      await put(store, "home/q/a", "0123456789");
      await append(store, "home/q/a", "01234");
      assertEquals(used(store, "home/q/x"), ["prefix:/home/q 1 15"]);
      await assertRefused(put(store, "home/q/b", "012345"));
      await assertRefused(append(store, "home/q/a", "012345"), "too-large");
      await assertRefused(put(store, "home/q/b", "x".repeat(21)), "too-large");
      await put(store, "home/q/b", "01234");
      await assertRefused(append(store, "home/q/b", "0"));
      // Shorter, equally long, and the same name with less.
      await put(store, "home/q/a", "0123456789abcde");
      await put(store, "home/q/a", "0");
      await put(store, "home/q/c", "0");
      await assertRefused(put(store, "home/q/d", ""));
      assertEquals(used(store, "home/q/x"), ["prefix:/home/q 3 7"]);
      // An edit that grows more than it sends.
      const edit = (text: string) => patch(store, "home/q/b", text);
      await put(store, "home/q/b", "aaaaa");
      const grow = `{"edits":[{"find":"aaaaa","replace":"${"b".repeat(18)}"}]}`;
      await edit(grow);
      assertEquals(used(store, "home/q/x"), ["prefix:/home/q 3 20"]);
      const long = `{"edits":[{"find":"${"b".repeat(18)}","replace":"${"b".repeat(19)}"}]}`;
      await assertRefused(edit(long));
      await edit(`{"edits":[{"find":"${"b".repeat(18)}","replace":"b"}]}`);
      await edit(`{"edits":[{"find":"b","replace":"${"b".repeat(18)}"}]}`);
      assertEquals(store.counts.quotas.rules, 1);
      assertEquals(store.counts.quotas.full, 1);
      // Deletes are always possible, and make room.
      await store.remove({ name: "home/q/b", by: "T2" });
      assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 2"]);
      assertEquals(store.counts.quotas.full, 0);
      if (isScattered) return;
      assert(store.counts.quotas.refused.bytes >= 3 && store.counts.quotas.refused.size === 2);
      assertEquals(store.counts.quotas.refused.worlds, 1);
    }));

  Deno.test(`${engine}: a quota limits moves between prefixes, and none inside it`, () =>
    withQuotas("prefix:/home/q bytes:10 worlds:2\nprefix:/home/q/in bytes:5", async (store) => {
      await put(store, "home/q/a", "0123456789");
      await put(store, "home/out", "01");
      await rename(store, "home/q/a", "home/q/b");
      await assertRefused(rename(store, "home/q/b", "home/q/in/b"), "too-large");
      await assertRefused(rename(store, "home/out", "home/q/c"));
      // It replaces more than it brings.
      await rename(store, "home/out", "home/q/b");
      assertEquals(used(store, "home/q/in/x"), ["prefix:/home/q 1 2", "prefix:/home/q/in 0 0"]);
      await rename(store, "home/q/b", "home/q/in/b");
      await rename(store, "home/q/in/b", "home/out");
      assertEquals(used(store, "home/q/in/x"), ["prefix:/home/q 0 0", "prefix:/home/q/in 0 0"]);
    }));

  Deno.test(`${engine}: a quota limits restores from the trash by the length of their content`, () =>
    withQuotas("prefix:/home/q bytes:10", async (store) => {
      await put(store, "home/q/a", "01234567");
      const { trash } = await store.remove({ name: "home/q/a", by: "T2" });
      await put(store, "home/q/b", "012");
      const change = { name: "home/q/a", from: "home/q/a", trash, by: "T2", ext: "txt", state: "" };
      await assertRefused(store.restore(change));
      // A new world of the old name does not make room for one that is restored under another name.
      await put(store, "home/q/a", "0123456");
      await assertRefused(store.restore({ ...change, name: "home/q/c" }));
      await store.remove({ name: "home/q/a", by: "T2" });
      await put(store, "home/q/b", "01");
      await store.restore(change);
      assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 10"]);
    }));

  // Each node reserves what its own changes need.
  if (!isScattered) {
    Deno.test(`${engine}: changes at the same time do not exceed a quota together`, () =>
      withQuotas("prefix:/home/q bytes:50 worlds:8", async (store) => {
        const done = await Promise.allSettled([
          ...Array.from({ length: 20 }, (_, i) => put(store, `home/q/${i}`, "0123456789")),
          ...Array.from({ length: 20 }, () => append(store, "home/q/log", "01234")),
        ]);
        assertEquals(store.quotas("home/q/x", "")[0]?.used.bytes, 50);
        assert(done.filter(({ status }) => status === "fulfilled").length >= 5);
        const real = (await store.walk("home/q")).reduce((bytes, { len }) => bytes + len, 0);
        assertEquals(real, 50);
        // Shrink, delete and grow at the same time.
        const names = (await store.walk("home/q")).map(({ name }) => name);
        for (let round = 0; round < 5; round++) {
          await Promise.allSettled(names.flatMap((name) => [
            put(store, name, ""),
            store.remove({ name, by: "T2" }),
            put(store, name, "x".repeat(30)),
            append(store, name, "x".repeat(20)),
            rename(store, name, `${name}-moved-${round}`),
            put(store, `${name}-${round}`, "x".repeat(10)),
          ]));
          const worlds = await store.walk("home/q");
          const bytes = worlds.reduce((all, { len }) => all + len, 0);
          assert(bytes <= 50 && worlds.length <= 8, `${worlds.length} worlds, ${bytes} bytes`);
          assertEquals(used(store, "home/q/x"), [`prefix:/home/q ${worlds.length} ${bytes}`]);
        }
      }));
  }

  Deno.test(`${engine}: a quota of a caller counts what it changed last, and what was narrowed from it`, () =>
    withQuotas("name:k bytes:10\nuser:ada worlds:1\nplugin:p bytes:3", async (store) => {
      const [own, narrowed] = ["cap:/home/t#k", "cap:/home/t/a#k/j"];
      await put(store, "home/t/1", "012345", { by: own });
      await assertRefused(put(store, "home/t/a/2", "01234", { by: narrowed }));
      await put(store, "home/t/a/2", "0123", { by: narrowed });
      // A holder of another capability cannot charge it, and a change by another caller frees it.
      await put(store, "home/t/3", "0123456789", { by: "cap:/home/t#j/k" });
      await put(store, "home/t/1", "012345", { by: "T2" });
      assertEquals(used(store, "home/t/x", own), ["name:k 1 4"]);
      // A world of another caller counts whole for the one that appends to it.
      await assertRefused(append(store, "home/t/1", "0", { by: own }));
      await assertRefused(append(store, "home/t/3", "0", { by: own }), "too-large");
      await put(store, "home/t/u", "1", { by: "user:ada" });
      await assertRefused(put(store, "home/t/v", "1", { by: "user:ada" }));
      await assertRefused(rename(store, "home/t/3", "home/t/w", "user:ada"));
      await rename(store, "home/t/u", "home/t/w", "user:ada");
      await assertRefused(put(store, "home/t/p", "0123", { by: "plugin:p" }), "too-large");
    }));

  Deno.test(`${engine}: empty collections count as worlds of the path`, () =>
    withQuotas("prefix:/home/q worlds:2\nuser:ada worlds:1", async (store) => {
      const made = { by: "T2" };
      await store.markCollection("home/q/a", true, made);
      await store.markCollection("home/q/b", true, made);
      await assertRefused(store.markCollection("home/q/c", true, made));
      await assertRefused(put(store, "home/q/x", ""));
      // A move inside the prefix adds nothing, and the parent of a deleted world is kept.
      await store.markCollection("home/q/d", true, { by: "T2", from: "home/q/a" });
      await store.markCollection("home/q/a", false);
      await store.markCollection("home/q/e", true);
      await store.markCollection("home/q/e", false);
      assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 0"]);
      await put(store, "home/u", "", { by: "user:ada" });
      await assertRefused(store.markCollection("home/other", true, { by: "user:ada" }));
    }));

  Deno.test(`${engine}: a new list counts what is stored, and a quota below that refuses only what adds`, () =>
    withQuotas("prefix:/home/q bytes:100", async (store) => {
      await put(store, "home/q/a", "x".repeat(40));
      await put(store, "etc/quota", "prefix:/home/q bytes:10\nprefix:/home bytes:1TiB");
      assertEquals(used(store, "home/q/x"), ["prefix:/home 1 40", "prefix:/home/q 1 40"]);
      await put(store, "home/q/a", "x".repeat(39));
      await assertRefused(put(store, "home/q/b", "x"));
      await put(store, "home/other", "x".repeat(100));
      await assertFails(put(store, "etc/quota", "prefix:/home/q"), "invalid");
      await assertFails(rename(store, "home/other", "etc/quota", "T3"), "invalid");
      await store.remove({ name: "etc/quota", by: "T3" });
      await put(store, "home/q/b", "x".repeat(1000));
      assertEquals(store.counts.quotas.rules, 0);
    }));

  Deno.test(`${engine}: quotas are the same after reopening`, () =>
    withStore({}, async (fixture) => {
      await put(fixture.store, "etc/quota", "prefix:/home/q bytes:10", { by: "T3" });
      await put(fixture.store, "home/q/a", "01234567");
      await fixture.store.markCollection("home/q/c", true);
      await beforeAndAfter(fixture, async (store) => {
        await assertRefused(put(store, "home/q/b", "012"));
        assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 8"]);
      });
    }));

  // A node reads the owners of worlds that other nodes have written shortly afterwards.
  if (isScattered) return;

  Deno.test(`${engine}: an attached world counts for its owner, as bytes, also after reopening`, () =>
    withStore({ attached: ATTACHED }, async (fixture) => {
      const list = "prefix:/home/q bytes:30 worlds:0\nuser:ada bytes:40";
      await attach(fixture.store, "1", "home/q/a", "user:ada");
      await put(fixture.store, "etc/quota", list, { by: "T3" });
      await attach(fixture.store, "2", "home/q/b", "T2");
      await beforeAndAfter(fixture, async (store) => {
        const steps: string[] = [];
        const before = () => Promise.resolve(void steps.push("before"));
        await assertRefused(attach(store, "3", "home/q/c", "T2", { before }));
        assertEquals(steps, []);
        const counted = ["prefix:/home/q 0 28", "user:ada 0 17"];
        assertEquals(used(store, "home/q/x", "user:ada"), counted);
        // It replaces another one, which is removed next.
        await attach(store, "4", "home/q/b", "T2", { before, from: "var/at/2" });
        await store.remove({ name: "var/at/2", by: "at" });
        await attach(store, "2", "home/q/b", "T2", { from: "var/at/4" });
        await store.remove({ name: "var/at/4", by: "at" });
        assertEquals(steps, ["before"]);
        // A failure of the step before is a failure of the write.
        const fail = () => Promise.reject(new Error("not now"));
        await assertRejects(
          () => attach(store, "1", "home/q/a", "T2", { before: fail }),
          /not now/,
        );
        assertEquals(used(store, "home/q/x"), ["prefix:/home/q 0 28"]);
      });
    }));
}
