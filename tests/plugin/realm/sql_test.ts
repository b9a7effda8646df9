import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import * as sqlite from "node:sqlite";
import { makeSql, type Sqlite } from "../../../lib/plugin/realm/sql.ts";

async function withDatabase(
  act: (query: ReturnType<typeof makeSql>["query"], path: string) => Promise<void>,
) {
  const folder = await Deno.makeTempDir({ prefix: "elastik-sql-" });
  const path = `${folder}/a.db`;
  const database = new DatabaseSync(path);
  database.exec(
    "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL), (9007199254740993, x'0102')",
  );
  database.close();
  // The published types lag behind the runtime; `Sqlite` says what is used of it.
  const { query } = makeSql(
    Deno,
    sqlite as unknown as Sqlite,
    (path) => Promise.resolve(String(path)),
  );
  try {
    await act(query, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("makeSql() gives rows in the columns' order and says when there are more", () =>
  withDatabase(async (query, path) => {
    for (const copy of [false, true]) {
      const all = await query(path, "SELECT b, a FROM t", [], { copy });
      equal(all.columns, ["b", "a"]);
      equal(all.rows, [["x", 1], [null, 2], [new Uint8Array([1, 2]), "9007199254740993"]]);
      equal(all.truncated, false);
      const some = await query(path, "SELECT a FROM t WHERE a >= ?", [1], { maxRows: 2, copy });
      equal([some.rows.length, some.truncated], [2, true]);
    }
  }));

Deno.test("makeSql() does nothing but read", () =>
  withDatabase(async (query, path) => {
    const refused = [
      "INSERT INTO t VALUES (3, 'y') RETURNING a",
      "DELETE FROM t RETURNING a",
      "ATTACH '/etc/passwd' AS x",
      "PRAGMA journal_mode = DELETE",
      "PRAGMA user_version = 7",
      "PRAGMA writable_schema",
      "SELECT load_extension('x')",
      "SELECT readfile('/etc/passwd')",
      "CREATE TABLE u(a)",
      "VACUUM INTO '/tmp/x'",
    ];
    for (const statement of refused) {
      for (const copy of [false, true]) {
        await rejects(query(path, statement, [], { copy }), statement);
      }
    }
    equal((await query(path, "PRAGMA table_info(t)")).rows.length, 2);
    equal((await query(path, "SELECT count(*) FROM t")).rows, [[3]]);
  }));

Deno.test("makeSql() ends a query whose time is over", () =>
  withDatabase(async (query, path) => {
    const endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    await rejects(query(path, endless, [], { maxRows: 100_000, timeoutMs: 1 }), /its time is over/);
  }));
