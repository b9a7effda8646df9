import { assertEquals, assertRejects } from "../../support/assert.ts";
import { TimeSlices } from "../../../lib/base/time_slices.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { MAX_CONTENTS_BYTES } from "../../../lib/limits.ts";
import { encodeContents } from "../../../lib/routes/listing/world_contents.ts";
import {
  type Child,
  StoreError,
  type StoreErrorCode,
  type World,
  type WorldEntry,
} from "../../../lib/world/store.ts";

const CALLER: Caller = { tier: "T2", by: "T2", authenticated: true };
const AT = "2026-01-02T03:04:05.678Z";

function world(name: string, text: string): World {
  const body = new TextEncoder().encode(text);
  const rest = {
    ext: "txt",
    meta: [],
    state: "",
    updatedAt: AT,
    sha256: "",
    layer: "upper",
  } as const;
  return { name, version: 2, body, ...rest };
}

function child(name: string, len = 1): Child {
  const rest = { ext: "txt", state: "", updatedAt: AT, layer: "upper", by: "T3" } as const;
  return { name, dir: false, entry: { name, version: 2, len, head: 2, headAt: AT, ...rest } };
}

/** Encodes children of which some can be read. */
async function encode(
  children: readonly Child[],
  found: Readonly<Record<string, World | StoreErrorCode>>,
  reads: string[] = [],
) {
  const store = {
    read(name: string) {
      reads.push(name);
      const result = found[name];
      if (typeof result !== "string") return Promise.resolve(result);
      return Promise.reject(new StoreError(result, "Cannot read"));
    },
    stat: (name: string): WorldEntry | undefined =>
      children.find((each) => each.name === name)?.entry,
  };
  const access = { childOf: (row: Child) => row, nameOf: (row: Child) => row.name };
  const { rows, isCut } = await encodeContents(store, CALLER, children, access, new TimeSlices(50));
  return { rows: rows.map(({ json }) => JSON.parse(json)), isCut };
}

Deno.test("encodeContents() omits a deleted world, and the content of one that cannot be read", async () => {
  const children = [child("home/a"), child("home/gone"), child("home/bad"), {
    name: "d",
    dir: true,
  }];
  const { rows, isCut } = await encode(children, {
    "home/a": world("home/a", "x"),
    "home/bad": "damaged",
  });
  assertEquals(rows.map(({ name, stage_html }) => [name, stage_html]), [
    ["home/a", "x"],
    ["home/bad", undefined],
    ["d", undefined],
  ]);
  assertEquals(isCut, false);
});

Deno.test("encodeContents() throws an error that concerns the whole store", async () => {
  await assertRejects(() => encode([child("home/a")], { "home/a": "closed" }), { code: "closed" });
});

Deno.test("encodeContents() names the caller of the shown version only", async () => {
  const later = { ...world("home/a", "x"), version: 3 };
  const { rows } = await encode([child("home/a")], { "home/a": later });
  assertEquals([rows[0].version, rows[0].by], [3, undefined]);
});

Deno.test("encodeContents() ends at the limit to the byte, and reads little beyond it", async () => {
  const row = (text: string) => world("home/a", text);
  const sample = "x".repeat(1_000_000);
  const [only] = (await encode([child("home/a")], { "home/a": row(sample) })).rows;
  const overhead = JSON.stringify(only).length - sample.length;
  for (const [extra, count] of [[0, 2], [1, 1]] as const) {
    const text = "x".repeat(MAX_CONTENTS_BYTES / 2 - overhead + extra);
    const children = [child("home/a", text.length), child("home/a", text.length)];
    const { rows, isCut } = await encode(children, { "home/a": row(text) });
    assertEquals([rows.length, isCut], [count, count === 1]);
  }
  // Each row has less than a third of the limit in characters, but half of it in bytes.
  const wide = "\u00e9".repeat(MAX_CONTENTS_BYTES / 4);
  const wides = Array.from({ length: 4 }, () => child("home/a", 2 * wide.length));
  assertEquals((await encode(wides, { "home/a": row(wide) })).rows.length, 1);
  const large = MAX_CONTENTS_BYTES;
  const reads: string[] = [];
  const children = ["home/a", "home/b", "home/c"].map((name) => child(name, large));
  const found = Object.fromEntries(
    children.map(({ name }) => [name, world(name, "x".repeat(large))]),
  );
  const page = await encode(children, found, reads);
  assertEquals([page.rows.length, page.isCut, reads], [1, true, ["home/a", "home/b"]]);
});
