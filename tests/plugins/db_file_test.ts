/** `/dev/db` over files below file mounts: status codes, files that other programs have open, links. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { APPROVE } from "../support/test_server.ts";
import { type DbServer, ENDLESS, makeDatabase, withDb } from "./db/queries.ts";

type Case = (db: DbServer, t: Deno.TestContext) => Promise<void>;
const cases: [title: string, run: Case][] = [];
function add(title: string, run: Case): void {
  cases.push([title, run]);
}

/** Has a process of its own keep a database open during a test. */
async function holding(
  path: string,
  script: string,
  test: (tell: (sql: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const program = `import { DatabaseSync } from "node:sqlite";
    const db = new DatabaseSync(${JSON.stringify(path)});
    db.exec(${JSON.stringify(script)});
    console.log("ready");
    for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      db.exec(line);
      console.log("done");
    }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", program],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const stdin = child.stdin.getWriter();
  try {
    assertMatch(String((await lines.read()).value), /ready/);
    await test(async (sql) => {
      await stdin.write(new TextEncoder().encode(sql));
      assertMatch(String((await lines.read()).value), /done/);
    });
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await lines.cancel();
    stdin.abort().catch(() => undefined);
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

add("queries a file below a mount, by ?file= or by path, ro or rw", async (db) => {
  const { folder, rows, server, query } = db;
  await Deno.mkdir(`${folder}/sub dir`);
  makeDatabase(`${folder}/sub dir/ü.db`, "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
  for (
    const target of [
      "?file=data/sub%20dir/%C3%BC.db",
      "?file=/data/sub%20dir/%C3%BC.db",
      "/mnt/data/sub%20dir/%C3%BC.db",
      "?file=both/some%20data/sub%20dir/%C3%BC.db",
    ]
  ) assertEquals(await rows(target, "SELECT a FROM t"), [{ a: 1 }], target);
  const cap = server.capability("/mnt/data", "r");
  const found = await query("/mnt/data/sub%20dir/%C3%BC.db?sql=SELECT+a+FROM+t", undefined, {
    token: cap,
  });
  assertEquals(found.status, 200, found.text);
});

add("answers with a status of its own to each file that cannot be queried", async (db) => {
  const { folder, query } = db;
  const outside = `${folder}/../outside`;
  await Deno.mkdir(outside);
  makeDatabase(`${outside}/a.db`, "CREATE TABLE t(a)");
  await Deno.symlink(`${outside}/a.db`, `${folder}/link.db`);
  await Deno.symlink(outside, `${folder}/up`);
  await Deno.symlink(`${folder}/loop`, `${folder}/loop`);
  await Deno.writeTextFile(`${folder}/text`, "text that is not a database ".repeat(50));
  makeDatabase(`${folder}/ok.db`, "CREATE TABLE t(a)");
  for (
    const [file, status, words] of [
      ["data/ok.db", 200, /\[\]/],
      ["data/none.db", 404, /the file does not exist/],
      ["data/none/none.db", 404, /the file does not exist/],
      ["data/ok.db/below", 404, /the file does not exist/],
      ["nowhere/x.db", 404, /nothing is mounted at \/mnt\/nowhere/],
      ["", 404, /nothing is mounted/],
      ["web/users/42", 400, /is mounted from https:/],
      ["pg/x", 400, /is mounted from postgres:/],
      ["data", 400, /does not name a file/],
      ["data/", 400, /does not name a file/],
      ["data/sub//x", 400, /does not name a file/],
      ["data/up", 403, /leads out/],
      ["data/../outside/a.db", 403, /its path contains/],
      ["../data/ok.db", 403, /its path contains/],
      ["data/./ok.db", 403, /its path contains/],
      ["data/link.db", 403, /leads out/],
      ["data/up/a.db", 403, /leads out/],
      ["data/loop", 403, /leads out/],
      ["data/ok.db%00", 403, /its path contains/],
      ["data/text", 400, /file is not a database/],
      ["broken/ok.db", 404, /nothing is mounted/],
      ["own/x", 404, /nothing is mounted/],
    ] as const
  ) {
    const reply = await query(`?file=${file}`, "SELECT * FROM t");
    assertEquals(reply.status, status, `${file} ${reply.text}`);
    assertMatch(reply.text, words, file);
    assert(!reply.text.includes(folder), reply.text);
  }
  const ofFolder = await query("?file=both/some%20data", "SELECT 1");
  assertEquals(ofFolder.status, 400, ofFolder.text);
});

add("activates and queries the other mounts if the folder of one line has a comma", async (db) => {
  const { folder, rows, query } = db;
  await Deno.mkdir(`${folder}/../a,b`);
  makeDatabase(`${folder}/../a,b/x.db`, "CREATE TABLE t(a)");
  makeDatabase(`${folder}/other.db`, "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
  assertEquals(await rows("?file=data/other.db", "SELECT a FROM t"), [{ a: 1 }]);
  const disabled = await query("?file=comma/x.db", "SELECT a FROM t");
  assertEquals(disabled.status, 404, disabled.text);
  assertMatch(disabled.text, /nothing is mounted at \/mnt\/comma/);
});

add("finds a file whose name is in NFD on the disk, by ?file= or by path", async (db) => {
  const { folder, rows, query } = db;
  await Deno.mkdir(`${folder}/u\u0308ber`);
  makeDatabase(`${folder}/u\u0308ber/a\u0308.db`, "CREATE TABLE t(a); INSERT INTO t VALUES (7)");
  const composed = encodeURI("\u00fcber/\u00e4.db");
  const decomposed = encodeURI("u\u0308ber/a\u0308.db");
  for (
    const target of [
      `?file=data/${composed}`,
      `/mnt/data/${composed}`,
      `?file=data/${decomposed}`,
      `/mnt/data/${decomposed}`,
    ]
  ) assertEquals(await rows(target, "SELECT a FROM t"), [{ a: 7 }], target);
  assertEquals((await query(`?file=data/${encodeURI("\u00f6.db")}`, "SELECT 1")).status, 404);
});

add(
  "reports lines that cannot be used to T3, without their source and options",
  async ({ server }) => {
    const { text } = await server.approve("GET", "/lib/db/state");
    assertMatch(
      text,
      /\/etc\/fstab line \d+: the mode of \/mnt\/broken is neither ro nor rw; line \d+: /,
    );
    assertMatch(text, /\/mnt\/own: a whole disk cannot be mounted/);
    assertMatch(text, /\/mnt\/comma: the path of the folder contains a comma/);
    assert(!text.includes("s3cret"));
  },
);

add(
  "reads a database that another program has open as it is now, and leaves no file",
  async (db) => {
    const { folder, rows, query } = db;
    const path = `${folder}/held.db`;
    makeDatabase(path, "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    const count = () => rows("?file=data/held.db", "SELECT count(*) AS n FROM t");
    for (const locking of ["NORMAL", "EXCLUSIVE"]) {
      const script = `PRAGMA locking_mode = ${locking}; PRAGMA journal_mode = WAL;
      PRAGMA wal_autocheckpoint = 0; DELETE FROM t; INSERT INTO t VALUES (2), (3)`;
      await holding(path, script, async (tell) => {
        const before = names(folder);
        assertEquals(await count(), [{ n: 2 }], locking);
        await tell("INSERT INTO t VALUES (4)");
        assertEquals(await count(), [{ n: 3 }], locking);
        // A change that is not committed is not visible.
        await tell("BEGIN; INSERT INTO t VALUES (5)");
        assertEquals(await count(), [{ n: 3 }], locking);
        await tell("COMMIT; PRAGMA wal_checkpoint(PASSIVE)");
        assertEquals(await count(), [{ n: 4 }], locking);
        assertEquals(names(folder), before);
      });
    }
    // The other process was killed: its write-ahead log is read, and not removed.
    const left = names(folder);
    assertEquals(await count(), [{ n: 4 }]);
    assertEquals(names(folder), left);
    // A rollback journal and an exclusive lock, as browsers use them.
    makeDatabase(`${folder}/locked.db`, "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    const exclusive = "PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES (2)";
    await holding(`${folder}/locked.db`, exclusive, async (tell) => {
      assertEquals(await rows("?file=data/locked.db", "SELECT count(*) AS n FROM t"), [{ n: 2 }]);
      // A transaction that has written to the file leaves no consistent state to read.
      await tell(
        "PRAGMA cache_size = 2; BEGIN; INSERT INTO t SELECT zeroblob(3000) FROM " +
          "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT * FROM n)",
      );
      const busy = await query("?file=data/locked.db", "SELECT count(*) AS n FROM t");
      assertEquals([busy.status, busy.headers.get("retry-after")], [503, "1"], busy.text);
      await tell("COMMIT");
      assertEquals(await rows("?file=data/locked.db", "SELECT count(*) AS n FROM t"), [{ n: 102 }]);
    });
  },
);

add("reads a database in a read-only folder", async (db) => {
  const { folder, rows } = db;
  makeDatabase(
    `${folder}/still.db`,
    "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)",
  );
  const before = names(folder);
  await Deno.chmod(folder, 0o555);
  try {
    assertEquals(await rows("?file=data/still.db", "SELECT a FROM t"), [{ a: 1 }]);
  } finally {
    await Deno.chmod(folder, 0o755);
  }
  assertEquals(names(folder), before);
});

add("answers 400 to a damaged file", async (db) => {
  const { folder, query, rows } = db;
  makeDatabase(`${folder}/ok.db`, "CREATE TABLE IF NOT EXISTS t(a)");
  const bytes = await Deno.readFile(`${folder}/ok.db`);
  const torn = bytes.slice(0, 4096 + 100);
  const wild = bytes.slice();
  crypto.getRandomValues(wild.subarray(100, 4000));
  for (const [name, content] of Object.entries({ torn, wild, short: bytes.slice(0, 60) })) {
    await Deno.writeFile(`${folder}/${name}.db`, content);
    const { status, text } = await query(`?file=data/${name}.db`, "SELECT * FROM t");
    assert(status === 400 || status === 200 && name === "torn", `${name} ${status} ${text}`);
  }
  await Deno.writeFile(`${folder}/empty.db`, new Uint8Array());
  assertEquals(await rows("?file=data/empty.db", "SELECT count(*) AS n FROM sqlite_master"), [{
    n: 0,
  }]);
  // A write-ahead log that is a link out of the mount is not followed.
  await Deno.writeTextFile(`${folder}/../secret`, "secret");
  await Deno.symlink(`${folder}/../secret`, `${folder}/ok.db-wal`);
  assertEquals((await query("?file=data/ok.db", "SELECT * FROM t")).status, 403);
  await Deno.remove(`${folder}/ok.db-wal`);
});

add(
  "stops an endless query after two seconds with 408 and does not delay other queries",
  async (db) => {
    const { folder, query, rows } = db;
    makeDatabase(`${folder}/ok.db`, "CREATE TABLE IF NOT EXISTS t(a)");
    const one = async () => {
      assertEquals((await rows("?file=data/ok.db", "SELECT 1 AS a")).length, 1);
    };
    // A slow computer can need more than two seconds for the start of the processes, or for a query.
    await Promise.all([one(), one(), one()]);
    let wereAnswered = false;
    for (let tries = 0; !wereAnswered; tries++) {
      const start = performance.now();
      let ended = 0;
      const runaways = [1, 2].map(async () => {
        const { status, text } = await query("?file=data/ok.db", ENDLESS);
        ended++;
        return { status, text, after: performance.now() - start };
      });
      // Other queries are answered while these run.
      for (let i = 0; i < 5; i++) await one();
      wereAnswered = ended === 0;
      assert(wereAnswered || tries < 10, "the other queries waited for the endless ones");
      for (const { status, text, after } of await Promise.all(runaways)) {
        assertEquals(status, 408, text);
        assertMatch(text, /more than 2 s/);
        assert(after >= 1900, `${after} ms`);
      }
    }
    await one();
    // A query that still runs keeps a core busy: 50 jiffies in half a second.
    const end = Date.now() + 60_000;
    for (let used = 50; used >= 15;) {
      assert(Date.now() < end, "a query is still running");
      const before = cpuOfChildren() ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 500));
      used = (cpuOfChildren() ?? 0) - before;
    }
  },
);

/** Jiffies of CPU of the children of this process, including dead ones; undefined except on Linux. */
function cpuOfChildren(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  let sum = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`).replace(/^.*\) /s, "").split(" ");
      if (Number(stat[1]) === Deno.pid) sum += Number(stat[11]) + Number(stat[12]);
    } catch (error) {
      // It ended after it was listed.
      if (!(error instanceof Deno.errors.NotFound) && !/os error 3/.test(String(error))) {
        throw error;
      }
    }
  }
  return sum;
}

add("follows a change of /etc/fstab", async (db) => {
  const { server, folder, query, put } = db;
  makeDatabase(`${folder}/ok.db`, "CREATE TABLE IF NOT EXISTS t(a)");
  assertEquals((await query("?file=data/ok.db", "SELECT 1")).status, 200);
  await put("/etc/fstab", `${folder} /mnt/other ro\n`);
  for (let tries = 0; tries < 500; tries++) {
    if ((await query("?file=other/ok.db", "SELECT 1")).status === 200) break;
  }
  assertEquals((await query("?file=other/ok.db", "SELECT 1")).status, 200);
  assertEquals((await query("?file=data/ok.db", "SELECT 1")).status, 404);
  await put("/etc/fstab", "");
  for (let tries = 0; tries < 500; tries++) {
    if ((await query("?file=other/ok.db", "SELECT 1")).status === 404) break;
  }
  assertEquals((await query("?file=other/ok.db", "SELECT 1", { token: APPROVE })).status, 404);
  assertEquals(server.log.filter((line) => line.includes("did not")), []);
});

Deno.test("/dev/db queries files", async (t) => {
  await withDb(async (db) => {
    for (const [title, run] of cases) await t.step(title, (step) => run(db, step));
  }, (base) => `
    # comments and blank lines count for nothing
    ${base} /mnt/both rw
    https://api.example.com /mnt/web ro,bearer=s3cret
    postgres://db.example.com /mnt/pg ro
    ${base} /mnt/broken s3cret
    / /mnt/own ro
    ${base}/a,b /mnt/comma ro
    nonsense
  `);
});
