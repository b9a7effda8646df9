/** Tests of `env.sql` from inside a cell: results, time and memory limits, and processes. */

import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { CELL_LIMITS } from "../../../lib/cell_limits.ts";
import { SqlRunner } from "../../../lib/plugin/cell/sql_runner.ts";
import { isAlive, LAUNCHES, makeInit, SHORT, until, WAIT_MS, withCell } from "../cell_fixture.ts";

const ENDLESS =
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
/** Runs the SQL of the body on a file, or on the bytes of that file with `/bytes`. */
const SOURCE = `export default { async fetch(request, env) {
  const url = new URL(request.url);
  const path = env.config["/root"] + (url.searchParams.get("file") ?? "/x.db");
  if (url.pathname === "/ok") return new Response("ok");
  const source = url.pathname === "/bytes" ? await env.files.read(path)
    : url.pathname === "/stream" ? await env.files.stream(path) : path;
  const timeoutMs = Number(url.searchParams.get("ms") ?? 60_000);
  try {
    const { rows } = await env.sql.query(source, await request.text(), [], { timeoutMs });
    return Response.json(rows);
  } catch (error) {
    return Response.json([error.name, error.message]);
  }
} };`;
const LINUX = Deno.build.os === "linux" ? "" : " (skipped: needs /proc)";

async function withRoot(test: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "elastik-queries-" });
  try {
    const database = new DatabaseSync(`${root}/x.db`);
    database.exec("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1), (2)");
    database.close();
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function withSql(
  body: Parameters<typeof withCell>[2],
  launch: "process" | "worker" = "process",
): Promise<void> {
  const limits = { responseTimeoutMs: 2 * WAIT_MS };
  return withRoot((root) =>
    withCell(SOURCE, {
      launch,
      limits,
      permissions: { read: [root] },
      config: { "/root": root },
    }, body)
  );
}

function sql(body: string): RequestInit {
  return { method: "POST", body };
}

/** Child processes of this one, by id, with the jiffies of CPU time that each has used. */
function cells(): Map<number, number> {
  const found = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const fields = Deno.readTextFileSync(`/proc/${name}/stat`).replace(/^.*\) /s, "").split(" ");
      if (Number(fields[1]) === Deno.pid && fields[0] !== "Z") {
        found.set(Number(name), Number(fields[11]) + Number(fields[12]));
      }
    } catch (error) {
      // The process ended between the listing and the read.
      if (!(error instanceof Deno.errors.NotFound) && !/os error 3/.test(String(error))) {
        throw error;
      }
    }
  }
  return found;
}

for (const launch of ["process", "worker"] as const) {
  Deno.test(`env.sql.query() (${launch}) queries files, bytes and streams of bytes`, () =>
    withSql(async ({ text }) => {
      for (const way of ["/file", "/bytes", "/stream"]) {
        assertEquals(
          JSON.parse(await text(way, sql("SELECT id FROM t ORDER BY id"))),
          [[1], [2]],
          way,
        );
      }
      assertEquals(JSON.parse(await text("/file", sql("SELECT * FROM gone"))), [
        "SqliteError",
        "no such table: gone",
      ]);
      const lost = JSON.parse(await text("/file?file=/../x", sql("SELECT 1")));
      assertEquals(lost[0], "NotCapable");
    }, launch));
}

Deno.test({
  name:
    `env.sql.query() kills the process of a query that takes too long, and nothing else${LINUX}`,
  ignore: LINUX !== "",
  fn: () =>
    withSql(async ({ cell, text, events }) => {
      assertEquals(await text("/file", sql("SELECT 1")), "[[1]]");
      const pid = cell.health().pid ?? 0;
      // The query blocks neither the plugin's thread nor other queries. On a slow computer it gets more time,
      // until others are answered before its end.
      let wereAnswered = false;
      for (let ms = 2000; !wereAnswered; ms *= 4) {
        let isEnded = false;
        const runaway = text(`/file?ms=${ms}`, sql(ENDLESS)).finally(() => isEnded = true);
        assertEquals(await text("/ok"), "ok");
        assertEquals(await text("/file", sql("SELECT 7")), "[[7]]");
        wereAnswered = !isEnded;
        assert(wereAnswered || ms < 30_000, "the other requests waited for the query");
        assertEquals(JSON.parse(await runaway), [
          "TimeoutError",
          `Cannot finish the query: it took more than ${ms} ms`,
        ]);
      }
      assertEquals(await text("/file", sql("SELECT 8")), "[[8]]");
      assertEquals(cell.health().pid, pid);
      assertEquals([cell.health().crashes, events.some(({ type }) => type === "ended")], [
        0,
        false,
      ]);
      // A process that still runs a query stays busy; one that has just answered does not.
      const end = Date.now() + WAIT_MS;
      for (let busy = [0]; busy.length > 0;) {
        assert(Date.now() < end, `processes ${busy} are still busy`);
        const before = cells();
        await new Promise((resolve) => setTimeout(resolve, 300));
        // 300 ms of a busy core would be 30 jiffies.
        busy = [...cells()].filter(([id, jiffies]) => jiffies - (before.get(id) ?? 0) >= 10)
          .map(([id]) => id);
      }
    }),
});

Deno.test({
  name: `env.sql.query() ends with its request and with its plugin${LINUX}`,
  ignore: LINUX !== "",
  fn: () =>
    withRoot(async (root) => {
      const options = {
        limits: { responseTimeoutMs: 2 * WAIT_MS },
        permissions: { read: [root] },
        config: { "/root": root },
      };
      const before = new Set(cells().keys());
      const own = () => [...cells().keys()].filter((pid) => !before.has(pid));
      await withCell(SOURCE, options, async ({ cell, ask }) => {
        const abort = new AbortController();
        const gone = ask("/file?ms=60000", { ...sql(ENDLESS), signal: abort.signal });
        await until(() => own().length === 2, WAIT_MS, "a cell and a query process");
        const query = own().find((pid) => pid !== cell.health().pid) ?? 0;
        abort.abort();
        await assertRejects(gone);
        await until(() => !isAlive(query), WAIT_MS, "the query process has ended");
        const left = ask("/file?ms=60000", sql(ENDLESS)).catch(() => undefined);
        await until(() => own().length === 2, WAIT_MS, "another query");
        await cell.stop({ drain: false });
        await left;
        assertEquals(own(), []);
      });
    }),
});

Deno.test("env.sql.query() ends a query that exceeds its memory limit", () =>
  withSql(async ({ text }) => {
    const largeQuery =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000000) " +
      "SELECT count(*) FROM (SELECT hex(zeroblob(500)) || i AS x FROM n ORDER BY x)";
    const [name, words] = JSON.parse(await text("/file?ms=60000", sql(largeQuery)));
    assertMatch(name, /QuotaExceededError|SqliteError/);
    assertMatch(words, /memory|too big|full/);
    assertEquals(await text("/file", sql("SELECT 1")), "[[1]]");
  }));

Deno.test("env.sql.query() lets a query wait if as many run as its limit allows", () =>
  withSql(async ({ text }) => {
    const slow = Array.from(
      { length: CELL_LIMITS.queries.maxProcesses },
      () => text("/file?ms=400", sql(ENDLESS)),
    );
    assertEquals(await text("/file", sql("SELECT 1")), "[[1]]");
    for (const answer of slow) assertMatch(await answer, /TimeoutError/);
  }));

Deno.test("env.sql.query() gets the settings of queries: as many run, one more waits, and a long one is ended", () =>
  withRoot((root) =>
    withCell(SOURCE, {
      limits: { queries: { ...CELL_LIMITS.queries, maxProcesses: 1, maxMs: 5000 } },
      permissions: { read: [root] },
      config: { "/root": root },
    }, async ({ cell, text }) => {
      assertEquals(await text("/file?ms=60000", sql("SELECT 1")), "[[1]]");
      const long = text("/file?ms=60000", sql(ENDLESS));
      await until(() => cell.health().queries.running === 1, WAIT_MS, "one query runs");
      const next = text("/file", sql("SELECT 1"));
      await until(() => cell.health().queries.waiting === 1, WAIT_MS, "one query waits");
      assertEquals(cell.health().limits.query, 0);
      assertMatch(await long, /TimeoutError.*5000 ms/);
      assertEquals(await next, "[[1]]");
      assertEquals([cell.health().limits.query, cell.health().queries.waiting], [1, 0]);
    })
  ));

Deno.test("env.sql.query() (worker) rejects with Busy if four queries cannot be ended", () =>
  withSql(async ({ text }) => {
    // Long enough to exceed its time limit, and complete before the test ends.
    const slow = ENDLESS.replace("FROM n)", "FROM n LIMIT 600000)");
    const end = Date.now() + WAIT_MS;
    for (let left = CELL_LIMITS.queries.maxProcesses; left > 0;) {
      const answer = await text("/file?ms=1", sql(slow));
      // A busy computer can look at the time only when the query is complete.
      if (/TimeoutError/.test(answer)) left--;
      else assert(Date.now() < end, answer);
    }
    assertMatch(await text("/file", sql("SELECT 1")), /Busy.*--allow-run/);
  }, "worker"));

Deno.test("SqlRunner.run() uses the current folders, and rejects after close()", async () => {
  await withRoot(async (root) => {
    const narrow = await makeInit(SOURCE, { config: { "/root": root } });
    const wide = await makeInit(SOURCE, { permissions: { read: [root] } });
    const lines: string[] = [];
    const queries = new SqlRunner(narrow, {
      startCell: LAUNCHES.process,
      limits: SHORT,
      now: Date.now,
      log: (_level, line) => lines.push(line),
    });
    const head = JSON.stringify({ sql: "SELECT max(id) FROM t", params: [], path: `${root}/x.db` });
    const ask = async (): Promise<string> => {
      const body = new Uint8Array([0, 0, 0, head.length, ...new TextEncoder().encode(head)]);
      const { signal } = new AbortController();
      return await (await queries.run({ body, timeoutMs: CELL_LIMITS.queries.maxMs, signal }))
        .text();
    };
    try {
      assertMatch(await ask(), /not in a granted folder/);
      queries.reconfigure(wide);
      assertMatch(await ask(), /\[\[2\]\]/);
      queries.reconfigure(narrow);
      assertMatch(await ask(), /not in a granted folder/);
      const { signal } = new AbortController();
      const odd = await queries.run({ body: null, timeoutMs: NaN, signal });
      assertMatch(await odd.text(), /"error"/);
    } finally {
      await queries.close();
    }
    await assertRejects(ask(), /has been stopped/);
    assertEquals(lines, []);
  });
});
