import { assert, assertEquals } from "../../support/assert.ts";
import type { World } from "../../../lib/world/store.ts";
import { WorldCache } from "../../../lib/world/store/world_cache.ts";

/** Returns the bytes that a world of this length takes in the cache. */
const COST = (bytes: number) => bytes + 512;

function world(name: string, bytes: number, version = 1): World {
  return {
    name,
    version,
    ext: "txt",
    meta: [],
    state: "",
    updatedAt: "",
    body: new Uint8Array(bytes),
    sha256: "",
    layer: "upper",
  };
}

function held(cache: WorldCache, names: readonly string[]): string {
  return names.filter((name) => cache.peek(name) !== undefined).join("");
}

const NAMES = ["a", "b", "c", "d", "e"];

Deno.test("WorldCache.get() returns the newest version, which is counted once", () => {
  const cache = new WorldCache(10_000, 5000);
  cache.set(world("a", 100, 1));
  cache.set(world("a", 300, 2));
  assertEquals([cache.get("a")?.version, cache.bytes], [2, COST(300)]);
  assertEquals([cache.get("b"), cache.peek("b")], [undefined, undefined]);
});

Deno.test("WorldCache.set() keeps its limit and evicts the oldest world first", () => {
  const cache = new WorldCache(3 * COST(100), 5000);
  for (const name of NAMES) {
    cache.set(world(name, 100));
    assert(cache.bytes <= 3 * COST(100));
  }
  assertEquals(held(cache, NAMES), "cde");
});

Deno.test("WorldCache.set() keeps a used world once more", () => {
  const cache = new WorldCache(3 * COST(100), 5000);
  for (const name of ["a", "b", "c"]) cache.set(world(name, 100));
  cache.get("a");
  cache.set(world("d", 100));
  assertEquals(held(cache, NAMES), "acd");
  cache.set(world("e", 100));
  assertEquals(held(cache, NAMES), "ade");
  cache.set(world("b", 100));
  assertEquals(held(cache, NAMES), "abe");
});

Deno.test("WorldCache.set() evicts a world if all were used", () => {
  const cache = new WorldCache(3 * COST(100), 5000);
  for (const name of ["a", "b", "c"]) cache.set(world(name, 100));
  for (const name of ["a", "b", "c"]) cache.get(name);
  cache.set(world("d", 100));
  assert(cache.bytes <= 3 * COST(100));
  cache.set(world("e", 100));
  assert(cache.peek("e"));
});

Deno.test("WorldCache.peek() does not count the world as used", () => {
  const cache = new WorldCache(2 * COST(100), 5000);
  cache.set(world("a", 100));
  cache.set(world("b", 100));
  cache.peek("a");
  cache.set(world("c", 100));
  assertEquals(held(cache, NAMES), "bc");
});

Deno.test("WorldCache.set() does not cache a long world and removes its older version", () => {
  const cache = new WorldCache(10_000, 100);
  cache.set(world("a", 100, 1));
  assert(cache.peek("a"));
  cache.set(world("a", 101, 2));
  assertEquals([cache.peek("a"), cache.bytes], [undefined, 0]);
});

Deno.test("WorldCache.set() caches nothing with a limit of 0", () => {
  const cache = new WorldCache(0, 5000);
  cache.set(world("a", 1));
  assertEquals([cache.peek("a"), cache.bytes], [undefined, 0]);
});

Deno.test("WorldCache.delete() subtracts the bytes once", () => {
  const cache = new WorldCache(10_000, 5000);
  cache.set(world("a", 100));
  cache.delete("a");
  cache.delete("a");
  assertEquals([cache.peek("a"), cache.bytes], [undefined, 0]);
});

Deno.test("WorldCache.bytes is right after thousands of random changes", () => {
  const cache = new WorldCache(20 * COST(50), 100);
  let state = 7;
  const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
  for (let i = 0; i < 5000; i++) {
    const name = `w${random(60)}`;
    const kind = random(4);
    if (kind === 0) cache.delete(name);
    else if (kind === 1) cache.get(name);
    else cache.set(world(name, random(120)));
    assert(cache.bytes <= 20 * COST(50));
  }
  for (let i = 0; i < 60; i++) cache.delete(`w${i}`);
  assertEquals(cache.bytes, 0);
});
