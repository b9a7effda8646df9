/** Uploads of long bytes: whole and in order, or not at all. */

import { assertEquals, assertRejects } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { MAX_CHUNK_BYTES } from "../../../lib/cluster_limits.ts";
import { readContent, uploadContent } from "../../../lib/world/postgres/content.ts";

const server = sharedServer();

/** Bytes of some chunks, each different from the others. */
function bytesOf(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, at) => (at / 1000) ^ (at % 251));
}

postgresTest("uploadContent() stores all bytes in order, and the id as an upload", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  const lengths = [1, MAX_CHUNK_BYTES, 4 * MAX_CHUNK_BYTES, 9 * MAX_CHUNK_BYTES + 7];
  for (const [id, length] of lengths.entries()) {
    const bytes = bytesOf(length);
    await uploadContent(session, id, bytes);
    assertEquals(await readContent(session, id, length, "home/x"), bytes);
  }
  const uploads = await session.query("SELECT id FROM elastik.uploads ORDER BY id");
  assertEquals(uploads.map(({ id }) => id), [0, 1, 2, 3]);
});

postgresTest("uploadContent() that fails stores nothing", async () => {
  await using database = await PostgresDatabase.create(server());
  const other = await database.open();
  await other.query(`INSERT INTO elastik.content VALUES (2, ${6 * MAX_CHUNK_BYTES}, 'taken')`);
  await other.query("INSERT INTO elastik.uploads (id) VALUES (1)");
  for (const id of [1, 2]) {
    const session = await database.open();
    const uploaded = uploadContent(session, id, bytesOf(9 * MAX_CHUNK_BYTES));
    await assertRejects(() => uploaded, { code: "23505" });
    session.drop();
  }
  const [row] = await other.query(
    "SELECT (SELECT count(*) FROM elastik.content) AS chunks, (SELECT count(*) FROM elastik.uploads) AS ids",
  );
  assertEquals([row?.chunks, row?.ids], [1, 1]);
});
