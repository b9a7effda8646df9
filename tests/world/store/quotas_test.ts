/** Quotas of a store: every kind of change, changes that run at the same time, and the list itself. */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { QuotaError } from "../../../lib/world/quota_list.ts";
import type { AttachedWorlds } from "../../../lib/world/quota.ts";
import { type Put, type Store, StoreError } from "../../../lib/world/store.ts";
import { openStore, putText } from "../../testdata/sqlite_store.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function withQuotas(
  list: string,
  use: (store: Store, data: string) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (data) => {
    const store = await openStore(data);
    try {
      await putText(store, "etc/quota", list, { by: "T3" });
      await use(store, data);
    } finally {
      await store.close();
    }
  });
}

function append(store: Store, name: string, text: string, by = "T2") {
  return store.append({ name, body: encode(text), ext: "txt", by });
}

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

Deno.test("a quota limits puts, appends and edits, and counts overwrites by their difference", () =>
  withQuotas("prefix:/home/q bytes:20 worlds:3", async (store) => {
    await putText(store, "home/q/a", "0123456789");
    await append(store, "home/q/a", "01234");
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 1 15"]);
    await assertRefused(putText(store, "home/q/b", "012345"));
    await assertRefused(append(store, "home/q/a", "012345"), "too-large");
    await assertRefused(putText(store, "home/q/b", "x".repeat(21)), "too-large");
    await putText(store, "home/q/b", "01234");
    await assertRefused(append(store, "home/q/b", "0"));
    // Shorter, equally long, and the same name with less.
    await putText(store, "home/q/a", "0123456789abcde");
    await putText(store, "home/q/a", "0");
    await putText(store, "home/q/c", "0");
    await assertRefused(putText(store, "home/q/d", ""));
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 3 7"]);
    // An edit that grows more than it sends.
    const edit = (text: string) => ({
      name: "home/q/b",
      by: "T2",
      meta: [],
      edit: { format: "application/json", body: encode(text) } as const,
    });
    await putText(store, "home/q/b", "aaaaa");
    const grow = `{"edits":[{"find":"aaaaa","replace":"${"b".repeat(18)}"}]}`;
    await store.patch(edit(grow));
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 3 20"]);
    const long = `{"edits":[{"find":"${"b".repeat(18)}","replace":"${"b".repeat(19)}"}]}`;
    await assertRefused(store.patch(edit(long)));
    await store.patch(edit(`{"edits":[{"find":"${"b".repeat(18)}","replace":"b"}]}`));
    await store.patch(edit(`{"edits":[{"find":"b","replace":"${"b".repeat(18)}"}]}`));
    assertEquals(store.counts.quotas.rules, 1);
    assertEquals(store.counts.quotas.full, 1);
    // Deletes are always possible, and make room.
    await store.remove({ name: "home/q/b", by: "T2" });
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 2"]);
    assertEquals(store.counts.quotas.full, 0);
    assert(store.counts.quotas.refused.bytes >= 3 && store.counts.quotas.refused.size === 2);
    assertEquals(store.counts.quotas.refused.worlds, 1);
  }));

Deno.test("a quota limits moves between prefixes, and none inside it", () =>
  withQuotas("prefix:/home/q bytes:10 worlds:2\nprefix:/home/q/in bytes:5", async (store) => {
    await putText(store, "home/q/a", "0123456789");
    await putText(store, "home/out", "01");
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

Deno.test("a quota limits restores from the trash by the length of their content", () =>
  withQuotas("prefix:/home/q bytes:10", async (store) => {
    await putText(store, "home/q/a", "01234567");
    const { trash } = await store.remove({ name: "home/q/a", by: "T2" });
    await putText(store, "home/q/b", "012");
    const change = { name: "home/q/a", from: "home/q/a", trash, by: "T2", ext: "txt", state: "" };
    await assertRefused(store.restore(change));
    // A new world of the old name does not make room for one that is restored under another name.
    await putText(store, "home/q/a", "0123456");
    await assertRefused(store.restore({ ...change, name: "home/q/c" }));
    await store.remove({ name: "home/q/a", by: "T2" });
    await putText(store, "home/q/b", "01");
    await store.restore(change);
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 10"]);
  }));

Deno.test("changes at the same time do not exceed a quota together", () =>
  withQuotas("prefix:/home/q bytes:50 worlds:8", async (store) => {
    const done = await Promise.allSettled([
      ...Array.from({ length: 20 }, (_, i) => putText(store, `home/q/${i}`, "0123456789")),
      ...Array.from({ length: 20 }, () => append(store, "home/q/log", "01234")),
    ]);
    const sum = store.quotas("home/q/x", "")[0]?.used;
    assertEquals(sum?.bytes, 50);
    assertEquals(done.filter(({ status }) => status === "fulfilled").length >= 5, true);
    const real = (await store.walk("home/q")).reduce((bytes, { len }) => bytes + len, 0);
    assertEquals(real, 50);
    // Shrink, delete and grow at the same time.
    const names = (await store.walk("home/q")).map(({ name }) => name);
    for (let round = 0; round < 5; round++) {
      await Promise.allSettled(names.flatMap((name) => [
        putText(store, name, ""),
        store.remove({ name, by: "T2" }),
        putText(store, name, "x".repeat(30)),
        append(store, name, "x".repeat(20)),
        rename(store, name, `${name}-moved-${round}`),
        putText(store, `${name}-${round}`, "x".repeat(10)),
      ]));
      const worlds = await store.walk("home/q");
      const bytes = worlds.reduce((all, { len }) => all + len, 0);
      assert(bytes <= 50 && worlds.length <= 8, `${worlds.length} worlds, ${bytes} bytes`);
      assertEquals(used(store, "home/q/x"), [`prefix:/home/q ${worlds.length} ${bytes}`]);
    }
  }));

Deno.test("a quota of a caller counts what it changed last, and what was narrowed from it", () =>
  withQuotas("name:k bytes:10\nuser:ada worlds:1\nplugin:p bytes:3", async (store) => {
    const [own, narrowed] = ["cap:/home/t#k", "cap:/home/t/a#k/j"];
    await putText(store, "home/t/1", "012345", { by: own });
    await assertRefused(putText(store, "home/t/a/2", "01234", { by: narrowed }));
    await putText(store, "home/t/a/2", "0123", { by: narrowed });
    // A holder of another capability cannot charge it, and a change by another caller frees it.
    await putText(store, "home/t/3", "0123456789", { by: "cap:/home/t#j/k" });
    await putText(store, "home/t/1", "012345", { by: "T2" });
    assertEquals(used(store, "home/t/x", own), ["name:k 1 4"]);
    // A world of another caller counts whole for the one that appends to it.
    await assertRefused(append(store, "home/t/1", "0", own));
    await assertRefused(append(store, "home/t/3", "0", own), "too-large");
    await putText(store, "home/t/u", "1", { by: "user:ada" });
    await assertRefused(putText(store, "home/t/v", "1", { by: "user:ada" }));
    await assertRefused(rename(store, "home/t/3", "home/t/w", "user:ada"));
    await rename(store, "home/t/u", "home/t/w", "user:ada");
    await assertRefused(putText(store, "home/t/p", "0123", { by: "plugin:p" }), "too-large");
  }));

Deno.test("empty collections count as worlds of the path", () =>
  withQuotas("prefix:/home/q worlds:2\nuser:ada worlds:1", async (store) => {
    const made = { by: "T2" };
    await store.markCollection("home/q/a", true, made);
    await store.markCollection("home/q/b", true, made);
    await assertRefused(store.markCollection("home/q/c", true, made));
    await assertRefused(putText(store, "home/q/x", ""));
    // A move inside the prefix adds nothing, and the parent of a deleted world is kept.
    await store.markCollection("home/q/d", true, { by: "T2", from: "home/q/a" });
    await store.markCollection("home/q/a", false);
    await store.markCollection("home/q/e", true);
    await store.markCollection("home/q/e", false);
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 0"]);
    await putText(store, "home/u", "", { by: "user:ada" });
    await assertRefused(store.markCollection("home/other", true, { by: "user:ada" }));
  }));

Deno.test("a new list counts what is stored, and a quota below that refuses only what adds", () =>
  withQuotas("prefix:/home/q bytes:100", async (store) => {
    await putText(store, "home/q/a", "x".repeat(40));
    await putText(store, "etc/quota", "prefix:/home/q bytes:10\nprefix:/home bytes:1TiB");
    assertEquals(used(store, "home/q/x"), ["prefix:/home 1 40", "prefix:/home/q 1 40"]);
    await putText(store, "home/q/a", "x".repeat(39));
    await assertRefused(putText(store, "home/q/b", "x"));
    await putText(store, "home/other", "x".repeat(100));
    await assertRejects(putText(store, "etc/quota", "prefix:/home/q"), { code: "invalid" });
    await assertRejects(
      rename(store, "home/other", "etc/quota", "T3"),
      { code: "invalid" },
    );
    await store.remove({ name: "etc/quota", by: "T3" });
    await putText(store, "home/q/b", "x".repeat(1000));
    assertEquals(store.counts.quotas.rules, 0);
  }));

Deno.test("the list and the sums are there again after a restart", () =>
  withTempFolder(async (data) => {
    const first = await openStore(data);
    await putText(first, "etc/quota", "prefix:/home/q bytes:10", { by: "T3" });
    await putText(first, "home/q/a", "01234567");
    await first.markCollection("home/q/c", true);
    await first.close();
    // The catalog is derived data: without it, the lengths are read again before the next change.
    for (const lost of [false, true]) {
      if (lost) await Deno.remove(`${data}/.catalog.db`).catch(() => {});
      const store = await openStore(data);
      try {
        await assertRefused(putText(store, "home/q/b", "012"));
        assertEquals(used(store, "home/q/x"), ["prefix:/home/q 2 8"]);
      } finally {
        await store.close();
      }
    }
  }));

Deno.test("nothing is added while the trash of a quota is full, also after a restart", () =>
  withTempFolder(async (data) => {
    const list = "prefix:/home/q trash:100KiB\nuser:ada bytes:1MiB trash:1";
    let store = await openStore(data);
    const refused = async (change: Promise<unknown>) => {
      const error = await change.then(() => undefined, (thrown) => thrown);
      assert(error instanceof QuotaError && error.fault.unit === "trash", `${error}`);
      assertEquals(error.code, "quota");
      assertMatch(
        error.message,
        /^the trash of prefix:\/home\/q has the 102400 bytes of its quota/,
      );
    };
    const ids: string[] = [];
    const remove = async (name: string) => {
      ids.push((await store.remove({ name, by: "T2" })).trash);
    };
    try {
      await putText(store, "home/q/old", "x".repeat(30_000));
      await remove("home/q/old");
      await putText(store, "etc/quota", list, { by: "T3" });
      for (const name of ["a", "b", "c"]) {
        await putText(store, `home/q/${name}`, "y".repeat(30_000));
      }
      // Deletes are always possible; what was in the trash before the list counts, too.
      for (const name of ["a", "b"]) await remove(`home/q/${name}`);
      await refused(putText(store, "home/q/d", ""));
      await refused(append(store, "home/q/c", "z"));
      await putText(store, "home/q/c", "shorter");
      await putText(store, "home/elsewhere", "x");
      await refused(rename(store, "home/elsewhere", "home/q/e"));
      assertEquals(store.counts.quotas.refused.trash, 3);
      assertEquals(store.counts.quotas.full, 1);
      // A restore makes the trash smaller.
      const [first = "", ...rest] = ids.splice(0);
      const back = { name: "home/q/old", from: "home/q/old", trash: first, by: "T2", ext: "txt" };
      await store.restore({ ...back, state: "" });
      await remove("home/q/old");
      ids.push(...rest);
      await store.close();
      store = await openStore(data);
      await store.listTrash({ within: [], limit: 1 }); // known
      await eventually(() => Promise.resolve(store.counts.quotas.full === 1 || undefined), "full");
      await refused(putText(store, "home/q/d", ""));
      // Out of the trash: for good.
      for (const id of ids) await store.expunge(id);
      assertEquals(store.counts.quotas.full, 0);
      await putText(store, "home/q/d", "");
      // A world that a move replaces is one version of it; the source goes to the trash.
      await putText(store, "home/q/m", "m".repeat(60_000), { by: "user:ada" });
      await rename(store, "home/q/m", "home/q/d", "user:ada");
      assertEquals(store.counts.quotas.full, 1);
      await assertRefused(putText(store, "home/z", "", { by: "user:ada" }));
      const [entry] = (await store.listTrash({
        within: [{ part: "below", name: "", restricted: true }],
        limit: 9,
      })).entries;
      assertEquals([entry?.name, entry?.by], ["home/q/m", "user:ada"]);
      await store.expunge(entry?.id ?? "");
      assertEquals(store.counts.quotas.full, 0);
    } finally {
      await store.close();
    }
  }));

/** The content of an attached world is its owner. */
const ATTACHED: AttachedWorlds = {
  isAttached: ({ name, by }) => name.startsWith("var/at/") && (by === "at" || by === ""),
  ownerOf: ({ body }) => {
    const [name = "", by = ""] = new TextDecoder().decode(body).split(" ");
    return name === "" ? undefined : { name, by };
  },
};

function attach(store: Store, id: string, name: string, by: string, more: Partial<Put> = {}) {
  const body = encode(`${name} ${by}`);
  const owner = { name, by };
  return store.put({ name: `var/at/${id}`, body, ext: "txt", meta: [], by: "at", owner, ...more });
}

Deno.test("an attached world counts for its owner, as bytes, also after a restart", () =>
  withTempFolder(async (data) => {
    const first = await openStore(data, "k", [], ATTACHED);
    await attach(first, "1", "home/q/a", "user:ada");
    await putText(first, "etc/quota", "prefix:/home/q bytes:30 worlds:0\nuser:ada bytes:40", {
      by: "T3",
    });
    await attach(first, "2", "home/q/b", "T2");
    await first.close();
    for (const lost of [false, true]) {
      if (lost) await Deno.remove(`${data}/.catalog.db`);
      const store = await openStore(data, "k", [], ATTACHED);
      try {
        const steps: string[] = [];
        const before = () => Promise.resolve(void steps.push("before"));
        await assertRefused(attach(store, "3", "home/q/c", "T2", { before }));
        assertEquals(steps, []);
        assertEquals(used(store, "home/q/x", "user:ada"), [
          "prefix:/home/q 0 28",
          "user:ada 0 17",
        ]);
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
      } finally {
        await store.close();
      }
    }
    // Another caller's world of the same folder is an ordinary one.
    const store = await openStore(data, "k", [], ATTACHED);
    await putText(store, "var/at/1", "home/q/a T2", { by: "T3" });
    assertEquals(used(store, "home/q/x"), ["prefix:/home/q 0 11"]);
    await store.close();
  }));

Deno.test("a list that cannot be used at the start lets no change add anything", () =>
  withTempFolder(async (data) => {
    const first = await openStore(data);
    await putText(first, "etc/quota", "prefix:/home/q bytes:10", { by: "T3" });
    await putText(first, "home/q/a", "01");
    await first.close();
    const [folder] = [...Deno.readDirSync(data)].map(({ name }) => name)
      .filter((name) => name.includes("quota"));
    const file = new DatabaseSync(`${data}/${folder}/universe.db`);
    file.exec("UPDATE stage_meta SET stage_html = CAST('nonsense' AS BLOB)");
    file.close();
    const log: string[] = [];
    const store = await openStore(data, "k", log);
    try {
      const error = await putText(store, "home/elsewhere", "x").catch((thrown) => thrown);
      assert(error instanceof StoreError);
      assertMatch(error.message, /^\/etc\/quota cannot be used: line 1 /);
      assertEquals(error.code, "quota");
      assertMatch(log.join("\n"), /nothing can be added/);
      await store.remove({ name: "home/q/a", by: "T2" });
      await putText(store, "etc/quota", "prefix:/home/q bytes:1", { by: "T3" });
      await putText(store, "home/elsewhere", "x");
    } finally {
      await store.close();
    }
  }));
