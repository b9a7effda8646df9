/** `/dev/db` over worlds: rights, targets, statements, formats. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { APPROVE, TOKEN } from "../support/test_server.ts";
import { type DbServer, withDb } from "./db/queries.ts";

type Case = (db: DbServer, t: Deno.TestContext) => Promise<void>;
const cases: [title: string, run: Case][] = [];
function add(title: string, run: Case): void {
  cases.push([title, run]);
}

const EVENTS = "SELECT event_type, json_extract(payload, '$.by') AS by FROM events ORDER BY id";

function uploaded(sql: string): Uint8Array {
  const path = Deno.makeTempFileSync({ prefix: "elastik-db-" });
  try {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
    return Deno.readFileSync(path);
  } finally {
    Deno.removeSync(path);
  }
}

add("queries the tables of a world by its name, with or without home/", async ({ rows, put }) => {
  await put("/home/deep/x", "<p>one</p>");
  await put("/home/deep/x", "<p>two</p>");
  for (
    const target of ["?world=home/deep/x", "?world=deep/x", "?world=/home/deep/x", "/home/deep/x"]
  ) {
    assertEquals(await rows(target, EVENTS), [
      { event_type: "stage_written", by: "T3" },
      { event_type: "stage_written", by: "T3" },
    ], target);
  }
  assertEquals(
    await rows(
      "?world=deep/x",
      "SELECT version, ext, CAST(stage_html AS TEXT) AS text FROM stage_meta",
    ),
    [{ version: 2, ext: "html", text: "<p>two</p>" }],
  );
  await put("/usr/share/x", "elsewhere");
  assertEquals((await rows("?world=usr/share/x", EVENTS)).length, 1);
  await put("/home/a%20b/%C3%BC%25", "odd");
  assertEquals((await rows("?world=home/a%20b/%C3%BC%25", EVENTS)).length, 1);
});

add("queries the content of a world with ?content", async ({ query, rows, put }) => {
  await put("/home/up.sqlite", uploaded("CREATE TABLE t(a); INSERT INTO t VALUES (1), ('b')"));
  assertEquals(await rows("?world=up.sqlite&content", "SELECT a FROM t"), [{ a: 1 }, { a: "b" }]);
  assertEquals(await rows("/home/up.sqlite?content", "SELECT count(*) AS n FROM t"), [{ n: 2 }]);
  const logged = uploaded("PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (7)");
  await put("/home/wal", logged);
  assertEquals(await rows("?world=wal&content", "SELECT a FROM t"), [{ a: 7 }]);
  await put("/home/text", "no database at all, however long it may be ".repeat(40));
  const none = await query("?world=text&content", "SELECT 1 FROM sqlite_master");
  assertEquals(none.status, 400);
  assertMatch(none.text, /file is not a database/);
});

add("refuses a world that the caller cannot read", async ({ server, query, rows, put }) => {
  await put("/etc/shadow", "ada:5f4dcc3b5aa765d61d8327deb882cf99");
  await put("/boot/note", "for T3");
  for (
    const [world, token, status] of [
      ["home/x", undefined, 401],
      ["home/x", "nonsense", 401],
      ["etc/shadow", TOKEN, 403],
      ["boot/note", TOKEN, 403],
      ["etc/fstab", TOKEN, 403],
      ["home/none", TOKEN, 404],
      ["usr/share/doc/note.md", TOKEN, 404],
    ] as const
  ) {
    for (const how of ["", "&content"]) {
      if (world === "etc/fstab" && how !== "" || world.endsWith(".md") && how !== "") continue;
      const reply = await query(`?world=${world}${how}`, "SELECT * FROM stage_meta", { token });
      assertEquals(reply.status, status, `${world}${how} ${reply.text}`);
    }
  }
  assertMatch((await query("?world=etc/fstab", "SELECT 1")).text, /T3 is required/);
  // The content without its secrets is not a database.
  assertEquals((await query("?world=etc/fstab&content", "SELECT 1")).status, 400);
  const all = await query("?world=etc/shadow", "SELECT 1 AS a", { token: APPROVE });
  assertEquals([all.status, JSON.parse(all.text)], [200, [{ a: 1 }]]);
  await put("/home/x", "x");
  assertEquals((await rows("?world=x", "SELECT 1 AS a")).length, 1);
  assertEquals(server.log.filter((line) => line.includes("failed")), []);
});

add("accepts a capability for the worlds below its prefix, by path only", async (db) => {
  const { server, query, put } = db;
  await put("/home/scratch/x", "mine");
  await put("/home/other", "not mine");
  const rw = server.capability("/home/scratch", "rw");
  const r = server.capability("/home/scratch", "r");
  const whole = server.capability("/dev/db", "rw");
  for (
    const [target, sql, token, status] of [
      ["/home/scratch/x", "SELECT 1", rw, 200],
      ["/home/scratch/x?sql=SELECT+1", undefined, rw, 200],
      ["/home/scratch/x?sql=SELECT+1", undefined, r, 200],
      ["/home/scratch/x", "SELECT 1", r, 403],
      ["?world=home/scratch/x", "SELECT 1", rw, 403],
      ["/home/other", "SELECT 1", rw, 403],
      ["/home/scratch/x?world=home/other", "SELECT 1", rw, 400],
      ["/home/scratch/x?file=data/a.db", "SELECT 1", rw, 400],
      ["/mnt/data/a.db", "SELECT 1", rw, 403],
      ["/home/scratch/../other", "SELECT 1", rw, 400],
      // A capability for the route itself is not valid for a world.
      ["?world=home/other", "SELECT 1", whole, 403],
      ["/home/scratch/x", "SELECT 1", whole, 403],
    ] as const
  ) {
    const reply = await query(target, sql, { token });
    assertEquals(reply.status, status, `${target} ${reply.text}`);
  }
});

add("answers 400 to a target that is not valid", async ({ query }) => {
  for (
    const [target, words] of [
      ["", /name one target/],
      ["?world=x&world=y", /name one target/],
      ["?world=x&file=data/a.db", /name one target/],
      ["?world=", /is not the name of a world/],
      ["?world=../etc/shadow", /is not the name of a world/],
      ["?world=home/../../etc/shadow", /is not the name of a world/],
      ["?world=home//x", /is not the name of a world/],
      ["?world=a%00b", /is not the name of a world/],
      ["?world=a%5Cb", /is not the name of a world/],
      ["?world=x&limit=3", /\?limit is unknown/],
      ["?file=data/a.db&content", /content is for worlds/],
      ["?world=x&n.a=abc", /not a number/],
      ["?world=x&p.a=1&n.a=1", /twice/],
      ["?world=x&p.2=1", /without gaps/],
    ] as const
  ) {
    const { status, text } = await query(target, "SELECT 1");
    assertEquals(status, 400, `${target} ${text}`);
    assertMatch(JSON.parse(text).detail, words);
  }
});

add("answers 400 unless there is one statement that only reads", async ({ query, put }) => {
  await put("/home/x", "x");
  for (
    const [sql, status, words] of [
      ["", 400, /there is no statement/],
      ["SELEC 1", 400, /syntax error/],
      ["SELECT * FROM gone", 400, /no such table: gone/],
      ["SELECT 1; SELECT 2", 400, /more than one statement/],
      ["DELETE FROM events", 400, /only reading is allowed/],
      ["UPDATE stage_meta SET version = 9 RETURNING 1", 400, /only reading is allowed/],
      ["ATTACH '/etc/passwd' AS p", 400, /only reading is allowed/],
      ["PRAGMA writable_schema = 1", 400, /only reading is allowed/],
      ["SELECT load_extension('x')", 400, /only reading is allowed|no such function/],
      ["VACUUM INTO '/tmp/elastik-never'", 400, /returns no rows/],
      ["SELECT abs(-9223372036854775807 - 1)", 400, /integer overflow/],
      ["x".repeat(300_000), 413, /longer than 262144 bytes/],
    ] as const
  ) {
    const { status: found, text } = await query("?world=x", sql);
    assertEquals(found, status, `${sql.slice(0, 60)} ${text}`);
    assertMatch(JSON.parse(text).detail, words);
  }
  assertEquals((await query("?world=x&sql=SELECT+1", "SELECT 2")).status, 400);
  assertEquals((await query("?world=x")).status, 400);
  const put405 = await query("?world=x", "SELECT 1", { method: "PUT" });
  assertEquals([put405.status, put405.headers.get("allow")], [405, "GET, HEAD, POST"]);
  for (const sql of ["EXPLAIN QUERY PLAN SELECT 1", "PRAGMA table_info(events)", "VALUES (1)"]) {
    assertEquals((await query("?world=x", sql)).status, 200, sql);
  }
});

add(
  "binds parameters instead of inserting them into the statement",
  async ({ server, rows, put }) => {
    await put("/home/x", "x");
    const types = "SELECT typeof(:a) AS a, typeof(:b) AS b, typeof(@c) AS c, typeof($d) AS d";
    assertEquals(await rows("?world=x&p.a=7&n.b=7&n.c=1.5e-3", types), [
      { a: "text", b: "integer", c: "real", d: "null" },
    ]);
    assertEquals(await rows("?world=x&p.a=%27;DROP%20TABLE%20events--", "SELECT :a AS a"), [
      { a: "';DROP TABLE events--" },
    ]);
    assertEquals(await rows("?world=x&p.1=a&n.2=2", "SELECT ?1 AS a, ? + 1 AS b"), [{
      a: "a",
      b: 3,
    }]);
    assertEquals(await rows("?world=x&n.a=9223372036854775807", "SELECT :a AS a"), [
      { a: "9223372036854775807" },
    ]);
    const unknown = await server.send({
      method: "POST",
      target: "/dev/db?world=x&p.z=1",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: "SELECT 1",
    });
    assertEquals(unknown.status, 400);
    assertMatch(unknown.text, /Unknown named parameter 'z'/);
  },
);

const ODD = `SELECT 1 AS a, 'x,"y"' AS b, NULL AS a, x'00ff' AS "2", 9007199254740993 AS "1",
  1.5 AS __proto__, '' AS e, 'two' || char(10) || 'lines' AS f, 9e999 AS g`;

add("sends the format that Accept prefers", async ({ query, put }) => {
  await put("/home/x", "x");
  for (
    const [accept, type] of [
      [undefined, "application/json"],
      ["*/*", "application/json"],
      ["text/html,application/xhtml+xml,*/*;q=0.8", "application/json"],
      ["application/*", "application/json"],
      ["text/csv", "text/csv; charset=utf-8; header=present"],
      ["text/*", "text/plain; charset=utf-8"],
      ["text/plain, application/json;q=0.5", "text/plain; charset=utf-8"],
      ["application/x-ndjson", "application/x-ndjson"],
      ["application/jsonl, application/json;q=0", "application/x-ndjson"],
      ["*/*, application/json;q=0.1", "text/plain; charset=utf-8"],
    ] as const
  ) {
    const reply = await query("?world=x", "SELECT 1", accept === undefined ? {} : { accept });
    assertEquals([reply.status, reply.headers.get("content-type")], [200, type], accept);
    assertEquals(reply.headers.get("vary"), "Accept");
  }
  for (const accept of ["text/html", "image/*", "application/json;q=0"]) {
    assertEquals((await query("?world=x", "SELECT 1", { accept })).status, 406, accept);
  }
  const head = await query("?world=x&sql=SELECT+1", undefined, { method: "HEAD" });
  const got = await query("?world=x&sql=SELECT+1");
  assertEquals([head.status, head.text], [200, ""]);
  assertEquals(head.headers.get("content-length"), got.headers.get("content-length"));
});

add("sends JSON with every column in order", async ({ query, put }) => {
  await put("/home/x", "x");
  const row = `{"a":1,"b":"x,\\"y\\"","a_2":null,"2":{"base64":"AP8="},"1":"9007199254740993",` +
    `"__proto__":1.5,"e":"","f":"two\\nlines","g":"Infinity"}`;
  assertEquals((await query("?world=x", ODD)).text, `[\n${row}\n]\n`);
  assertEquals((await query("?world=x", ODD, { accept: "application/x-ndjson" })).text, `${row}\n`);
  assertEquals((await query("?world=x", "SELECT 1 WHERE 0")).text, "[]\n");
  assertEquals(
    (await query("?world=x", "SELECT 1 AS a, 2 AS a_2, 3 AS a, 4 AS a")).text,
    '[\n{"a":1,"a_2":2,"a_3":3,"a_4":4}\n]\n',
  );
});

add("sends CSV in which NULL and an empty text differ", async ({ query, put }) => {
  await put("/home/x", "x");
  assertEquals(
    (await query("?world=x", ODD, { accept: "text/csv" })).text,
    'a,b,a,2,1,__proto__,e,f,g\r\n1,"x,""y""",,x\'00ff\',9007199254740993,1.5,"","two\nlines",Infinity\r\n',
  );
});

add("sends an aligned table without control characters", async ({ query, put }) => {
  await put("/home/x", "x");
  const sql = "SELECT 1 AS n, 'é你' AS word, x'01' AS b UNION ALL " +
    "SELECT 200, char(27) || '[2J' || char(10), NULL UNION ALL SELECT NULL, 'z', NULL";
  assertEquals(
    (await query("?world=x", sql, { accept: "text/plain" })).text,
    [
      "   n  word         b",
      "----  -----------  -----",
      "   1  é你          x'01'",
      " 200  \\u{1b}[2J\\n  NULL",
      "NULL  z            NULL",
      "",
    ].join("\n"),
  );
  const long = await query("?world=x", `SELECT '${"y".repeat(500)}' AS a`, {
    accept: "text/plain",
  });
  assertEquals(long.text.split("\n")[2]?.length, 200);
});

add("cuts a result at 1000 rows and refuses one that is too long", async (db) => {
  const { query, put } = db;
  await put("/home/x", "x");
  const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
  const cut = await query("?world=x", many);
  assertEquals([cut.status, JSON.parse(cut.text).length], [200, 1000]);
  assertEquals([cut.headers.get("x-db-rows"), cut.headers.get("x-db-truncated")], ["1000", "true"]);
  const table = await query("?world=x", many, { accept: "text/plain" });
  assertMatch(table.text, /\(the first 1000 rows; there are more\)\n$/);
  const whole = await query("?world=x", `${many} LIMIT 1000`);
  assertEquals([whole.headers.get("x-db-rows"), whole.headers.get("x-db-truncated")], [
    "1000",
    undefined,
  ]);
  for (
    const sql of [
      "SELECT hex(zeroblob(10000000))",
      "SELECT zeroblob(13000000) AS a",
      "SELECT zeroblob(900000000)",
      "SELECT hex(zeroblob(20000)) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n) LIMIT 900",
    ]
  ) {
    const { status, text } = await query("?world=x", sql);
    assertEquals(status, 413, `${sql} ${text.slice(0, 300)}`);
  }
  const almost = await query("?world=x", "SELECT hex(zeroblob(8000000)) AS a", {
    accept: "text/csv",
  });
  assertEquals([almost.status, almost.body.length], [200, 16_000_005]);
});

add("sends a problem, or text to a client that prefers text", async ({ query, put }) => {
  await put("/home/x", "x");
  const problem = await query("?world=x", "SELEC");
  assertEquals(problem.headers.get("content-type"), "application/problem+json");
  assertEquals(JSON.parse(problem.text).type, "/usr/share/doc/problems/bad-body.md");
  const text = await query("?world=x", "SELEC", { accept: "text/csv" });
  assertEquals(text.headers.get("content-type"), "text/plain; charset=utf-8");
  assertMatch(text.text, /^400 [\w ]+\nCannot query \/home\/x: near/);
});

add("adds no event to the queried world", async ({ server, rows, put }) => {
  await put("/home/x", "x");
  for (let i = 0; i < 3; i++) {
    assertEquals((await rows("?world=x", "SELECT * FROM events")).length, 1);
  }
  await server.audit();
  assert(true);
});

Deno.test("/dev/db queries worlds", async (t) => {
  await withDb(async (db) => {
    for (const [i, [title, run]] of cases.entries()) {
      if (i > 0) {
        for (
          const { name } of JSON.parse(
            (await db.server.send({
              method: "GET",
              target: "/home/",
              headers: { authorization: `Bearer ${APPROVE}`, accept: "application/json" },
            })).text,
          )
        ) {
          await db.server.approve("DELETE", `/home/${encodeURIComponent(name)}/`);
          await db.server.approve("DELETE", `/home/${encodeURIComponent(name)}`);
        }
      }
      await t.step(title, (step) => run(db, step));
    }
  });
});
