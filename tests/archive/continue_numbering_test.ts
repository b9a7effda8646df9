import { assertEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { continueNumbering } from "../../lib/archive/continue_numbering.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { verifyWorld } from "../../lib/world/file/verify_world.ts";
import { putJob, testWriter } from "../testdata/test_writer.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { KEY, NOW, OTHER_KEY } from "./fixtures.ts";

/** Calls it on a world with two versions; returns the result, version, time and faults. */
function continueAfter(lastVersion: number | undefined, key = KEY): Promise<unknown[]> {
  return withTempFolder((data) => {
    const writer = testWriter(data, { key: KEY });
    writer.apply([putJob("home/a", "one"), putJob("home/a", "two")]);
    writer.close();
    const path = `${data}/home%2Fa/universe.db`;
    const last = lastVersion === undefined
      ? undefined
      : { version: lastVersion, updatedAt: "2036-01-01T00:00:00.000Z", trash: "" };
    const result = continueNumbering("home/a", path, last, key, NOW);
    const db = new DatabaseSync(path);
    const row = db.prepare(
      "SELECT version, updated_at > '2036' AS late, CAST(stage_html AS TEXT) AS text FROM stage_meta",
    ).get();
    const faults = verifyWorld(db, "home/a", createChainSigner(KEY)).faults;
    db.close();
    return Promise.resolve([result, row?.version, row?.late, row?.text, faults]);
  });
}

Deno.test("continueNumbering() adds a version with the same bytes after the last one of the name", async () => {
  assertEquals(await continueAfter(7), [true, 8, 1, "two", []]);
  assertEquals(await continueAfter(2), [true, 3, 1, "two", []]);
});

Deno.test("continueNumbering() changes no world with a version that the name has not used", async () => {
  for (const last of [1, undefined]) {
    assertEquals(await continueAfter(last), [true, 2, 0, "two", []]);
  }
});

Deno.test("continueNumbering() refuses a chain that another key signed", async () => {
  assertEquals(await continueAfter(7, OTHER_KEY), [false, 2, 0, "two", []]);
});
