import { assertStrictEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { isSignedWithOtherKey } from "../../../lib/world/file/chain_key.ts";
import { createSample, SAMPLE_FILE, SAMPLE_KEY } from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Damages the sample world with SQL and checks its key. */
function checkKey(sqlText: string, key = SAMPLE_KEY): Promise<boolean> {
  return withTempFolder((data) => {
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    try {
      db.exec(sqlText);
      const readRows = (statement: string, ...values: (number | bigint)[]) =>
        db.prepare(statement).all(...values);
      return isSignedWithOtherKey(readRows, createChainSigner(key));
    } finally {
      db.close();
    }
  });
}

Deno.test("isSignedWithOtherKey() distinguishes another key from an altered event", async () => {
  assertStrictEquals(await checkKey(""), false);
  assertStrictEquals(await checkKey("", "another key"), true);
  // The newest event, an event in the middle, and all but one.
  assertStrictEquals(await checkKey("UPDATE events SET payload = '{}' WHERE id = 6"), false);
  assertStrictEquals(await checkKey("UPDATE events SET payload = '{}' WHERE id = 3"), false);
  assertStrictEquals(await checkKey("UPDATE events SET payload = '{}' WHERE id <> 2"), false);
});

Deno.test("isSignedWithOtherKey() returns false for a chain without events", async () => {
  assertStrictEquals(await checkKey("DELETE FROM events"), false);
});
