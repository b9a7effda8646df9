/** Rows as one parameter: what the server reads is what was written. */

import { assertEquals } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { RecordText } from "../../../lib/world/postgres/record_text.ts";

const server = sharedServer();

Deno.test("RecordText counts its rows, and quotes texts but no numbers", () => {
  const rows = new RecordText();
  assertEquals([rows.count, String(rows)], [0, "{}"]);
  rows.add([1, "a", null, true]);
  rows.add([2, "", null, false]);
  assertEquals([rows.count, String(rows)], [
    2,
    String.raw`{"(1,\"a\",,true)","(2,\"\",,false)"}`,
  ]);
});

postgresTest("the server reads the rows of RecordText as they were written", async () => {
  await using database = await PostgresDatabase.create(server());
  const session = await database.open();
  await session.query("CREATE TYPE elastik.row_of_test AS (n bigint, t text, u text, b bool)");
  const texts = [
    ...["", " ", "NULL", "null", '"', "\\", '\\"', "a,b", "(a)", "{a}", "a)b(", "'", "\n\r\t"],
    ...['{"by":"T2","quote":"\\"{,}\\\\"}', "é😀", "\u0001\u001f", "%s$1", '""', "\\\\"],
  ];
  const written = texts.map((text, i) => [i - 2, text, i % 2 === 0 ? null : text, i % 3 === 0]);
  const rows = new RecordText();
  for (const row of written) rows.add(row);
  const found = await session.query(
    "SELECT n, t, u, b FROM unnest($1::elastik.row_of_test[]) AS x",
    [String(rows)],
  );
  assertEquals(found.map(({ n, t, u, b }) => [n, t, u, b]), written);
  assertEquals(
    await session.query("SELECT * FROM unnest($1::elastik.row_of_test[]) AS x", [
      String(new RecordText()),
    ]),
    [],
  );
});
