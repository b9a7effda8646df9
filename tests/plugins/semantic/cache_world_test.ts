import { assertEquals, assertRejects } from "../../support/assert.ts";
import {
  cacheWorldName,
  deleteCacheWorld,
  inspectCacheWorld,
  listCacheWorlds,
  readCacheWorld,
  writeCacheWorld,
} from "../../../plugins/semantic/cache_world.ts";
import { FakeServer } from "./fake_server.ts";
import { formatOf, generationInput, HASH, shapeOf } from "./fixtures.ts";

const WORLD = "/var/cache/semantic/0000";
const json = formatOf("application/json");

Deno.test("cacheWorldName() has at least four digits", () => {
  assertEquals([0, 41, 4095].map(cacheWorldName), ["0000", "0041", "4095"]);
});

Deno.test("listCacheWorlds() returns names of four digits and ignores others", async () => {
  const server = new FakeServer();
  assertEquals(await listCacheWorlds(server.fetch), []);
  for (const name of ["0001", "0000", "notes", "12345"]) {
    server.put(`/var/cache/semantic/${name}`, "");
  }
  assertEquals((await listCacheWorlds(server.fetch)).sort(), ["0000", "0001"]);
});

Deno.test("listCacheWorlds() throws if the response is not a listing", async () => {
  const server = new FakeServer();
  server.responses.set("GET /var/cache/semantic/", () => Response.json("no"));
  await assertRejects(listCacheWorlds(server.fetch), /^Error: Cannot list/);
});

Deno.test("writeCacheWorld() stores plain text with its metadata", async () => {
  const server = new FakeServer();
  const input = generationInput({
    format: json,
    intent: "für mich",
    source: { text: "t", tag: "t", cut: "1/2" },
  });
  assertEquals(await writeCacheWorld(server.fetch, "0000", input, await shapeOf("{}")), true);
  assertEquals(server.count("PUT", `${WORLD}?ext=txt`), 1);
  const { headers = {}, body } = server.worlds.get(WORLD) ?? {};
  assertEquals(body, "{}");
  assertEquals(
    ["key", "shape", "gpu", "source", "intent", "cut"].map((name) => headers[`x-meta-${name}`]),
    [HASH, "application/json", "fake/m1; local", "/home/x", "f%C3%BCr%20mich", "1/2"],
  );
});

Deno.test("writeCacheWorld() returns false if the server refuses", async () => {
  const server = new FakeServer();
  server.responses.set(`PUT ${WORLD}`, () => new Response("full", { status: 507 }));
  assertEquals(
    await writeCacheWorld(server.fetch, "0000", generationInput(), await shapeOf("x")),
    false,
  );
});

Deno.test("readCacheWorld() returns the shape as it was stored", async () => {
  const server = new FakeServer();
  const source = { text: "t", tag: "t", cut: "1/2" };
  const input = generationInput({ format: json, source });
  const shape = await shapeOf("{}", "application/json");
  await writeCacheWorld(server.fetch, "0000", input, shape);
  const read = await readCacheWorld(server.fetch, "0000", HASH, json);
  assertEquals(
    [read?.text, read?.etag, read?.headers],
    ["{}", shape.etag, { ...shape.headers, "x-semantic-cut": "1/2" }],
  );
});

Deno.test("readCacheWorld() returns undefined for what the plugin did not store", async () => {
  const server = new FakeServer();
  const rows: [body: string, headers: Record<string, string>][] = [
    ["<html>not JSON</html>", { "x-meta-key": HASH }],
    ["", { "x-meta-key": HASH }],
    ["{}", { "x-meta-key": "0".repeat(64) }],
    ["{}", {}],
  ];
  for (const [body, headers] of rows) {
    server.put(WORLD, body, headers);
    assertEquals(await readCacheWorld(server.fetch, "0000", HASH, json), undefined, body);
  }
  await deleteCacheWorld(server.fetch, "0000");
  assertEquals(await readCacheWorld(server.fetch, "0000", HASH, json), undefined);
});

Deno.test("inspectCacheWorld() reads hash and time", async () => {
  const server = new FakeServer();
  server.put(WORLD, "x", { "x-meta-key": HASH });
  const { name, hash, modified } = await inspectCacheWorld(server.fetch, "0000");
  assertEquals([name, hash, modified], ["0000", HASH, Date.UTC(2026, 0, 1, 0, 0, 1)]);
});

Deno.test("inspectCacheWorld() reports a missing hash and time", async () => {
  assertEquals(await inspectCacheWorld(new FakeServer().fetch, "0000"), {
    name: "0000",
    hash: null,
    modified: 0,
  });
});
