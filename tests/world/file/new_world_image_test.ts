import { assertEquals, assertNotEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import type { NewWorld } from "../../../lib/world/change/create_world.ts";
import { ImageBuilder } from "../../../lib/world/file/new_world_image.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const seal = createChainSigner("key");
const NOW = "2026-01-01T00:00:00.000Z";
const encoder = new TextEncoder();

function newWorld(body: Uint8Array<ArrayBuffer>, more: Partial<NewWorld> = {}): NewWorld {
  const base = { name: "home/x", version: 1, op: "put" as const, body, sent: body, ext: "txt" };
  return { ...base, headers: "[]", state: "", eventFields: { by: "T2" }, ...more };
}

/** Writes an image to a file and opens it as a world. */
function inFile<T>(image: Uint8Array, look: (db: DatabaseSync) => T): Promise<T> {
  return withTempFolder((data) => {
    Deno.writeFileSync(`${data}/universe.db`, image);
    const db = new DatabaseSync(`${data}/universe.db`);
    try {
      return look(db);
    } finally {
      db.close();
    }
  });
}

Deno.test("ImageBuilder.build() returns a complete world in WAL mode with its first event", async () => {
  const maker = new ImageBuilder(seal);
  for (const size of [0, 1, 1024, 1025, 100_000]) {
    const body = crypto.getRandomValues(new Uint8Array(Math.min(size, 65536)));
    const { image, row, sha256 } = maker.build(newWorld(body), NOW);
    assertEquals([row.version, row.len, sha256], [1, body.length, sha256Hex(body)]);
    await inFile(image, (db) => {
      assertEquals(db.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
      assertEquals(verifyWorld(db, "home/x", seal), {
        faults: [],
        isDeleted: false,
        isNamed: true,
      });
      assertEquals(db.prepare("SELECT stage_html AS b FROM stage_meta").get()?.b, body);
    });
  }
  maker.close();
});

Deno.test("ImageBuilder.build() returns images without bytes of earlier worlds", () => {
  const maker = new ImageBuilder(seal);
  const secret = "a secret of the first world";
  maker.build(newWorld(encoder.encode(secret), { headers: `[["x-meta-a","${secret}"]]` }), NOW);
  const { image } = maker.build(newWorld(encoder.encode("second")), NOW);
  const text = new TextDecoder("latin1").decode(image);
  assertEquals(text.includes("secret"), false);
  maker.close();
});

Deno.test("ImageBuilder.build() returns images of a size that does not depend on earlier worlds", () => {
  const maker = new ImageBuilder(seal);
  const small = newWorld(encoder.encode("x"));
  const { length } = maker.build(small, NOW).image;
  const headers = `[["x-meta-a","${"z".repeat(8000)}"]]`;
  for (
    const big of [newWorld(new Uint8Array(100_000)), newWorld(encoder.encode("x"), { headers })]
  ) {
    maker.build(big, NOW);
    assertEquals(maker.build(small, NOW).image.length, length);
  }
  maker.close();
});

Deno.test("ImageBuilder.build() succeeds after a failed call", async () => {
  const maker = new ImageBuilder(seal);
  const impossible = newWorld(encoder.encode("x"), { eventFields: { by: 1n } });
  let failed = false;
  try {
    maker.build(impossible, NOW);
  } catch {
    failed = true; // a bigint has no JSON
  }
  assertEquals(failed, true);
  const { image } = maker.build(newWorld(encoder.encode("y")), NOW);
  await inFile(image, (db) => assertEquals(verifyWorld(db, "home/x", seal).faults, []));
  maker.close();
});

Deno.test("ImageBuilder.build() records an append with the bytes of the request only", async () => {
  const maker = new ImageBuilder(seal);
  const { image } = maker.build(
    newWorld(encoder.encode("lower, added"), {
      op: "append",
      sent: encoder.encode(", added"),
      eventFields: { by: "T3", covers: "lower" },
    }),
    NOW,
  );
  await inFile(image, (db) => {
    const event = db.prepare("SELECT event_type, payload FROM events").get();
    assertEquals(event?.event_type, "stage_appended");
    const payload = JSON.parse(String(event?.payload));
    assertEquals([payload.append_len, payload.append_sha256], [7, sha256Hex(", added")]);
    assertEquals([payload.body_sha256_after, payload.covers], [sha256Hex("lower, added"), "lower"]);
    assertEquals([payload.ext, payload.version_after, payload.meta_headers], ["txt", 1, []]);
  });
  maker.close();
});

Deno.test("ImageBuilder.build() returns images that do not share memory", () => {
  const maker = new ImageBuilder(seal);
  const first = maker.build(newWorld(encoder.encode("first")), NOW).image;
  const copy = first.slice();
  const second = maker.build(newWorld(encoder.encode("2")), NOW).image;
  assertEquals(first, copy);
  assertNotEquals(first, second);
  maker.close();
});
