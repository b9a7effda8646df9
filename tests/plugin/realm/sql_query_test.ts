import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import * as sqlite from "node:sqlite";
import { MAX_QUERY_IMAGE_BYTES } from "../../../lib/cell_limits.ts";
import {
  createQueryDatabase,
  type SqliteModule,
  withSyncRealPath,
} from "../../../lib/plugin/realm/sql_query.ts";
import type { SqlQuery } from "../../../lib/plugin/realm/sql_codec.ts";
import type { SqlResult, SqlValue } from "../../../lib/plugin/realm/sql_types.ts";

type Ask = (
  sql: string,
  params?: readonly SqlValue[] | Record<string, SqlValue>,
  options?: Partial<SqlQuery>,
) => Promise<SqlResult>;

// `@types/node` lacks members that Deno has; `SqliteModule` declares the used ones.
const SQLITE = sqlite as unknown as SqliteModule;
const NONE = new Uint8Array();
const SETUP =
  "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL), (9007199254740993, x'0102')";

/** Runs a test on a file twice: opened directly and as a copy. */
async function withDatabase(
  test: (ask: Ask, path: string, folder: string) => Promise<void>,
  setup = SETUP,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-query-" });
  const path = `${folder}/a.db`;
  const database = new sqlite.DatabaseSync(path);
  database.exec(setup);
  database.close();
  const queryDatabase = createQueryDatabase(Deno, SQLITE, resolve);
  try {
    for (const copy of [false, true]) {
      await test(
        (sql, params = [], options = {}) =>
          queryDatabase({ sql, params, path, copy, ...options }, NONE),
        path,
        folder,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function resolve(path: unknown): Promise<string> {
  try {
    return await Deno.realPath(String(path));
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error();
    throw Object.assign(new Error(message), { name });
  }
}

function named(name: string, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof Error);
    assertEquals(error.name, name, String(error));
    assertMatch(error.message, words);
    return true;
  };
}

Deno.test("queryDatabase() returns rows in the order of the columns, and whether there are more", () =>
  withDatabase(async (ask) => {
    assertEquals(await ask("SELECT b, a FROM t"), {
      columns: ["b", "a"],
      rows: [["x", 1], [null, 2], [new Uint8Array([1, 2]), "9007199254740993"]],
      truncated: false,
    });
    for (const sql of ["SELECT a FROM t WHERE a >= ? ORDER BY a", "VALUES (1), (2), (?)"]) {
      const some = await ask(sql, [1], { maxRows: 2 });
      assertEquals([some.rows, some.truncated], [[[1], [2]], true]);
    }
    const pragma = await ask("PRAGMA table_info(t)", [], { maxRows: 1 });
    assertEquals([pragma.rows.length, pragma.truncated], [1, true]);
  }));

Deno.test("queryDatabase() keeps duplicate column names and the order of the rows", () =>
  withDatabase(async (ask) => {
    assertEquals((await ask("SELECT 1 AS a, 2 AS a")).columns, ["a", "a"]);
    assertEquals((await ask("SELECT a FROM t ORDER BY a DESC LIMIT 2")).rows, [
      ["9007199254740993"],
      [2],
    ]);
  }));

Deno.test("queryDatabase() binds parameters by position and by name, with their types", () =>
  withDatabase(async (ask) => {
    const types = "SELECT typeof(?), typeof(?), typeof(?), typeof(?), typeof(?)";
    assertEquals((await ask(types, [1, "1", 1.5, null, new Uint8Array(1)])).rows, [
      ["integer", "text", "real", "null", "blob"],
    ]);
    assertEquals((await ask("SELECT :a, $b, @c", { a: 1n, b: "2", c: 2.5 })).rows, [[1, "2", 2.5]]);
    await assertRejects(
      ask("SELECT :a", { b: 1 }),
      named("SqliteError", /Unknown named parameter 'b'/),
    );
    await assertRejects(ask("SELECT ?", [1, 2]), named("SqliteError", /out of range/));
  }));

Deno.test("queryDatabase() refuses every statement that does more than read", () =>
  withDatabase(async (ask, _path, folder) => {
    const refused = [
      "INSERT INTO t VALUES (3, 'y') RETURNING a",
      "DELETE FROM t RETURNING a",
      "WITH x AS (SELECT 1) DELETE FROM t RETURNING a",
      "ATTACH '/etc/passwd' AS x",
      "DETACH main",
      "PRAGMA journal_mode = DELETE",
      "PRAGMA user_version = 7",
      "PRAGMA main.user_version(7)",
      "PRAGMA writable_schema",
      "PRAGMA writable_schema = 1",
      "SELECT * FROM pragma_journal_mode('DELETE')",
      "PRAGMA database_list",
      "SELECT file FROM pragma_database_list",
      "SELECT load_extension('x')",
      "SELECT readfile('/etc/passwd')",
      "CREATE TABLE u(a)",
      "CREATE TEMP TABLE u AS SELECT 1",
      "EXPLAIN DELETE FROM t",
      "BEGIN",
      "SAVEPOINT x",
      "ANALYZE",
      "REINDEX",
      "VACUUM",
      `VACUUM INTO '${folder}/x'`,
    ];
    for (const sql of refused) await assertRejects(ask(sql), named("SqliteError", /./), sql);
    await assertRejects(ask("DELETE FROM t"), named("SqliteError", /only reading is allowed/));
    await assertRejects(
      ask("PRAGMA user_version = 7"),
      named("SqliteError", /PRAGMA user_version/),
    );
    assertEquals((await ask("SELECT count(*) FROM t")).rows, [[3]]);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["a.db"]);
  }));

Deno.test("queryDatabase() accepts one statement with comments and semicolons, and no second one", () =>
  withDatabase(async (ask) => {
    for (
      const sql of [
        "SELECT 7;",
        " -- first\nSELECT 7 -- last",
        "/* ( */ SELECT 7 /* open",
        "SELECT 7; -- that's all",
        "SELECT 7;;  /* and; no more */ ;",
        ";SELECT 7",
        "with x as (values(7)) select * from x",
      ]
    ) assertEquals((await ask(sql)).rows, [[7]], sql);
    for (const sql of ["SELECT 7; SELECT 8", "SELECT 7; DROP TABLE t", "SELECT 7; nonsense"]) {
      await assertRejects(ask(sql), named("SqliteError", /more than one statement/), sql);
    }
    for (const sql of ["", "-- nothing", ";"]) {
      await assertRejects(ask(sql), named("SqliteError", /returns no rows/), sql);
    }
    await assertRejects(
      ask("SELECT 1) UNION SELECT * FROM (SELECT 2"),
      named("SqliteError", /syntax/),
    );
  }));

Deno.test("queryDatabase() reports an error that occurs in the middle of the rows", () =>
  withDatabase(async (ask) => {
    const sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10) " +
      "SELECT CASE WHEN i = 5 THEN abs(-9223372036854775807 - 1) ELSE i END FROM n";
    await assertRejects(ask(sql), named("SqliteError", /integer overflow/));
    assertEquals((await ask(sql, [], { maxRows: 3 })).rows, [[1], [2], [3]]);
  }));

Deno.test("queryDatabase() reports a text with a NUL and does not cut it off", () =>
  withDatabase(async (ask) => {
    for (
      const sql of [
        "SELECT 1, 'ab' || char(0) || 'cd' AS x",
        "SELECT 1, char(0) AS x ORDER BY 1;",
        "WITH q AS (SELECT 2, 'a' || char(0) AS x) SELECT * FROM q -- the end",
        "VALUES (1, 'a'), (2, 'b' || char(0))",
      ]
    ) {
      await assertRejects(ask(sql), named("SqliteError", /column .* in row [12] contains a NUL/));
    }
    assertEquals((await ask("SELECT x'6100', 'a', 1, NULL")).rows, [
      [new Uint8Array([0x61, 0]), "a", 1, null],
    ]);
    assertEquals((await ask("SELECT hex('a' || char(0))")).rows, [["6100"]]);
    // A row that is not returned is not checked.
    const rest = await ask("VALUES ('a'), (char(0))", [], { maxRows: 1 });
    assertEquals([rest.rows, rest.truncated], [[["a"]], true]);
  }));

Deno.test("queryDatabase() refuses rows that have more bytes than allowed", () =>
  withDatabase(async (ask) => {
    const big = "SELECT zeroblob(600) FROM t";
    assertEquals((await ask(big, [], { maxBytes: 1800 })).rows.length, 3);
    await assertRejects(
      ask(big, [], { maxBytes: 1799 }),
      named("QuotaExceededError", /1800 bytes/),
    );
    await assertRejects(ask("SELECT zeroblob(900000000)"), named("QuotaExceededError", /too big/));
  }));

Deno.test("queryDatabase() reports a file that is not a database, a folder and a missing file", () =>
  withDatabase(async (ask, path, folder) => {
    await Deno.writeTextFile(
      `${folder}/text`,
      "not a database, but long enough to be read ".repeat(20),
    );
    await assertRejects(
      ask("SELECT * FROM sqlite_master", [], { path: `${folder}/text` }),
      named("SqliteError", /file is not a database/),
    );
    await assertRejects(ask("SELECT 1", [], { path: folder }), named("SqliteError", /not a file/));
    await assertRejects(ask("SELECT 1", [], { path: `${path}.not` }), named("NotFound", /./));
    await Deno.remove(`${folder}/text`);
  }));

Deno.test("queryDatabase() queries a database that is passed as bytes", async () => {
  const queryDatabase = createQueryDatabase(Deno, SQLITE, resolve);
  await withDatabase(async (_ask, path) => {
    const bytes = await Deno.readFile(path);
    assertEquals((await queryDatabase({ sql: "SELECT count(*) FROM t", params: [] }, bytes)).rows, [
      [3],
    ]);
    for (const damaged of [bytes.subarray(0, 4096), new TextEncoder().encode("x".repeat(5000))]) {
      await assertRejects(
        queryDatabase({ sql: "SELECT * FROM t", params: [] }, damaged.slice()),
        named("SqliteError", /malformed|not a database/),
      );
    }
  });
});

Deno.test("queryDatabase() reads a locked file, and one whose log is not checkpointed, without new files", () =>
  withDatabase(async (_ask, path, folder) => {
    const queryDatabase = createQueryDatabase(Deno, SQLITE, resolve);
    for (const mode of ["DELETE", "WAL"]) {
      const holder = new sqlite.DatabaseSync(path);
      holder.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = ${mode};
        INSERT INTO t VALUES (100, '${mode}')`);
      const before = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
      try {
        const sql = "SELECT b FROM t WHERE a = 100";
        const { rows } = await queryDatabase({ sql, params: [], path }, NONE);
        assertEquals(rows.at(-1), [mode]);
        assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), before);
      } finally {
        holder.exec("DELETE FROM t WHERE a = 100");
        holder.close();
      }
    }
  }));

Deno.test("queryDatabase() opens a WAL file that is too long to copy only if it is open already", () =>
  withDatabase(async (_ask, path, folder) => {
    const queryDatabase = createQueryDatabase(Deno, SQLITE, resolve);
    const query = { sql: "SELECT count(*), sum(length(b)) FROM t", params: [], path };
    const holder = new sqlite.DatabaseSync(path);
    const long = MAX_QUERY_IMAGE_BYTES + 1;
    holder.exec(
      `PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS t(a, b); DELETE FROM t; INSERT INTO t VALUES (1, zeroblob(${long}));
      PRAGMA journal_mode = WAL; INSERT INTO t VALUES (2, NULL)`,
    );
    const names = () => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    const held = names();
    assertEquals(held.length, 3);
    assertEquals((await queryDatabase(query, NONE)).rows, [[2, long]]);
    assertEquals(names(), held);
    holder.close();
    // No program has it open now, so opening it would create two files next to it.
    await assertRejects(queryDatabase(query, NONE), named("QuotaExceededError", /can be copied/));
    assertEquals(names(), ["a.db"]);
    await Deno.truncate(path);
  }));

Deno.test("withSyncRealPath() resolves paths as Deno.realPath does", async () => {
  const folder = await Deno.makeTempDir({ prefix: "elastik-query-" });
  try {
    await Deno.symlink(folder, `${folder}/loop`);
    const { realPath, errors } = withSyncRealPath(Deno);
    assertEquals(await realPath(`${folder}/loop`), await Deno.realPath(folder));
    await assertRejects(realPath(`${folder}/none`), errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
