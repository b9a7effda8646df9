/** The upkeep of the PostgreSQL store, on a real server. */

import { assertEquals } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";

const server = sharedServer();

postgresTest("upkeep_1 deletes old content without a version, a few at a time", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  await session.query(`
    INSERT INTO elastik.content VALUES (1, 0, 'a'), (2, 0, 'b'), (2, 1, 'c'), (3, 0, 'd'), (4, 0, 'e');
    INSERT INTO elastik.uploads VALUES (1, clock_timestamp() - interval '300 s'),
      (2, clock_timestamp() - interval '620 s'), (3, clock_timestamp() - interval '610 s');
    INSERT INTO elastik.nodes VALUES ('a', '', '', '{}', clock_timestamp() - interval '110 s'),
      ('b', '', '', '{}', clock_timestamp() - interval '8 s');
    INSERT INTO elastik.dav_locks VALUES ('t', '/x', '0', true, '', '', '', 1, clock_timestamp(), 1);
    INSERT INTO elastik.dav_ended VALUES ('o', 3, clock_timestamp() - interval '110 s'),
      ('n', 4, clock_timestamp() - interval '8 s')`);
  const upkeep = async () =>
    (await session.query("SELECT elastik.upkeep_1(600, 100, 1) AS deleted"))[0]?.deleted;
  const ids = async () =>
    (await session.query("SELECT id FROM elastik.content ORDER BY id, at")).map(({ id }) => id);
  assertEquals([await upkeep(), await ids()], [1, [1, 3, 4]]);
  assertEquals([await upkeep(), await ids()], [1, [1, 4]]);
  assertEquals([await upkeep(), await ids()], [0, [1, 4]]);
  const left = await session.query(
    "SELECT id FROM elastik.nodes UNION ALL SELECT token FROM elastik.dav_locks",
  );
  assertEquals(left.map(({ id }) => id), ["b"]);
  const [guard] = await session.query(
    "SELECT floor, (SELECT string_agg(token, '') FROM elastik.dav_ended) AS ended FROM elastik.guard",
  );
  assertEquals(guard, { floor: 3, ended: "n" });
});

postgresTest("upkeep_1 leaves the work to the node that is at it", async () => {
  await using database = await PostgresDatabase.create(server());
  const [first, second] = [await database.open(), await database.open()];
  await first.query("INSERT INTO elastik.uploads VALUES (1, '2020-01-01'); BEGIN");
  await first.query("SELECT pg_advisory_xact_lock(7022)");
  const upkeep = async () =>
    (await second.query("SELECT elastik.upkeep_1(60, 10, 9) AS deleted"))[0]?.deleted;
  assertEquals(await upkeep(), 0);
  await first.query("COMMIT");
  assertEquals(await upkeep(), 1);
});
