import { assertEquals } from "../../support/assert.ts";
import { assertLinear } from "../../support/growth.ts";
import { createRandom } from "../../support/random.ts";
import { compareNames } from "../../../lib/world/name.ts";
import { Catalog } from "../../../lib/world/store/catalog.ts";
import type { WorldEntry } from "../../../lib/world/store.ts";

function entry(name: string, layer: "upper" | "lower" = "upper", version = 1): WorldEntry {
  return {
    name,
    version,
    ext: "txt",
    len: 0,
    state: "",
    updatedAt: "",
    layer,
    by: "",
    head: 1,
    headAt: "",
  };
}

function catalogOf(...entries: readonly WorldEntry[]): Catalog {
  const catalog = new Catalog();
  for (const each of entries) catalog.set(each);
  return catalog;
}

function shown(catalog: Catalog, name: string): string[] {
  return catalog.list(name).map(({ name, dir, entry }) =>
    `${name}${dir ? "/" : ""}${entry === undefined ? "" : `=${entry.version}`}`
  );
}

Deno.test("Catalog.list() returns worlds, collections, and names that are both", () => {
  const catalog = catalogOf(entry("home/b"), entry("home/a/x"), entry("home/a"), entry("etc/c/d"));
  assertEquals(shown(catalog, ""), ["etc/", "home/"]);
  assertEquals(shown(catalog, "home"), ["a/=1", "b=1"]);
  assertEquals(shown(catalog, "etc"), ["c/"]);
  assertEquals(shown(catalog, "home/a"), ["x=1"]);
  assertEquals(shown(catalog, "home/b"), []);
  assertEquals(shown(catalog, "home/none/at/all"), []);
});

Deno.test("Catalog.list() remains sorted after additions and removals", () => {
  const catalog = catalogOf(entry("home/m"));
  assertEquals(shown(catalog, "home"), ["m=1"]);
  for (const name of ["z", "a", "B", "ä", "10", "9"]) catalog.set(entry(`home/${name}`));
  assertEquals(catalog.list("home").map(({ name }) => name), ["10", "9", "B", "a", "m", "z", "ä"]);
  catalog.remove("home/a");
  assertEquals(catalog.list("home").map(({ name }) => name), ["10", "9", "B", "m", "z", "ä"]);
});

Deno.test("Catalog accepts names of object properties such as __proto__", () => {
  const names = ["home/__proto__", "home/constructor/x", "home/toString", "home/hasOwnProperty"];
  const catalog = catalogOf(...names.map((name) => entry(name)));
  assertEquals(catalog.walk("").map(({ name }) => name), [
    "home/__proto__",
    "home/constructor/x",
    "home/hasOwnProperty",
    "home/toString",
  ]);
  assertEquals(catalog.get("home/valueOf"), undefined);
  assertEquals(catalog.isCollection("home/constructor"), true);
  assertEquals(catalog.isCollection("constructor"), false);
});

Deno.test("Catalog.get() returns the upper-layer world until it is removed", () => {
  const catalog = catalogOf(entry("usr/a", "lower", 0), entry("usr/b", "lower", 0));
  assertEquals([catalog.size, catalog.get("usr/a")?.version], [2, 0]);
  catalog.set(entry("usr/a", "upper", 7));
  assertEquals([catalog.size, catalog.get("usr/a")?.version, shown(catalog, "usr")], [2, 7, [
    "a=7",
    "b=0",
  ]]);
  catalog.set(entry("usr/a", "upper", 8));
  assertEquals(catalog.size, 2);
  catalog.remove("usr/a");
  assertEquals([catalog.size, catalog.get("usr/a")?.layer], [2, "lower"]);
  assertEquals(catalog.upper("usr/a"), undefined);
});

Deno.test("Catalog.size counts visible worlds in any order of additions", () => {
  const catalog = catalogOf(entry("usr/a"), entry("usr/a", "lower", 0), entry("usr/c"));
  assertEquals(catalog.size, 2);
  catalog.remove("usr/a");
  catalog.remove("usr/a");
  catalog.remove("usr/none");
  assertEquals(catalog.size, 2);
  catalog.remove("usr/c");
  assertEquals(catalog.size, 1);
});

Deno.test("Catalog.remove() removes empty collections and no others", () => {
  const catalog = catalogOf(entry("home/a/b/c"), entry("home/a/x"));
  catalog.remove("home/a/b/c");
  assertEquals([catalog.isCollection("home/a/b"), catalog.isCollection("home/a")], [false, true]);
  catalog.remove("home/a/x");
  assertEquals([catalog.isCollection("home"), shown(catalog, "")], [false, []]);
});

Deno.test("Catalog.remove() keeps worlds below the removed one", () => {
  const catalog = catalogOf(entry("home/a"), entry("home/a/b"));
  catalog.remove("home/a");
  assertEquals(shown(catalog, "home"), ["a/"]);
  assertEquals(catalog.get("home/a/b")?.version, 1);
});

Deno.test("Catalog.markCollection() adds and removes an empty collection", () => {
  const catalog = catalogOf(entry("home/x"));
  catalog.markCollection("home/new/deep", true);
  catalog.markCollection("home/new/deep", true);
  assertEquals([catalog.isCollection("home/new/deep"), catalog.isCollection("home/new")], [
    true,
    true,
  ]);
  assertEquals(catalog.markedCollections(), ["home/new/deep"]);
  assertEquals([shown(catalog, "home"), catalog.size], [["new/", "x=1"], 1]);
  catalog.markCollection("home/new/deep", false);
  catalog.markCollection("home/none", false);
  assertEquals([catalog.isCollection("home/new"), catalog.markedCollections()], [false, []]);
});

Deno.test("Catalog.markCollection() is independent of the worlds in the collection", () => {
  const catalog = catalogOf(entry("home/c/x"));
  catalog.markCollection("home/c", true);
  catalog.remove("home/c/x");
  assertEquals(catalog.isCollection("home/c"), true);
  catalog.set(entry("home/c/y"));
  catalog.markCollection("home/c", false);
  assertEquals(shown(catalog, "home/c"), ["y=1"]);
});

Deno.test("Catalog.walk() returns all visible worlds at or below a name in order", () => {
  const catalog = catalogOf(
    entry("home/b/2"),
    entry("home/b"),
    entry("home/b/1", "lower", 0),
    entry("home/b/1", "upper", 4),
    entry("home/bb"),
  );
  assertEquals(catalog.walk("home/b").map(({ name, version }) => `${name}=${version}`), [
    "home/b=1",
    "home/b/1=4",
    "home/b/2=1",
  ]);
  assertEquals(catalog.walk("").length, 4);
  assertEquals(catalog.walk("home/none"), []);
});

Deno.test("Catalog.list() takes time in proportion to its rows, not to all worlds", () => {
  const catalogs = new Map<number, Catalog>();
  const withWorlds = (count: number) => {
    const catalog = new Catalog();
    for (let i = 0; i < count; i++) catalog.set(entry(`home/c${i >> 3}/w${i}`));
    catalogs.set(count, catalog);
    return catalog;
  };
  // As many listings as there are worlds: of 8 worlds each.
  assertLinear((count) => {
    const catalog = catalogs.get(count) ?? withWorlds(count);
    for (let i = 0; i < count; i++) catalog.list("home/c7");
  }, 20_000);
});

Deno.test("Catalog.changedAt() returns the newest write at or below a name in both layers", () => {
  const at = (name: string, updatedAt: string, layer: "upper" | "lower" = "upper") => ({
    ...entry(name, layer),
    updatedAt,
  });
  const catalog = catalogOf(
    at("home/a/x", "2026-01-02T00:00:00.000Z"),
    at("home/a/y", "2026-01-01T00:00:00.000Z"),
    at("usr/low", "2026-01-03T00:00:00.000Z", "lower"),
  );
  const times = ["", "home", "home/a", "home/a/y", "home/none"].map((name) =>
    catalog.changedAt(name)?.slice(8, 10)
  );
  assertEquals(times, ["03", "02", "02", "01", undefined]);
  catalog.markCollection("home/empty", true);
  assertEquals(catalog.changedAt("home/empty"), undefined);
  catalog.set(at("home/a/y", "2026-01-09T00:00:00.000Z"));
  assertEquals(catalog.changedAt("home")?.slice(8, 10), "09");
});

Deno.test("Catalog.page() returns what the parts cover once, in the order of names, from any name", () => {
  const names = [
    "home/a",
    "home/a/b",
    "home/a/b/c",
    "home/a-b",
    "home/b",
    "var/cache/x",
    "var/log",
  ];
  const catalog = catalogOf(...names.map((name) => entry(name)));
  catalog.set(entry("home/b", "lower"));
  const parts = [
    { name: "home", part: "below", restricted: false },
    { name: "home/a", part: "tree", restricted: false },
    { name: "home/b", part: "exact", restricted: false },
    { name: "var", part: "below", restricted: false },
  ] as const;
  const isRestricted = (name: string) => name === "var/cache";
  const readable = names.filter((name) => name !== "var/cache/x");
  for (const after of ["", "home", "home/a/b/b", "home/a.", "zzz", "a", "var/cache/y", ...names]) {
    const rest = readable.filter((name) => after === "" || compareNames(name, after) > 0);
    for (const limit of [1, 2, 9]) {
      const page = catalog.page(parts, after, limit, isRestricted).map(({ name }) => name);
      assertEquals(page, rest.slice(0, limit), `${limit} after ${after}`);
    }
  }
  const all = [{ name: "", part: "tree", restricted: true }] as const;
  assertEquals(catalog.page(all, "", 9, isRestricted).map(({ name }) => name), names);
});

Deno.test("Catalog.list() is sorted after any order of additions and removals", () => {
  const random = createRandom(7);
  const catalog = new Catalog();
  const present = new Set<string>();
  for (let i = 0; i < 600; i++) {
    const name = `k${Math.floor(random() * 90)}`;
    if (random() < 0.6) {
      catalog.set(entry(`home/${name}`));
      present.add(name);
    } else {
      catalog.remove(`home/${name}`);
      present.delete(name);
    }
    if (i % 7 > 0) continue;
    const sorted = [...present].sort();
    assertEquals(catalog.list("home").map((child) => child.name), sorted);
    for (const after of ["", "k", "k5", "k50", "z"]) {
      const page = catalog.list("home", { after, limit: 3 }).map((child) => child.name);
      assertEquals(page, sorted.filter((name) => name > after).slice(0, 3));
    }
  }
});

Deno.test("Catalog is that of its names and times after any order of additions and removals", () => {
  const random = createRandom(8);
  const pick = (count: number) => Math.floor(random() * count);
  const catalog = new Catalog();
  const present = new Map<string, string>();
  /** The newest time that was written at or below a name since it last had nothing. */
  const changedAt = (name: string) => {
    const times = [...present].filter(([other]) => `${other}/`.startsWith(`${name}/`));
    return times.map(([, time]) => time).sort().at(-1);
  };
  for (let step = 0; step < 3_000; step++) {
    const depth = 1 + pick(3);
    const name = Array.from({ length: depth }, () => "ab"[pick(2)]).join("/");
    if (random() < 0.3) {
      // Times only rise, so that the newest of a name is that of its newest world.
      const updatedAt = new Date(step).toISOString();
      present.set(name, updatedAt);
      catalog.set({ ...entry(name), updatedAt });
    } else {
      present.delete(name);
      catalog.remove(name);
    }
    assertEquals(catalog.walk("").map(({ name }) => name), [...present.keys()].sort(compareNames));
    assertEquals(catalog.changedAt(name) === undefined, changedAt(name) === undefined, name);
    const newest = changedAt(name);
    if (newest !== undefined) assertEquals((catalog.changedAt(name) ?? "") >= newest, true, name);
  }
});

Deno.test("Catalog.add() gives the same tree as Catalog.set(), whenever the tree is used", () => {
  const random = createRandom(7);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = (names: readonly string[]) => names[below(names.length)] ?? "";
  for (let run = 0; run < 200; run++) {
    const [lazy, eager] = [new Catalog(), new Catalog()];
    const name = () => `${pick(["home", "lib"])}/${pick(["a", "b", "a/c", "d/e"])}`;
    const change = (step: number) => {
      const updatedAt = `2026-01-01T00:00:${String(step).padStart(2, "0")}.000Z`;
      return { ...entry(name(), below(3) === 0 ? "lower" : "upper", step), updatedAt };
    };
    for (let step = 10; step < 20; step++) {
      const added = { ...change(step), layer: "upper" as const };
      lazy.add(added);
      eager.set(added);
    }
    for (let step = 20; step < 30; step++) {
      const [what, changed, removed] = [below(6), change(step), name()];
      if (what === 0) lazy.placeSome(1 + below(3));
      for (const catalog of [lazy, eager]) {
        if (what === 1) catalog.set(changed);
        if (what === 2) catalog.remove(removed);
        if (what === 3) catalog.markCollection(removed, step % 2 === 0);
      }
      if (what === 4) assertEquals(lazy.list(removed), eager.list(removed));
      if (what === 5) assertEquals(lazy.changedAt(removed), eager.changedAt(removed));
      assertEquals(lazy.get(removed), eager.get(removed));
      assertEquals(lazy.size, eager.size);
    }
    for (const where of ["home", "lib", ""]) {
      assertEquals(lazy.list(where), eager.list(where));
      assertEquals(lazy.walk(where), eager.walk(where));
      assertEquals(lazy.changedAt(where), eager.changedAt(where));
    }
    assertEquals(lazy.placeSome(1), false);
  }
});
