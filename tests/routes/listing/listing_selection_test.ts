/**
 * Pages of listings against a sort of everything, while worlds change, and for every caller.
 */

import { assert, assertEquals } from "../../support/assert.ts";
import { TimeSlices } from "../../../lib/base/time_slices.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { canRead } from "../../../lib/auth/policy.ts";
import { Catalog } from "../../../lib/world/store/catalog.ts";
import { compareNames } from "../../../lib/world/name.ts";
import type { WorldEntry } from "../../../lib/world/store.ts";
import { isPrivatePath } from "../../../lib/auth/policy.ts";
import { type Position, positionOf } from "../../../lib/routes/listing/listing_query.ts";
import { selectListing, selectWorlds } from "../../../lib/routes/listing/listing_selection.ts";
import { createRandom } from "../../support/random.ts";

const T2: Caller = { tier: "T2", by: "T2", authenticated: true };
const T3: Caller = { tier: "T3", by: "T3", authenticated: true };

function cap(...prefixes: string[]): Caller {
  const scope = { prefixes, mode: "rw", exp: 9e9, root: "r" } as const;
  return { ...T2, by: "cap", scope };
}

function entry(name: string, len: number, at: number): WorldEntry {
  const updatedAt = new Date(Date.UTC(2026, 0, 1) + at * 1000).toISOString();
  const rest = { version: 1, ext: "txt", state: "", layer: "upper", by: "T2", head: 1 } as const;
  return { name, len, updatedAt, headAt: updatedAt, ...rest };
}

/** A store with a catalog only. */
function storeOf(catalog: Catalog, step: () => void = () => {}) {
  let looked = 0;
  return {
    looked: () => looked,
    list: (...args: Parameters<Catalog["list"]>) => Promise.resolve(catalog.list(...args)),
    entries: (...args: [Parameters<Catalog["page"]>[0], string, number]) => {
      step();
      const found = catalog.page(...args, (name) => isPrivatePath(`/${name}`));
      looked += found.length;
      return Promise.resolve(found);
    },
  };
}

const SEGMENTS = ["a", "a-b", "b", "a.b", "~", "Z", "é", "日", "x y"];

function randomName(random: () => number): string {
  const depth = 1 + Math.floor(random() * 3);
  const pick = () => SEGMENTS[Math.floor(random() * SEGMENTS.length)] ?? "a";
  return ["home", ...Array.from({ length: depth }, pick)].join("/");
}

Deno.test("selectListing() returns pages that together are everything once, in order, while worlds change", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = createRandom(seed);
    const catalog = new Catalog();
    let time = 0;
    const write = (name: string) =>
      catalog.set(entry(name, Math.floor(random() * 5), Math.floor(time++ / 3)));
    for (let i = 0; i < 80; i++) write(randomName(random));
    const before = new Map(catalog.walk("home").map((world) => [world.name, world]));
    const children = catalog.list("home").filter(({ entry: world }) => world !== undefined);
    const order = (["name", "time", "size"] as const)[seed % 3] ?? "name";
    const deep = seed % 2 === 0;
    const limit = 1 + Math.floor(random() * 20);
    const since = seed % 5 === 0 ? entry("", 0, 10).updatedAt : undefined;
    const changed = new Set<string>();
    const change = () => {
      const name = randomName(random);
      changed.add(name);
      if (random() < 0.5) write(name);
      else catalog.remove(name);
    };
    const store = storeOf(catalog, () => random() < 0.5 && change());
    const found: Position[] = [];
    for (let after: Position | undefined, more = true; more;) {
      const page = await selectListing(store, T2, "home", {
        deep,
        order,
        limit,
        ...(since === undefined ? {} : { since }),
        ...(after === undefined ? {} : { after }),
      }, new TimeSlices(50));
      assert(page.rows.length <= limit);
      found.push(...page.rows);
      ({ more } = page);
      after = page.rows.at(-1);
      change();
    }
    const keys = found.map(({ key, name }) => `${key} ${name}`);
    assertEquals(new Set(keys).size, keys.length, "no row twice");
    const expected = deep
      ? [...before.values()].map((world) => ({ name: world.name, dir: false, entry: world }))
      : children;
    const unchanged = expected.filter(({ entry: world }) => !changed.has(world?.name ?? ""))
      .filter(({ entry: world }) => since === undefined || (world?.updatedAt ?? "") >= since)
      .map((child) => positionOf(child, order, false))
      .sort((a, b) =>
        (order === "name" ? 0 : a.key < b.key ? 1 : a.key > b.key ? -1 : 0) ||
        compareNames(a.name, b.name)
      );
    const names = new Set(unchanged.map(({ name }) => name));
    assertEquals(
      found.filter(({ name }) => names.has(name)).map(({ name }) => name),
      unchanged.map(({ name }) => name),
      `seed ${seed}: every unchanged row once, in order`,
    );
  }
});

Deno.test("selectListing() and selectWorlds() look at nothing that the caller cannot read", async () => {
  const catalog = new Catalog();
  const names = ["etc/a", "etc/shadow", "boot/env", "var/cache/x/1", "var/log", "usr/lib/shell/i"];
  for (const top of ["a", "b"]) {
    for (let i = 0; i < 200; i++) names.push(`home/${top}/${i}`);
  }
  for (const [at, name] of names.entries()) catalog.set(entry(name, 1, at));
  const callers: readonly [Caller, hidden: RegExp][] = [
    [T3, /^$/],
    [T2, /^(?:boot|var\/cache)\//],
    [cap("/home/a"), /^(?:home\/b|boot|etc|var)\//],
    [cap("/home", "/home/b"), /^(?:home\/a|boot|etc|var)\//],
    [cap("/"), /^(?:boot|var\/cache)\//],
    [
      { ...T3, grants: { "/home/a/": "r", "/home/b/7": "r", "/var/cache/x/": "r" } },
      /^(?:boot|etc|usr)\//,
    ],
  ];
  for (const [caller, hidden] of callers) {
    for (const name of ["", "home", "var"]) {
      const expected = names.filter((world) =>
        (name === "" || world.startsWith(`${name}/`)) && canRead(caller, `/${world}`)
      ).sort(compareNames);
      const store = storeOf(catalog);
      const all = await selectWorlds(store, caller, name, new TimeSlices(50));
      assertEquals(all.map((world) => world.name), expected);
      // One private world is a name of its own and not a collection.
      assert(store.looked() <= expected.length + 1, `${store.looked()} of ${expected.length}`);
      assert(!all.some((world) => hidden.test(world.name)));
      const page = await selectListing(
        storeOf(catalog),
        caller,
        name,
        { deep: true, order: "size" },
        new TimeSlices(50),
      );
      assertEquals(page.rows.map((row) => row.name), expected);
    }
  }
});

Deno.test("selectListing() reads a page in the order of names only, however many worlds there are", async () => {
  const catalog = new Catalog();
  for (let i = 0; i < 5000; i++) catalog.set(entry(`home/${i}`, 1, i));
  const store = storeOf(catalog);
  const after = { key: "", name: "home/4" };
  const query = { deep: true, order: "name", limit: 10, after } as const;
  const page = await selectListing(store, T2, "home", query, new TimeSlices(50));
  assertEquals(page.rows[0]?.name, "home/40");
  assertEquals(page.more, true);
  assert(store.looked() <= 22, `${store.looked()} worlds`);
});
