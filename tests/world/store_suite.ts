/** Tests of reads, changes, listings and watchers that apply to every engine. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import type { Change, Store } from "../../lib/world/store.ts";
import { createRandom } from "../support/random.ts";
import {
  append,
  assertFails,
  beforeAndAfter,
  type Engine,
  patch,
  put,
  readText,
  type StoreFixture,
  type SuiteOptions,
  textOf,
} from "./store_fixture.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Returns the code of the error of a promise, or `done`. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "done";
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
    throw error;
  }
}

/** Returns all data of a store that must be equal after reopening. */
async function portrait(store: Store): Promise<unknown> {
  const worlds = [];
  for (const entry of await store.walk("")) {
    worlds.push({
      entry,
      world: await store.read(entry.name),
      log: await store.log(entry.name, { limit: 100 }),
      audit: await store.audit(entry.name),
    });
  }
  return {
    count: store.count(),
    root: await store.list(""),
    home: await store.list("home"),
    worlds,
  };
}

/** Registers the suite for an implementation. */
export function storeSuite({ name: engine, withStore, isScattered = false }: Engine): void {
  function promise(
    sentence: string,
    options: SuiteOptions,
    use: (fixture: StoreFixture) => Promise<void>,
  ): void {
    Deno.test(`${engine} ${sentence}`, () => withStore(options, use));
  }

  promise("returns undefined or throws absent for missing worlds", {}, async ({ store }) => {
    assertEquals(await store.read("home/none"), undefined);
    assertEquals([store.peek("home/none"), store.stat("home/none")], [undefined, undefined]);
    assertEquals([store.isCollection("home"), store.count(), store.seq], [false, 0, 0]);
    assertEquals([await store.list("home"), await store.walk("")], [[], []]);
    await assertFails(store.readAt("home/none", 1), "absent");
    await assertFails(store.audit("home/none"), "absent");
    await assertFails(store.log("home/none", { limit: 5 }), "absent");
    await assertFails(store.remove({ name: "home/none", by: "T3" }), "absent");
    await assertFails(store.transition({ name: "home/none", to: "active", by: "T3" }), "absent");
    await assertFails(
      store.note({ name: "home/none", type: "remark", payload: {}, by: "T3" }),
      "absent",
    );
    assertEquals(store.count(), 0);
  });

  promise("reads all fields that were put", {}, async ({ store, reopen }) => {
    const body = encoder.encode("hello\n");
    const meta = [["x-meta-author", "codex"], ["x-meta-empty", ""]] as const;
    const written = await store.put({ name: "home/x", body, ext: "md", meta, by: "T2" });
    assertMatch(written.updatedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const { updatedAt } = written;
    const sha256 = sha256Hex(body);
    assertEquals(written, { version: 1, ext: "md", sha256, state: "", updatedAt, created: true });
    const expected = {
      name: "home/x",
      version: 1,
      ext: "md",
      meta,
      state: "",
      updatedAt,
      body,
      sha256,
      layer: "upper",
    };
    assertEquals(await store.read("home/x"), expected);
    assertEquals(await (await reopen()).read("home/x"), expected);
  });

  promise(
    "shows what was acknowledged after a refresh, and in a fresh read",
    {},
    async (fixture) => {
      await put(fixture.store, "home/x", "1");
      await beforeAndAfter(fixture, async (store) => {
        assertEquals(store.readable, true);
        const { version } = await append(store, "home/x", "+");
        assertEquals((await store.read("home/x", { fresh: true }))?.version, version);
        assertEquals(await store.read("home/none", { fresh: true }), undefined);
        await store.refresh();
        assertEquals(store.stat("home/x")?.version, version);
        assertEquals((await store.list("home")).map(({ entry }) => entry?.version), [version]);
      });
    },
  );

  promise("reports its state, and that it can read and write", {}, async ({ store }) => {
    const { engine, readable, cluster } = store.health();
    assert(engine.length > 0);
    assertEquals([readable, cluster !== undefined], [store.readable, store.isShared]);
    await store.checkHealth();
    await store.close();
    await assertFails(store.checkHealth(), "closed");
  });

  promise("increments versions and reports created only for the first", {}, async ({ store }) => {
    const written = [
      await put(store, "home/x", "1"),
      await append(store, "home/x", "2"),
      await put(store, "home/x", "3"),
    ];
    assertEquals(written.map(({ version, created }) => [version, created]), [
      [1, true],
      [2, false],
      [3, false],
    ]);
    assertEquals(written.map(({ sha256 }) => sha256), ["1", "12", "3"].map(sha256Hex));
  });

  promise("stores all bytes unchanged", {}, async ({ store, reopen }) => {
    const bodies = [
      new Uint8Array(),
      Uint8Array.of(0),
      Uint8Array.of(0xff, 0xfe, 0, 0xd8),
      Uint8Array.from({ length: 256 }, (_, i) => i),
      crypto.getRandomValues(new Uint8Array(65_536)),
      new Uint8Array(3 * 1024 * 1024).fill(0x80),
    ];
    for (const [i, body] of bodies.entries()) {
      await store.put({ name: `home/b${i}`, body, ext: "bin", meta: [], by: "T2" });
      const more = { name: `home/b${i}`, body: Uint8Array.of(0, i), ext: "bin", by: "T2" };
      await store.append(more);
    }
    const again = await reopen();
    for (const [i, body] of bodies.entries()) {
      const found = (await again.read(`home/b${i}`))?.body ?? new Uint8Array();
      assertEquals(sha256Hex(found), sha256Hex(Uint8Array.from([...body, 0, i])));
      assertEquals(sha256Hex((await again.readAt(`home/b${i}`, 1)).body), sha256Hex(body));
    }
  });

  promise("stores names unchanged, without aliases", {}, async ({ store, reopen }) => {
    const names = [
      "home/a/b",
      "home/a%2Fb",
      "home/a%252Fb",
      "home/100%",
      "home/with space",
      "home/über/ß",
      "home/日本語",
      "home/emoji🔑",
      "home/a#b",
      "home/a&b=c+d;e,f@g!h$i'j(k)",
      "home/__proto__",
      "home/.hidden",
      "home/a",
      "home/A",
      "etc/a",
      "home/etc/a",
      `home/${"x".repeat(240)}`,
    ];
    await Promise.all(names.map((name) => put(store, name, name)));
    const again = await reopen();
    for (const name of names) assertEquals(await readText(again, name), name);
    assertEquals((await again.walk("")).map(({ name }) => name).sort(), names.toSorted());
  });

  promise(
    "creates a missing world on append, and keeps ext and metadata of an existing one",
    {},
    async ({ store, reopen }) => {
      await append(store, "home/log", "a", { ext: "csv" });
      await append(store, "home/log", "b", { ext: "html" });
      const meta = [["x-meta-a", "1"]];
      await put(store, "home/doc", "c", { ext: "md", meta });
      await append(store, "home/doc", "d", { ext: "html" });
      await beforeAndAfter({ store, reopen }, async (each) => {
        const log = await each.read("home/log");
        const doc = await each.read("home/doc");
        assertEquals([textOf(log), log?.ext, log?.version], ["ab", "csv", 2]);
        assertEquals([textOf(doc), doc?.ext, doc?.meta], ["cd", "md", meta]);
      });
    },
  );

  promise("checks preconditions of all changes", {}, async ({ store }) => {
    const { sha256 } = await put(store, "home/x", "1", { precondition: { noneMatch: "*" } });
    await assertFails(
      put(store, "home/x", "2", { precondition: { noneMatch: "*" } }),
      "precondition",
    );
    await assertFails(
      append(store, "home/x", "2", { precondition: { match: [{ version: 2 }] } }),
      "precondition",
    );
    await assertFails(
      store.remove({
        name: "home/x",
        by: "T3",
        precondition: { match: [{ version: 1, sha256: "00" }] },
      }),
      "precondition",
    );
    await assertFails(
      put(store, "home/none", "2", { precondition: { match: "*" } }),
      "precondition",
    );
    await assertFails(
      put(store, "home/x", "2", { precondition: { unmodifiedSince: Date.parse("2020-01-01") } }),
      "precondition",
    );
    assertEquals([await readText(store, "home/x"), store.count(), store.seq], ["1", 1, 1]);
    await put(store, "home/x", "2", { precondition: { match: [{ version: 1, sha256 }] } });
    await store.remove({ name: "home/x", by: "T3", precondition: { match: "*" } });
    assertEquals(store.count(), 0);
  });

  promise("edits the version that is current", {}, async ({ store, reopen }) => {
    const edit = (text: string, more = {}) => patch(store, "home/x", text, more);
    await assertFails(edit('{"append":"b"}'), "absent");
    await put(store, "home/x", "a", { meta: [["x-meta-a", "1"]], ext: "md" });
    const changes: Change[] = [];
    store.watch("home/x", (change) => changes.push(change));
    const edits = await Promise.all(
      Array.from({ length: 20 }, (_, i) => edit(`{"append":"${i % 10}"}`)),
    );
    // Without affinity, calls at the same time are made in any order.
    if (isScattered) edits.sort((a, b) => a.version - b.version);
    assertEquals(edits.map(({ version }) => version), edits.map((_, i) => i + 2));
    assertEquals(edits.map(({ ext, created }) => [ext, created]), edits.map(() => ["md", false]));
    const same = await edit('{"append":""}');
    assertEquals([same.version, store.seq, changes.length], [21, 21, 20]);
    assertEquals(changes.map(({ version }) => version), edits.map(({ version }) => version));
    await assertFails(edit('{"line":2,"replace":""}'), "conflict");
    await assertFails(edit("{}"), "malformed");
    await assertFails(
      edit('{"append":""}', { precondition: { match: [{ version: 20 }] } }),
      "precondition",
    );
    await edit('{"prepend":""}', { meta: [["x-meta-b", "2"]] });
    const check = async (opened: Store) => {
      const world = await opened.read("home/x");
      const text = textOf(world) ?? "";
      const sorted = [...text].sort().join("");
      assertEquals(
        isScattered ? sorted : text,
        isScattered ? "00112233445566778899a" : "a01234567890123456789",
      );
      assertEquals(world?.version, 22);
      assertEquals(world?.meta, [["x-meta-a", "1"], ["x-meta-b", "2"]]);
      assertEquals((await opened.audit("home/x")).ok, true);
      assertEquals((await opened.log("home/x", { limit: 100 })).length, 22);
    };
    await beforeAndAfter({ store, reopen }, check);
  });

  promise("compares two versions of a text", {}, async ({ store }) => {
    await put(store, "home/x", "a\nb\n");
    await put(store, "home/x", "a\nc\n");
    const [before, after] = [await store.readAt("home/x", 1), await store.readAt("home/x", 2)];
    assertMatch(await store.diff(before, after), /\n a\n-b\n\+c\n$/);
    assertEquals(await store.diff(after, after), "");
  });

  promise("edits a lower-layer world", { lower: { "usr/x": "low" } }, async ({ store }) => {
    const edit = (text: string) => patch(store, "usr/x", text, { by: "T3" });
    assertEquals((await edit('{"append":""}')).version, 0);
    assertEquals(store.stat("usr/x")?.layer, "lower");
    const written = await edit('{"append":"er"}');
    assertEquals([written.version, written.created, await readText(store, "usr/x")], [
      1,
      false,
      "lower",
    ]);
    assertEquals((await edit('{"append":"!"}')).version, 2);
    await store.remove({ name: "usr/x", by: "T3" });
    assertEquals(await readText(store, "usr/x"), "low");
  });

  promise("limits what an edit makes", { maxWorldBytes: 8 }, async ({ store }) => {
    await put(store, "home/x", "1234");
    const add = (text: string) => patch(store, "home/x", `{"append":"${text}"}`);
    await assertFails(add("56789"), "too-large");
    await add("5678");
    assertEquals(await readText(store, "home/x"), "12345678");
  });

  promise("allows appends up to the maximum size", { maxWorldBytes: 8 }, async ({ store }) => {
    await append(store, "home/x", "1234");
    await append(store, "home/x", "5678");
    await assertFails(append(store, "home/x", "9"), "too-large");
    await assertFails(append(store, "home/y", "123456789"), "too-large");
    assertEquals([await readText(store, "home/x"), store.stat("home/y")], ["12345678", undefined]);
  });

  promise("lists pages of worlds in the order of names", {
    lower: { "usr/a": "1", "usr/b": "2" },
  }, async (fixture) => {
    for (const name of ["home/a-b", "home/a/b", "usr/b", "home/a"]) {
      await put(fixture.store, name, name);
    }
    const all = ["home/a", "home/a/b", "home/a-b", "usr/a", "usr/b"];
    await beforeAndAfter(fixture, async (store) => {
      const tree = [{ name: "", part: "tree", restricted: true }] as const;
      const found: string[] = [];
      for (let after: string | undefined = ""; after !== undefined;) {
        const page = await store.entries(tree, after, 2);
        found.push(...page.map(({ name }) => name));
        after = page.length < 2 ? undefined : page.at(-1)?.name;
      }
      assertEquals(found, all);
      assertEquals((await store.entries(tree, "", 9)).at(-1)?.layer, "upper");
    });
  });

  promise("changes a state without a new version", {}, async ({ store, reopen }) => {
    await put(store, "lib/p", "source", { state: "pending" });
    const written = await store.transition({ name: "lib/p", to: "active", by: "T3", reason: "ok" });
    assertEquals([written.version, written.state, written.created], [1, "active", false]);
    assertEquals([(await store.read("lib/p"))?.state, store.stat("lib/p")?.state], [
      "active",
      "active",
    ]);
    const [event] = await store.log("lib/p", { limit: 1 });
    assertEquals([event?.type, event?.payload], [
      "state_transition",
      { from: "pending", to: "active", version: 1, reason: "ok", by: "T3" },
    ]);
    const pending = await put(store, "lib/p", "other source", { state: "pending" });
    assertEquals([pending.version, pending.state], [2, "pending"]);
    const again = await reopen();
    assertEquals([(await again.read("lib/p"))?.state, (await again.audit("lib/p")).ok], [
      "pending",
      true,
    ]);
  });

  promise(
    "makes the claims of a state, and refuses those of another world if it is shared",
    {},
    async (fixture) => {
      const { store } = fixture;
      for (const name of ["lib/p", "lib/q", "lib/r"]) {
        await put(store, name, name, {
          state: "pending",
        });
      }
      const claim = (of: Store, name: string, claims: readonly string[]) =>
        of.transition({ name, to: "active", by: "T3", claims });
      const disable = (of: Store, name: string) =>
        of.transition({ name, to: "disabled", by: "T3" });
      assertEquals((await claim(store, "lib/p", ["/a/b", "fallback"])).state, "active");
      assertEquals((await claim(store, "lib/r", ["/a/bc"])).state, "active");
      await beforeAndAfter(fixture, async (of) => {
        if (!of.isShared) return;
        for (const taken of ["/a/b", "/a", "/a/b/c", "fallback"]) {
          await assertFails(claim(of, "lib/q", ["/free", taken]), "claimed");
          assertEquals(of.stat("lib/q")?.state, "pending");
        }
        // A world can claim again what it has.
        assertEquals((await claim(of, "lib/p", ["/a/b/c", "fallback"])).state, "active");
        assertEquals((await claim(of, "lib/p", ["/a/b", "fallback"])).state, "active");
      });
      const ends: readonly ((of: Store) => Promise<unknown>)[] = [
        (of) => disable(of, "lib/p"),
        (of) => put(of, "lib/p", "new source", { state: "pending" }),
        (of) => of.remove({ name: "lib/p", by: "T3" }),
      ];
      const again = await fixture.reopen();
      for (const end of ends) {
        await end(again);
        assertEquals((await claim(again, "lib/q", ["/a/b"])).state, "active");
        await disable(again, "lib/q");
        if (again.stat("lib/p") !== undefined) await claim(again, "lib/p", ["/a/b", "fallback"]);
      }
      assertEquals((await again.audit("lib/q")).ok, true);
    },
  );

  promise("appends the event of a note without a change", {}, async ({ store }) => {
    await put(store, "home/x", "1");
    const seq = store.seq;
    await store.note({ name: "home/x", type: "remark", payload: { why: "because" }, by: "T3" });
    const world = await store.read("home/x");
    assertEquals([world?.version, textOf(world), store.seq], [1, "1", seq]);
    const [event] = await store.log("home/x", { limit: 9 });
    assertEquals([event?.id, event?.type, event?.payload], [2, "remark", {
      why: "because",
      by: "T3",
    }]);
  });

  promise("records the caller in every event", {}, async ({ store }) => {
    await put(store, "home/x", "1", { by: "cap:/home/x", eventFields: { from_version: 7 } });
    await append(store, "home/x", "2", { by: "T2" });
    const log = await store.log("home/x", { limit: 9 });
    assertEquals(log.map(({ payload }) => payload), [
      {
        op: "append",
        append_len: 1,
        append_sha256: sha256Hex("2"),
        version_after: 2,
        body_sha256_after: sha256Hex("12"),
        meta_headers: [],
        by: "T2",
      },
      {
        op: "put",
        len: 1,
        ext: "txt",
        version_after: 1,
        meta_headers: [],
        body_sha256_after: sha256Hex("1"),
        by: "cap:/home/x",
        from_version: 7,
        name: "home/x",
      },
    ]);
  });

  promise(
    "returns events in pages, newest first, each with the HMAC of the one before",
    {},
    async ({ store }) => {
      for (let i = 0; i < 7; i++) await append(store, "home/x", `${i}`);
      const first = await store.log("home/x", { limit: 3 });
      const second = await store.log("home/x", { before: first.at(-1)?.id ?? 0, limit: 3 });
      const third = await store.log("home/x", { before: second.at(-1)?.id ?? 0, limit: 3 });
      const all = [...first, ...second, ...third];
      assertEquals(all.map(({ id }) => id), [7, 6, 5, 4, 3, 2, 1]);
      all.slice(0, -1).forEach(({ prev_hmac: previous }, i) =>
        assertEquals(previous, all[i + 1]?.hmac)
      );
      const { ok: whole, events, version, chain, body } = await store.audit("home/x");
      assertEquals([whole, events, version, chain], [true, 7, 7, { ok: true }]);
      assertEquals(body, {
        ok: true,
        sha256: sha256Hex("0123456"),
        expected: sha256Hex("0123456"),
      });
    },
  );

  promise("removes a world", {}, async ({ store, reopen }) => {
    await put(store, "home/x", "1");
    await put(store, "home/x", "2");
    await put(store, "home/x/below", "stays");
    const { version, trash } = await store.remove({ name: "home/x", by: "T3" });
    assertEquals(version, 2);
    assertMatch(trash, /^[\w-]+$/);
    await beforeAndAfter({ store, reopen }, async (each) => {
      assertEquals([await readText(each, "home/x"), each.stat("home/x"), each.peek("home/x")], [
        undefined,
        undefined,
        undefined,
      ]);
      assertEquals([each.count(), await readText(each, "home/x/below")], [1, "stays"]);
      await assertFails(each.remove({ name: "home/x", by: "T3" }), "absent");
    });
  });

  promise("starts a new chain for a name that was removed", {}, async ({ store, reopen }) => {
    await put(store, "home/x", "old");
    await store.remove({ name: "home/x", by: "T3" });
    const written = await put(store, "home/x", "new");
    // A name never uses a version twice.
    assertEquals([written.version, written.created], [2, true]);
    await assertFails(store.readAt("home/x", 1), "gone");
    await assertFails(store.readAt("home/x", 3), "absent");
    const again = await reopen();
    assertEquals([
      await readText(again, "home/x"),
      (await again.log("home/x", { limit: 9 })).length,
    ], [
      "new",
      1,
    ]);
    assertEquals((await again.audit("home/x")).ok, true);
  });

  promise("keeps earlier versions", {}, async ({ store, reopen }) => {
    await put(store, "home/x", "1", { ext: "md", meta: [["x-meta-a", "1"]] });
    await append(store, "home/x", "2");
    await put(store, "home/x", "three");
    await beforeAndAfter({ store, reopen }, async (each) => {
      const texts = [];
      for (const version of [1, 2, 3]) {
        const world = await each.readAt("home/x", version);
        assertEquals([world.version, world.sha256], [version, sha256Hex(world.body)]);
        texts.push(textOf(world));
      }
      assertEquals(texts, ["1", "12", "three"]);
      const first = await each.readAt("home/x", 1);
      assertEquals([first.ext, first.meta, first.name], ["md", [["x-meta-a", "1"]], "home/x"]);
      await assertFails(each.readAt("home/x", 4), "absent");
      await assertFails(each.readAt("home/x", 0), "absent");
      assertEquals((await each.read("home/x"))?.version, 3);
    });
  });

  promise(
    "drops versions beyond the limit",
    { history: { versions: 2, bytes: 1000 } },
    async ({ store }) => {
      for (const text of ["1", "2", "3", "4"]) await put(store, "home/x", text);
      await assertFails(store.readAt("home/x", 1), "gone");
      assertEquals(textOf(await store.readAt("home/x", 2)), "2");
    },
  );

  promise(
    "keeps no earlier versions if the limit is 0",
    { history: { versions: 0, bytes: 0 } },
    async ({ store }) => {
      await put(store, "home/x", "1");
      await put(store, "home/x", "2");
      await assertFails(store.readAt("home/x", 1), "gone");
      assertEquals(textOf(await store.readAt("home/x", 2)), "2");
    },
  );

  const lower = { "usr/a": "lower a", "usr/c/d": "lower d", "home/boot": "boot" };

  promise("shows lower-layer worlds that are not covered", { lower }, async ({ store }) => {
    const world = await store.read("usr/a");
    assertEquals([textOf(world), world?.version, world?.layer], ["lower a", 0, "lower"]);
    assertEquals([store.stat("usr/a")?.layer, store.count(), store.isCollection("usr/c")], [
      "lower",
      3,
      true,
    ]);
    assertEquals((await store.walk("usr")).map(({ name }) => name), ["usr/a", "usr/c/d"]);
    assertEquals(textOf(await store.readAt("usr/a", 0)), "lower a");
    await assertFails(store.readAt("usr/a", 1), "absent");
    await assertFails(store.remove({ name: "usr/a", by: "T3" }), "lower");
    assertEquals([await store.log("usr/a", { limit: 9 }), (await store.audit("usr/a")).ok], [
      [],
      true,
    ]);
    assertEquals(store.seq, 0);
  });

  promise(
    "covers a lower-layer world and shows it again after a removal",
    { lower },
    async ({ store, reopen }) => {
      const written = await put(store, "usr/a", "upper");
      assertEquals([written.version, written.created], [1, false]);
      assertEquals([await readText(store, "usr/a"), store.count()], ["upper", 3]);
      const again = await reopen();
      assertEquals([await readText(again, "usr/a"), again.stat("usr/a")?.layer], [
        "upper",
        "upper",
      ]);
      assertEquals(textOf(await again.readAt("usr/a", 0)), "lower a");
      await again.remove({ name: "usr/a", by: "T3" });
      assertEquals([await readText(again, "usr/a"), again.count(), again.stat("usr/a")?.version], [
        "lower a",
        3,
        0,
      ]);
      await assertFails(again.remove({ name: "usr/a", by: "T3" }), "lower");
      assertEquals(await readText(await reopen(), "usr/a"), "lower a");
    },
  );

  promise(
    "copies the bytes of a lower-layer world before an append",
    { lower },
    async ({ store, reopen }) => {
      const written = await append(store, "usr/a", " and more", { ext: "html" });
      assertEquals([written.version, written.ext, written.created], [1, "txt", false]);
      await append(store, "usr/a", "!");
      await beforeAndAfter({ store, reopen }, async (each) => {
        assertEquals([await readText(each, "usr/a"), (await each.audit("usr/a")).ok], [
          "lower a and more!",
          true,
        ]);
        assertEquals(textOf(await each.readAt("usr/a", 1)), "lower a and more");
      });
    },
  );

  promise(
    "checks preconditions against a lower-layer world",
    { lower },
    async ({ store }) => {
      await assertFails(
        put(store, "usr/a", "x", { precondition: { noneMatch: "*" } }),
        "precondition",
      );
      await assertFails(
        put(store, "usr/a", "x", { precondition: { match: [{ version: 1 }] } }),
        "precondition",
      );
      const seen = { version: 0, sha256: sha256Hex("lower a") };
      assertEquals(
        (await put(store, "usr/a", "x", { precondition: { match: [seen] } })).version,
        1,
      );
    },
  );

  promise(
    "lists children and worlds in order",
    { lower: { "home/m": "m" } },
    async ({ store, reopen }) => {
      for (const name of ["home/b/2", "home/b/1", "home/z", "home/b", "etc/a"]) {
        await put(
          store,
          name,
          name,
        );
      }
      await beforeAndAfter({ store, reopen }, async (each) => {
        const shown = (await each.list("home")).map((
          { name, dir, entry },
        ) => [name, dir, entry?.version]);
        assertEquals(shown, [["b", true, 1], ["m", false, 0], ["z", false, 1]]);
        assertEquals((await each.list("")).map(({ name }) => name), ["etc", "home"]);
        assertEquals((await each.walk("home/b")).map(({ name }) => name), [
          "home/b",
          "home/b/1",
          "home/b/2",
        ]);
        assertEquals([each.isCollection("home/b"), each.isCollection("home/z"), each.count()], [
          true,
          false,
          6,
        ]);
        assertEquals(each.stat("home/b/1")?.len, "home/b/1".length);
      });
    },
  );

  promise("keeps marked empty collections", {}, async ({ store, reopen }) => {
    await Promise.all(
      ["home/new", "home/other/deep", "home/gone"].map((name) => store.markCollection(name, true)),
    );
    assertEquals(await store.markCollection("home/new", true), false);
    const isChanged = await Promise.all([
      ...["home/gone", "home/never"].map((name) => store.markCollection(name, false)),
      ...["home/third", "home/third"].map((name) => store.markCollection(name, true)),
    ]);
    assertEquals([isChanged.slice(0, 2), isChanged.slice(2).sort()], [
      [true, false],
      [false, true],
    ]);
    await beforeAndAfter({ store, reopen }, async (each) => {
      assertEquals([
        each.isCollection("home/new"),
        each.isCollection("home/other"),
        each.isCollection("home/gone"),
      ], [
        true,
        true,
        false,
      ]);
      assertEquals([each.count(), await each.list("home/new")], [0, []]);
    });
  });

  promise(
    "notifies watchers of each change in order, after it can be read",
    { lower },
    async ({ store }) => {
      const changes: string[] = [];
      const reads: Promise<{ change: Change; version: number }>[] = [];
      function recordChanges(where: string): (change: Change) => void {
        return (change) => {
          const { kind, name, version, by, seq } = change;
          changes.push(`${where}: ${kind} ${name} ${version} ${by} #${seq}`);
          reads.push(store.read(name).then((found) => ({ change, version: found?.version ?? -1 })));
        };
      }
      // A read that is under way while the next write is done may see that write.
      async function endReads(): Promise<void> {
        for (const { change, version } of await Promise.all(reads.splice(0))) {
          assertEquals(version, change.kind === "delete" ? -1 : change.version);
          if (change.kind === "delete") assertEquals(change.world, undefined);
          if (change.kind === "update" && change.world !== undefined) {
            assertEquals(change.world.version, change.version);
          }
        }
      }
      store.watch("home/x", recordChanges("x"));
      const end = store.watch("home/", recordChanges("home"));
      store.watch("usr/a", recordChanges("a"));
      await put(store, "home/x", "1");
      await endReads();
      await append(store, "home/x", "2");
      await endReads();
      await put(store, "home/y", "1");
      await endReads();
      end();
      end();
      await store.remove({ name: "home/x", by: "T3" });
      await endReads();
      await put(store, "usr/a", "upper");
      await endReads();
      await store.remove({ name: "usr/a", by: "T3" });
      await endReads();
      assertEquals(changes, [
        "x: update home/x 1 T2 #1",
        "home: update home/x 1 T2 #1",
        "x: update home/x 2 T2 #2",
        "home: update home/x 2 T2 #2",
        "home: update home/y 1 T2 #3",
        "x: delete home/x 2 T3 #4",
        "a: update usr/a 1 T2 #5",
        "a: update usr/a 0 T3 #6",
      ]);
      assertEquals(store.seq, 6);
    },
  );

  promise("completes a change if a watcher throws", {}, async ({ store }) => {
    store.watch("home/x", () => {
      throw new Error("a broken watcher");
    });
    const changes: number[] = [];
    store.watch("/", ({ version }) => changes.push(version));
    assertEquals((await put(store, "home/x", "1")).version, 1);
    assertEquals((await put(store, "home/x", "2")).version, 2);
    assertEquals([changes, await readText(store, "home/x")], [[1, 2], "2"]);
  });

  promise(
    "accepts exactly one of several changes with the same precondition",
    {},
    async ({ store }) => {
      await put(store, "home/counter", "0");
      let successes = 0;
      async function increment(times: number): Promise<void> {
        while (times > 0) {
          const world = await store.read("home/counter");
          const { version, sha256 } = world ?? { version: 0, sha256: "" };
          const precondition = { match: [{ version, sha256: sha256.slice(0, 16) }] };
          const next = String(Number(textOf(world)) + 1);
          if (await codeOf(put(store, "home/counter", next, { precondition })) !== "done") continue;
          successes += 1;
          times -= 1;
        }
      }
      await Promise.all(Array.from({ length: 32 }, () => increment(8)));
      assertEquals([successes, await readText(store, "home/counter")], [256, "256"]);
      assertEquals((await store.read("home/counter"))?.version, 257);
      assertEquals((await store.audit("home/counter")).ok, true);
    },
  );

  promise("keeps all of many simultaneous appends", {}, async ({ store, reopen }) => {
    const written = new Map<number, string>();
    await Promise.all(Array.from({ length: 32 }, async (_, i) => {
      for (let j = 0; j < 16; j++) {
        const line = `${i}.${j}\n`;
        written.set((await append(store, "home/log", line)).version, line);
      }
    }));
    assertEquals(written.size, 512);
    const expected = Array.from({ length: 512 }, (_, i) => written.get(i + 1)).join("");
    assertEquals(await readText(store, "home/log"), expected);
    const again = await reopen();
    assertEquals(await readText(again, "home/log"), expected);
    assertEquals((await again.audit("home/log")).ok, true);
  });

  for (const cacheBytes of [0, 1024 * 1024]) {
    promise(
      `returns no version older than those acknowledged before the read, with ${cacheBytes} bytes of cache`,
      { cacheBytes },
      async ({ store }) => {
        let acknowledged = 0;
        let writing = true;
        await put(store, "home/x", "v1");
        acknowledged = 1;
        async function write(): Promise<void> {
          for (let i = 2; i <= 200; i++) {
            acknowledged = (await put(store, "home/x", `v${i}`)).version;
          }
          writing = false;
        }
        let reads = 0;
        async function read(): Promise<void> {
          while (writing) {
            const least = acknowledged;
            const world = await store.read("home/x");
            assert((world?.version ?? 0) >= least, `read ${world?.version} after ${least}`);
            assertEquals(textOf(world), `v${world?.version}`);
            reads += 1;
            // A read from memory does not wait, but the reply of the writer needs the event loop.
            if (cacheBytes > 0) await new Promise((resume) => setTimeout(resume, 0));
          }
        }
        await Promise.all([write(), read(), read(), read()]);
        assert(reads > 10);
      },
    );

    promise(
      `returns complete worlds or none during removals and creations, with ${cacheBytes} bytes of cache`,
      { cacheBytes },
      async ({ store }) => {
        let writing = true;
        async function change(): Promise<void> {
          for (let i = 0; i < 40; i++) {
            await put(store, "home/x", `first ${i}`);
            await append(store, "home/x", ", second");
            await store.remove({ name: "home/x", by: "T3" });
          }
          writing = false;
        }
        const seen = new Set<string>();
        async function read(): Promise<void> {
          while (writing) {
            const world = await store.read("home/x");
            if (world === undefined) seen.add("none");
            else {
              assertMatch(
                textOf(world) ?? "",
                world.version % 2 === 1 ? /^first \d+$/ : /^first \d+, second$/,
              );
              assertEquals(world.sha256, sha256Hex(world.body));
              seen.add(`${world.version}`);
            }
            await new Promise((resume) => setTimeout(resume, 0));
          }
        }
        async function look(): Promise<void> {
          while (writing) {
            const codes = [
              await codeOf(store.audit("home/x")),
              await codeOf(store.log("home/x", { limit: 2 })),
              await codeOf(store.readAt("home/x", 1)),
            ];
            for (const code of codes) {
              assert(code === "done" || code === "absent" || code === "gone", code);
            }
            await store.list("home");
            // These calls do not wait if the world is absent, and would block the event loop.
            await new Promise((resume) => setTimeout(resume, 0));
          }
        }
        await Promise.all([change(), read(), read(), look(), look()]);
        assert(seen.size > 0);
        assertEquals([store.count(), await store.read("home/x")], [0, undefined]);
      },
    );
  }

  promise(
    "has the same state in memory and on disk after simultaneous changes of one name",
    { lower: { "home/c": "lower" } },
    async ({ store, reopen }) => {
      const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
      const next = createRandom(seed);
      const random = (below: number) => Math.floor(next() * below);
      const names = ["home/a", "home/b", "home/c"];
      const changes: Promise<string>[] = [];
      for (let i = 0; i < 600; i++) {
        const name = names[random(3)] ?? "home/a";
        const kind = random(10);
        if (kind < 4) changes.push(codeOf(store.remove({ name, by: "T3" })));
        else if (kind < 7) changes.push(codeOf(put(store, name, `${i};`)));
        else if (kind < 9) changes.push(codeOf(append(store, name, `${i};`)));
        else changes.push(codeOf(store.read(name)));
        const pause = random(10);
        if (pause < 5) await Promise.resolve();
        else if (pause < 6) await new Promise((resume) => setTimeout(resume, 1));
      }
      const codes = new Set(await Promise.all(changes));
      for (const code of codes) {
        assert(["done", "absent", "lower"].includes(code), `seed ${seed}: ${code}`);
      }
      const before = await portrait(store);
      assertEquals(await portrait(await reopen()), before, `seed ${seed}`);
    },
  );

  // The order of the changes is that of one node.
  const promiseOfNode: typeof promise = isScattered ? () => {} : promise;
  promiseOfNode(
    "completes accepted changes when it is closed, and refuses later ones",
    {},
    async ({ store, reopen }) => {
      await put(store, "home/old", "1");
      const accepted = Array.from({ length: 100 }, (_, i) => put(store, `home/n${i % 20}`, `${i}`));
      const reading = store.read("home/old");
      const removal = store.remove({ name: "home/old", by: "T3" });
      const closing = store.close();
      assertEquals(store.close(), closing);
      const late = [
        codeOf(put(store, "home/late", "1")),
        codeOf(append(store, "home/late", "1")),
        codeOf(store.remove({ name: "home/n1", by: "T3" })),
        codeOf(store.markCollection("home/late", true)),
      ];
      await Promise.all([...accepted, reading, removal]);
      await closing;
      for (const code of await Promise.all(late)) assert(["closed", "absent"].includes(code), code);
      await assertFails(put(store, "home/later", "1"), "closed");
      const again = await reopen();
      assertEquals([again.count(), again.stat("home/old")], [20, undefined]);
      for (let i = 0; i < 20; i++) {
        assertEquals([await readText(again, `home/n${i}`), again.stat(`home/n${i}`)?.version], [
          `${80 + i}`,
          5,
        ]);
      }
    },
  );

  promise("has the same data after reopening", { lower }, async ({ store, reopen }) => {
    await put(store, "home/x", "1", { meta: [["x-meta-a", "b"]] });
    await append(store, "home/x", "2");
    await put(store, "lib/p", "source", { state: "pending" });
    await store.transition({ name: "lib/p", to: "active", by: "T3" });
    await store.note({ name: "home/x", type: "remark", payload: {}, by: "T3" });
    await put(store, "usr/a", "cover");
    await put(store, "home/gone", "1");
    await store.remove({ name: "home/gone", by: "T3" });
    const before = await portrait(store);
    assertEquals(await portrait(await reopen()), before);
    assertEquals(await portrait(await reopen()), before);
  });

  promise(
    "reads, appends to and changes worlds that are too long for the cache",
    {},
    async ({ store }) => {
      const chunk = new Uint8Array(5 * 1024 * 1024).fill(0x61);
      for (let i = 0; i < 2; i++) {
        await store.append({ name: "home/big", body: chunk, ext: "bin", by: "T2" });
      }
      assertEquals((await store.read("home/big"))?.body.length, 2 * chunk.length);
      assertEquals((await store.readAt("home/big", 1)).body.length, chunk.length);
      assertEquals(
        (await store.transition({ name: "home/big", to: "seen", by: "T3" })).state,
        "seen",
      );
      assertEquals((await store.read("home/big"))?.state, "seen");
    },
  );

  promise("copies short and long worlds to a consistent file", { lower }, async ({ store }) => {
    const long = new Uint8Array(2 * 1024 * 1024).fill(0x61);
    for (const body of [encoder.encode("short"), long]) {
      await store.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
      for (const key of [undefined, "ab".repeat(32)]) {
        const copying = store.snapshot("home/x", key);
        // A concurrent write is either completely in the copy or not at all.
        const [copy] = await Promise.all([copying, append(store, "home/x", "more")]);
        const bytes = await new Response(copy.body).bytes();
        assertEquals(bytes.length, copy.length);
        assertEquals(decoder.decode(bytes.subarray(0, 16)), "SQLite format 3\0");
        assert(bytes.length > body.length);
      }
    }
    await assertFails(store.snapshot("home/none"), "absent");
    await assertFails(store.snapshot("usr/a"), "absent");
    await store.remove({ name: "home/x", by: "T3" });
    await assertFails(store.snapshot("home/x"), "absent");
    await store.close();
    await assertFails(store.snapshot("home/x"), "absent");
  });
}
