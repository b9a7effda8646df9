import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { withDatabaseSession } from "../../support/database_session.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { explainMachine, keyCheckOf, readMachine } from "../../../lib/world/postgres/machine.ts";

const server = sharedServer();

Deno.test("explainMachine() names what is to be done", () => {
  const machine = { schemaVersion: 2, keyCheck: keyCheckOf("key"), epoch: "e", createdAt: "c" };
  assertEquals(explainMachine(machine, "key", 2), undefined);
  assertEquals(explainMachine(machine, undefined, 2), undefined);
  for (
    const [found, key, version, reason] of [
      [undefined, "key", 2, /no store; run elastik store init$/],
      [machine, "key", 3, /schema is 2, .* needs 3; run elastik store upgrade$/],
      [machine, "key", 1, /schema is 2, .* knows 1; use a newer elastik$/],
      [machine, "other", 2, /ELASTIK_KEY is not its key/],
    ] as const
  ) assertMatch(explainMachine(found, key, version) ?? "", reason);
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
      schema_version int, key_check text, epoch text, created_at text)`);
      assertEquals(await readMachine(session), undefined);
      await session.query("INSERT INTO elastik.machine VALUES (1, 'k', 'e', 'c')");
      assertEquals(await readMachine(session), {
        schemaVersion: 1,
        keyCheck: "k",
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
