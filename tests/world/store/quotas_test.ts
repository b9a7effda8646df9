/** Quotas of a store: every kind of change, changes that run at the same time, and the list itself. */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { QuotaError } from "../../../lib/world/quota_list.ts";
import type { AttachedWorlds } from "../../../lib/world/quota.ts";
import { Quotas } from "../../../lib/world/store/quotas.ts";
import { type Put, type Store, StoreError } from "../../../lib/world/store.ts";
import { openStore, putText } from "../../testdata/sqlite_store.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const encode = (text: string) => new TextEncoder().encode(text);

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

Deno.test("a list that could not be read at the start is read again, if the failure can end", async () => {
  const log: string[] = [];
  let isReachable = false;
  const list = "prefix:/home/q bytes:10";
  const listed = { name: "etc/quota", version: 1, ext: "txt", state: "", updatedAt: "" };
  const layer = "upper" as const;
  const entry = { ...listed, layer, len: list.length, by: "T3", head: 1, headAt: "" };
  const world = { ...listed, layer, body: encode(list), sha256: "", meta: [] };
  const quotas = new Quotas({
    upper: () => entry,
    uppers: () => [],
    lowerLength: () => 0,
    marks: () => [],
    indexed: () => undefined,
    read: () =>
      isReachable
        ? Promise.resolve(world)
        : Promise.reject(new StoreError("unreachable", "no database")),
    readTrash: async function* () {},
    log: (line) => void log.push(line),
  });
  await quotas.start();
  assertMatch(log.join(), /no database; until it is replaced or deleted, nothing can be added/);
  isReachable = true;
  while (quotas.counts.rules === 0) await new Promise((resume) => setTimeout(resume, 20));
  assertEquals(quotas.statesFor("home/q/a", "").map(({ subject }) => subject), ["prefix:/home/q"]);
});

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
      // No change waits until the trash from before the list has been read.
      const isFull = () => Promise.resolve(store.counts.quotas.full === 1 || undefined);
      await eventually(isFull, "full");
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
      await eventually(isFull, "full");
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
