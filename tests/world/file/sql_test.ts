import { assert, assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import * as sql from "../../../lib/world/file/sql.ts";

const STATEMENTS = Object.entries(sql).flatMap(([name, text]) =>
  typeof text === "string" ? [[name, text] as const] : []
);

/** Creates a database with the tables of worlds and of the catalog. */
function everything(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  const all = [
    sql.CREATE_WORLD,
    sql.CREATE_HISTORY,
    sql.CREATE_PIECES,
    sql.CREATE_CATALOG,
    sql.CREATE_LEDGER,
  ];
  for (const tables of all) db.exec(tables);
  return db;
}

Deno.test("sql has only statements that match the tables", () => {
  const db = everything();
  assert(STATEMENTS.length > 30);
  for (const [name, text] of STATEMENTS) {
    if (name.startsWith("CREATE_")) continue;
    assert(db.prepare(text), name);
  }
  db.close();
});

Deno.test("sql has only statements without interpolated values", () => {
  for (const [name, text] of STATEMENTS) assert(!text.includes("${"), name);
});

Deno.test("CREATE_WORLD creates the documented tables and columns", () => {
  const db = everything();
  const columns = (table: string) =>
    db.prepare("SELECT name FROM pragma_table_info(?)").all(table).map(({ name }) => name);
  assertEquals(columns("stage_meta"), [
    "id",
    "stage_html",
    "version",
    "updated_at",
    "ext",
    "headers",
    "state",
  ]);
  assertEquals(columns("events"), [
    "id",
    "timestamp",
    "event_type",
    "payload",
    "hmac",
    "prev_hmac",
  ]);
  db.close();
});

Deno.test("BEFORE_ALL_EVENTS is less than every possible id", () => {
  const db = everything();
  db.exec(`INSERT INTO events VALUES (-9223372036854775807, '', '', '', '', '')`);
  assertEquals(
    db.prepare("SELECT count(*) AS n FROM events WHERE id > ?").get(sql.BEFORE_ALL_EVENTS)?.n,
    1,
  );
  db.close();
});
