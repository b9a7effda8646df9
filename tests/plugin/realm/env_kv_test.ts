/** Tests of keys and values without a server; `kv_test.ts` tests `env.kv` inside a plugin. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import {
  MAX_KV_LIST_KEYS,
  MAX_KV_NAME_BYTES,
  MAX_KV_VALUE_BYTES,
} from "../../../lib/cell_limits.ts";
import { createEnvKv, decodeKvKey, encodeKvKey } from "../../../lib/plugin/realm/env_kv.ts";
import { nameFault } from "../../../lib/world/name.ts";

const KEYS = [
  "a",
  "A",
  "user:42",
  "a/b",
  "..",
  ".",
  "-",
  "-2d",
  "é",
  "e\u0301",
  "🙂",
  " ",
  "\0",
  "%",
];

Deno.test("encodeKvKey() gives each key a valid name of its own, also if a disk ignores case", () => {
  const names = KEYS.map(encodeKvKey);
  assertEquals(new Set(names.map((name) => name.toLowerCase())).size, KEYS.length);
  for (const name of names) assertEquals(nameFault(`var/lib/p/kv/${name}`), undefined);
  assertEquals(names.map(decodeKvKey), KEYS);
  assertEquals(encodeKvKey("user:42"), "user-3a42");
});

Deno.test("decodeKvKey() returns undefined for a name that is not of a key", () => {
  for (const name of ["", "A", "-", "-ff", "-2D", "-61", "a.b", "-zz"]) {
    assertEquals(decodeKvKey(name), undefined, name);
  }
});

Deno.test("encodeKvKey() throws for keys that are too long or not text", () => {
  assertEquals(encodeKvKey("a".repeat(MAX_KV_NAME_BYTES)).length, MAX_KV_NAME_BYTES);
  assertThrows(() => encodeKvKey("a".repeat(MAX_KV_NAME_BYTES + 1)), RangeError);
  assertEquals(encodeKvKey("A".repeat(MAX_KV_NAME_BYTES / 3)).length, MAX_KV_NAME_BYTES);
  assertThrows(() => encodeKvKey("A".repeat(MAX_KV_NAME_BYTES / 3) + "a"), RangeError);
  assertThrows(() => encodeKvKey("\ud800"), TypeError);
});

Deno.test("env.kv sends nothing for a key, value, version or limit that is not valid", async () => {
  const kv = createEnvKv(() => Promise.reject(new Error("was sent")), "/var/lib/p/kv/");
  await assertRejects(kv.get(""), TypeError);
  await assertRejects(kv.set("", 1), TypeError);
  await assertRejects(kv.delete(""), TypeError);
  await assertRejects(kv.set("a", undefined), TypeError);
  await assertRejects(kv.set("a", () => 1), TypeError);
  await assertRejects(kv.set("a", "\ud800"), TypeError);
  for (const ifVersion of [-1, 0.5, NaN]) {
    await assertRejects(kv.set("a", 1, { ifVersion }), TypeError);
    await assertRejects(kv.delete("a", { ifVersion }), TypeError);
  }
  for (const limit of [0, 1.5, MAX_KV_LIST_KEYS + 1]) {
    await assertRejects(kv.list({ limit }), RangeError);
  }
  await assertRejects(kv.set("a", new Uint8Array(MAX_KV_VALUE_BYTES + 1)), RangeError);
  await assertRejects(kv.set("a", "x".repeat(MAX_KV_VALUE_BYTES + 1)), RangeError);
});

Deno.test("env.kv throws what the server answered, and percent-encodes the plugin's name", async () => {
  const sent: string[] = [];
  const kv = createEnvKv((input, init) => {
    sent.push(`${init?.method ?? "GET"} ${input}`);
    return Promise.resolve(new Response("the disk is full", { status: 507 }));
  }, "/var/lib/a b/kv/");
  await assertRejects(kv.set("k", new Uint8Array(MAX_KV_VALUE_BYTES)), (error) => {
    assert(error instanceof Error);
    return error.message === "Cannot set k: 507 the disk is full";
  });
  await assertRejects(kv.get("k"), Error);
  await assertRejects(kv.delete("k"), Error);
  await assertRejects(kv.list(), Error);
  assertEquals(sent, [
    "PUT /var/lib/a%20b/kv/k?ext=bin",
    "GET /var/lib/a%20b/kv/k?raw",
    "DELETE /var/lib/a%20b/kv/k",
    "GET /var/lib/a%20b/kv/?limit=101",
  ]);
});

Deno.test("env.kv returns a value that is not text or bytes as JSON carries it", async () => {
  let stored = new Response();
  const kv = createEnvKv((_path, init) => {
    if (init?.method !== "PUT") return Promise.resolve(stored);
    stored = new Response(init.body, { headers: { "content-type": "application/json" } });
    return Promise.resolve(Response.json({ version: 1 }));
  }, "/var/lib/p/kv/");
  const cases: readonly (readonly [unknown, unknown])[] = [
    [{ a: [1, "b", null] }, { a: [1, "b", null] }],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Map([["a", 1]]), {}],
    [new Set([1]), {}],
    [NaN, null],
    [[...new Map([["a", 1]])], [["a", 1]]],
  ];
  for (const [value, expected] of cases) {
    await kv.set("a", value);
    assertEquals((await kv.get("a"))?.value, expected);
  }
});
