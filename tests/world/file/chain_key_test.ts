import { assertStrictEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { isSignedWithOtherKey } from "../../../lib/world/file/chain_key.ts";
import { createSample, SAMPLE_FILE, SAMPLE_KEY } from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Damages the sample world with SQL and checks its key. */
function checkKey(
  sqlText: string,
  key = SAMPLE_KEY,
  retiredKeys: readonly string[] = [],
): Promise<boolean> {
  return withTempFolder((data) => {
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    try {
      db.exec(sqlText);
      const readRows = (statement: string, ...values: (number | bigint)[]) =>
        db.prepare(statement).all(...values);
      return isSignedWithOtherKey(readRows, createChainSigner(key, retiredKeys));
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

Deno.test("isSignedWithOtherKey() knows retired keys", async () => {
  assertStrictEquals(await checkKey("", "current", [SAMPLE_KEY]), false);
  assertStrictEquals(await checkKey("", "current", ["older", SAMPLE_KEY, "newer"]), false);
  assertStrictEquals(await checkKey("", "current", ["older", "newer"]), true);
  // An altered event in the middle, and one at the end of a chain without an event of this key: the newest
  // event could be of a key between the two.
  const altered = (id: number) => `UPDATE events SET payload = '{}' WHERE id = ${id}`;
  assertStrictEquals(await checkKey(altered(3), "current", ["older", SAMPLE_KEY]), false);
  assertStrictEquals(await checkKey(altered(6), "current", ["older", SAMPLE_KEY]), true);
  assertStrictEquals(await checkKey(altered(6), SAMPLE_KEY, ["older"]), false);
});
