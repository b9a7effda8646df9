import { assertEquals } from "../../support/assert.ts";
import { ShapeCache } from "../../../plugins/semantic/cache.ts";
import { sha256Hex } from "../../../plugins/kit/sha256.ts";
import { FakeServer } from "./fake_server.ts";
import { formatOf, generationInput, shapeOf } from "./fixtures.ts";

const FOLDER = "/var/cache/semantic/";
const format = formatOf("text/plain");

/** Stores a text under a key. */
async function store(cache: ShapeCache, server: FakeServer, key: string): Promise<void> {
  const hash = await sha256Hex(key);
  const shape = await shapeOf(`text of ${key}`, "text/plain", hash);
  await cache.store(server.fetch, generationInput({ key, hash }), shape);
}

/** The text that a cache finds in its worlds. */
async function find(cache: ShapeCache, server: FakeServer, key: string) {
  return (await cache.find(server.fetch, key, await sha256Hex(key), format))?.text;
}

function worldsOf(server: FakeServer): string[] {
  return [...server.worlds.keys()].map((path) => path.slice(FOLDER.length)).sort();
}

Deno.test("ShapeCache returns a stored shape from memory", async () => {
  const [cache, server] = [new ShapeCache(4), new FakeServer()];
  assertEquals(cache.peek("a"), undefined);
  await store(cache, server, "a");
  assertEquals(cache.peek("a")?.text, "text of a");
});

Deno.test("ShapeCache finds in the worlds what an earlier process stored", async () => {
  const server = new FakeServer();
  await store(new ShapeCache(4), server, "a");
  const cache = new ShapeCache(4);
  assertEquals(cache.peek("a"), undefined);
  assertEquals(await find(cache, server, "a"), "text of a");
  assertEquals(cache.peek("a")?.text, "text of a");
  assertEquals(await find(cache, server, "b"), undefined);
});

Deno.test("ShapeCache overwrites the least recently used world", async () => {
  const [cache, server] = [new ShapeCache(2), new FakeServer()];
  for (const key of ["a", "b"]) await store(cache, server, key);
  assertEquals(cache.peek("a")?.text, "text of a");
  await store(cache, server, "c");
  assertEquals(worldsOf(server), ["0000", "0001"]);
  assertEquals(server.sent.some(({ method }) => method === "DELETE"), false);
  const later = new ShapeCache(2);
  assertEquals(
    [
      await find(later, server, "a"),
      await find(later, server, "b"),
      await find(later, server, "c"),
    ],
    ["text of a", undefined, "text of c"],
  );
});

Deno.test("ShapeCache uses the times of the worlds as the order after a restart", async () => {
  const server = new FakeServer();
  const first = new ShapeCache(2);
  for (const key of ["a", "b"]) await store(first, server, key);
  const second = new ShapeCache(2);
  await store(second, server, "c");
  const third = new ShapeCache(2);
  assertEquals([await find(third, server, "a"), await find(third, server, "b")], [
    undefined,
    "text of b",
  ]);
});

Deno.test("ShapeCache deletes the worlds beyond its limit", async () => {
  const server = new FakeServer();
  const large = new ShapeCache(3);
  for (const key of ["a", "b", "c"]) await store(large, server, key);
  assertEquals(await find(new ShapeCache(1), server, "a"), "text of a");
  assertEquals(worldsOf(server), ["0000"]);
});

Deno.test("ShapeCache stores nothing if its limit is 0", async () => {
  const [cache, server] = [new ShapeCache(0), new FakeServer()];
  await store(cache, server, "a");
  assertEquals([cache.peek("a"), await find(cache, server, "a")], [undefined, undefined]);
  assertEquals(server.sent.length, 0);
});

Deno.test("ShapeCache uses a world again that another writer has overwritten", async () => {
  const server = new FakeServer();
  await store(new ShapeCache(1), server, "a");
  server.put(`${FOLDER}0000`, "forged", { "x-meta-key": await sha256Hex("a") });
  server.put(`${FOLDER}0000`, "forged", {});
  const cache = new ShapeCache(1);
  assertEquals(await find(cache, server, "a"), undefined);
  await store(cache, server, "b");
  assertEquals(worldsOf(server), ["0000"]);
});

Deno.test("ShapeCache keeps a shape in memory if its world cannot be written", async () => {
  const [cache, server] = [new ShapeCache(1), new FakeServer()];
  server.responses.set(`PUT ${FOLDER}0000`, () => new Response("full", { status: 507 }));
  await store(cache, server, "a");
  assertEquals(cache.peek("a")?.text, "text of a");
  server.responses.clear();
  await store(cache, server, "a");
  assertEquals(worldsOf(server), ["0000"]);
});

Deno.test("ShapeCache reads the worlds again after a failed listing", async () => {
  const server = new FakeServer();
  await store(new ShapeCache(1), server, "a");
  const cache = new ShapeCache(1);
  server.responses.set(`GET ${FOLDER}`, () => Response.json({ not: "an array" }));
  let message = "";
  await find(cache, server, "a").catch((error) => message = error.message);
  assertEquals(message, `Cannot list ${FOLDER}: the response is not an array`);
  server.responses.clear();
  assertEquals(await find(cache, server, "a"), "text of a");
});
