/** The names that the write path keeps in memory, and their limits. */

import { assertEquals } from "../../support/assert.ts";
import { MAX_CACHED_NAMES, MAX_CACHED_NAMES_BYTES } from "../../../lib/cluster_limits.ts";
import { NameCache } from "../../../lib/world/postgres/name_cache.ts";
import { UNUSED_NAME, type WorldRow } from "../../../lib/world/postgres/records.ts";

const ROW: WorldRow = {
  ...{ id: 1, name: "home/a", version: 1, ext: "txt", headers: "", state: "", updatedAt: "t" },
  ...{ len: 1, sha256: "s", eventId: 1, eventHmac: "h", eventAt: "t", by: "T2" },
  ...{ keptFrom: 0, keptVersions: 0, keptBytes: 0 },
};

Deno.test(`NameCache keeps ${MAX_CACHED_NAMES} names and drops the least recently used one`, () => {
  const names = new NameCache();
  for (let i = 0; i < MAX_CACHED_NAMES; i++) names.set(`home/${i}`, { last: UNUSED_NAME });
  names.get("home/0");
  assertEquals(names.get("home/1"), { last: UNUSED_NAME });
  names.set("home/new", { last: UNUSED_NAME });
  assertEquals(names.get("home/2"), undefined);
  assertEquals(names.get("home/0"), { last: UNUSED_NAME });
});

Deno.test("NameCache keeps inline bytes up to its limit", () => {
  const names = new NameCache();
  const body = new Uint8Array(MAX_CACHED_NAMES_BYTES / 2 - 512);
  const known = { world: { row: { ...ROW, body } }, last: UNUSED_NAME };
  names.set("home/a", known);
  names.set("home/b", known);
  assertEquals([names.get("home/a"), names.get("home/b")], [known, known]);
  names.set("home/c", { last: UNUSED_NAME });
  assertEquals([names.get("home/a"), names.get("home/b")], [undefined, known]);
});

Deno.test("NameCache keeps no long bytes", () => {
  const names = new NameCache();
  names.set("home/a", { world: { row: ROW, loaded: new Uint8Array(1) }, last: UNUSED_NAME });
  assertEquals(names.get("home/a"), { world: { row: ROW }, last: UNUSED_NAME });
  names.drop("home/a");
  assertEquals(names.get("home/a"), undefined);
});
