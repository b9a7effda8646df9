/**
 * The time that `/dev/db` adds to SQLite: the same statements on a file of 100,000 rows through
 * `/dev/db` and with `node:sqlite` in this process, in turn, with one caller and with eight. Then a
 * query of a world, and the effect of an endless query on others. Prints figures, asserts nothing.
 *
 * `deno run -A tests/bench/db_bench.ts [calls per measurement]`
 */

import { DatabaseSync } from "node:sqlite";
import { fromCheckout, ROOT, startProgram } from "../project/program.ts";
import { median, report } from "./report.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const CALLS = Number(Deno.args[0] ?? 200);
const ROUNDS = 3;
const APPROVE = "bench-approve-token";
const HEADERS = { authorization: `Bearer ${APPROVE}` };
const STATEMENTS: readonly (readonly [what: string, sql: string])[] = [
  ["one row by its key", "SELECT * FROM t WHERE id = 777"],
  ["a scan of 100,000 rows", "SELECT count(*), sum(length(name)) FROM t"],
  ["1,000 rows", "SELECT * FROM t LIMIT 1000"],
];
const ENDLESS =
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

await withTempFolder(async (folder) => {
  const files = `${folder}/files`;
  await Deno.mkdir(files);
  for (const name of ["plain.db", "wal.db"]) createDatabase(`${files}/${name}`);
  const openDatabase = new DatabaseSync(`${files}/wal.db`);
  openDatabase.exec("PRAGMA journal_mode = WAL; INSERT INTO t VALUES (NULL, 'one more', 1.5)");
  const server = await startProgram(
    fromCheckout(folder, [], { ELASTIK_APPROVE_TOKEN: APPROVE }),
  );
  try {
    await put(`${server.url}/etc/fstab`, `${files} /mnt/files ro`);
    await put(`${server.url}/home/x`, "a world");
    await put(`${server.url}/lib/db`, await Deno.readTextFile(`${ROOT}/plugins/db.ts`));
    await put(`${server.url}/lib/db/state`, "active");
    await measure(`${server.url}/dev/db`, files);
  } finally {
    await server.stop();
    openDatabase.close();
  }
});

async function measure(url: string, files: string): Promise<void> {
  const database = new DatabaseSync(`${files}/plain.db`, { readOnly: true });
  const plain = `${url}?file=files/plain.db`;
  for (const [what, sql] of STATEMENTS) {
    const direct: number[] = [];
    const overHttp: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      direct.push(await timeCalls(CALLS, 1, () => JSON.stringify(database.prepare(sql).all())));
      overHttp.push(await timeCalls(CALLS, 1, () => ask(plain, sql)));
    }
    const found = median(overHttp);
    report({ what: `${what}: /dev/db`, found, unit: "ms" });
    report({ what: `${what}: added to node:sqlite`, found: found - median(direct), unit: "ms" });
  }
  database.close();
  const [[, one = ""] = []] = STATEMENTS;
  const eight = await timeCalls(CALLS, 8, () => ask(plain, one));
  report({ what: "one row by its key, 8 callers", found: 1000 / eight, unit: "req/s" });
  const wal = await timeCalls(20, 1, () => ask(`${url}?file=files/wal.db`, one));
  report({ what: "the same in a file that is open in WAL mode (copied)", found: wal, unit: "ms" });
  const world = await timeCalls(
    CALLS,
    1,
    () => ask(`${url}?world=x`, "SELECT count(*) FROM events"),
  );
  report({ what: "a world's events", found: world, unit: "ms" });
  const idle = await timeCalls(CALLS, 1, () => ask(plain, one));
  const runaway = fetch(plain, { method: "POST", body: ENDLESS, headers: HEADERS });
  const during = await timeCalls(CALLS, 1, () => ask(plain, one));
  const start = performance.now();
  const { status } = await runaway.then(async (answer) => {
    await answer.body?.cancel();
    return answer;
  });
  report({ what: "one row during an endless query", found: during, unit: "ms" });
  report({ what: "the same without that query", found: idle, unit: "ms" });
  console.log(`the endless query: ${status}, ${Math.round(performance.now() - start)} ms later`);
}

/** Runs calls by several callers at the same time. Returns the milliseconds per call. */
async function timeCalls(
  calls: number,
  callers: number,
  act: () => unknown,
): Promise<number> {
  for (let i = 0; i < callers; i++) await act();
  let left = calls;
  const start = performance.now();
  await Promise.all(Array.from({ length: callers }, async () => {
    while (left-- > 0) await act();
  }));
  return (performance.now() - start) / calls;
}

async function ask(url: string, sql: string): Promise<void> {
  const answer = await fetch(url, { method: "POST", body: sql, headers: HEADERS });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(text);
}

async function put(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: "PUT", body, headers: HEADERS });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
}

function createDatabase(path: string): void {
  const database = new DatabaseSync(path);
  database.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
    INSERT INTO t SELECT i, 'the name of row ' || i, i / 7.0 FROM n`);
  database.close();
}
