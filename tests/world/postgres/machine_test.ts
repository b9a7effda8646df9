import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { withDatabaseSession } from "../../support/database_session.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";
import {
  explainMachine,
  explainRetiredKeys,
  keyCheckOf,
  orderRetiredKeys,
  readMachine,
} from "../../../lib/world/postgres/machine.ts";

const server = sharedServer();

/** Facts of a store that needs some retired keys. */
function machineOf(retired: readonly string[]) {
  return {
    schemaVersion: 2,
    keyCheck: keyCheckOf("key"),
    retiredKeys: retired.map(toKeyId),
    epoch: "e",
    createdAt: "c",
  };
}

Deno.test("explainMachine() names what is to be done", () => {
  const machine = machineOf(["retired"]);
  assertEquals(explainMachine(machine, "key", 2), undefined);
  assertEquals(explainMachine(machine, undefined, 2), undefined);
  for (
    const [found, key, version, reason] of [
      [undefined, "key", 2, /no store; run elastik store init$/],
      [machine, "key", 3, /schema is 2, .* needs 3; run elastik store upgrade$/],
      [machine, "key", 1, /schema is 2, .* knows 1; use a newer elastik$/],
      [machine, "other", 2, /ELASTIK_KEY is not its key/],
      [machine, "retired", 2, /ELASTIK_KEY is a retired key of it; .* its present key$/],
    ] as const
  ) assertMatch(explainMachine(found, key, version) ?? "", reason);
});

Deno.test("explainRetiredKeys() names each retired key that a node lacks, and what is sufficient", () => {
  const machine = machineOf(["first", "second"]);
  assertEquals(explainRetiredKeys(machineOf([]), []), undefined);
  assertEquals(explainRetiredKeys(machine, ["second", "other", "first"]), undefined);
  assertEquals(
    explainRetiredKeys(machine, ["second"]),
    `.key-retired in the data folder lacks the retired key ${toKeyId("first")}, which earlier ` +
      "events need; copy .key-retired from another node, or add the key with elastik key add",
  );
  const both = explainRetiredKeys(machine, ["key"]) ?? "";
  assertMatch(both, new RegExp(`keys ${toKeyId("first")}, ${toKeyId("second")}, which`));
});

Deno.test("orderRetiredKeys() uses the order in which the store retired the keys", () => {
  const machine = machineOf(["first", "second", "third"]);
  assertEquals(orderRetiredKeys(machine, ["third", "own", "first", "second", "other"]), [
    "own",
    "other",
    "first",
    "second",
    "third",
  ]);
});

Deno.test("keyCheckOf() differs for each key and does not contain it", () => {
  assertMatch(keyCheckOf("key"), /^[0-9a-f]{64}$/);
  assertEquals(new Set(["key", "kez", "key "].map(keyCheckOf)).size, 3);
});

postgresTest(
  "readMachine() finds no store in an empty database and none without its row",
  () =>
    withDatabaseSession(server(), async (session) => {
      assertEquals(await readMachine(session), undefined);
      await session.query(`CREATE SCHEMA elastik; CREATE TABLE elastik.machine (
      schema_version int, key_check text, retired_keys text, epoch text, created_at text)`);
      assertEquals(await readMachine(session), undefined);
      await session.query("INSERT INTO elastik.machine VALUES (1, 'k', 'a b', 'e', 'c')");
      assertEquals(await readMachine(session), {
        schemaVersion: 1,
        keyCheck: "k",
        retiredKeys: ["a", "b"],
        epoch: "e",
        createdAt: "c",
      });
    }),
);

postgresTest(
  "readMachine() says so if the role has no rights",
  () =>
    withDatabaseSession(server(), async (session) => {
      await session.query(`CREATE SCHEMA elastik; CREATE TABLE elastik.machine (schema_version int);
      CREATE ROLE no_rights; SET ROLE no_rights`);
      await assertRejects(readMachine(session), (error: Error) => {
        assertMatch(error.message, /store init --role/);
        return true;
      });
      await session.query("RESET ROLE; DROP ROLE no_rights");
    }),
);
