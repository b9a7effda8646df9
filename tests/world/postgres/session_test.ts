import { existsSync } from "node:fs";
import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { canCertify, openssl } from "../../support/certificate.ts";
import { freePort } from "../../support/free_port.ts";
import {
  PostgresServers,
  postgresSkipped,
  postgresTest,
  serversTest,
  sharedServer,
} from "../../support/postgres_servers.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import {
  openSession,
  type Session,
  SessionError,
  type SessionOptions,
} from "../../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

const server = sharedServer();
/** Milliseconds for what happens, but late on a slow computer: they only end a test that would never end. */
const PATIENT_MS = 600_000;

function open(url: string, options: SessionOptions = {}): Promise<Session> {
  const store = parseStoreUrl(url);
  const [host] = store.hosts;
  assert(host !== undefined, url);
  return openSession({ store, host }, { openMs: PATIENT_MS, ...options });
}

async function withSession(
  run: (session: Session) => Promise<void>,
  options: SessionOptions = {},
): Promise<void> {
  const session = await open(server().url(), options);
  try {
    await run(session);
  } finally {
    session.drop();
  }
}

/** Waits until no session of a name has a process in the server. */
async function assertGone(servers: PostgresServers, node: string): Promise<void> {
  const question =
    `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'elastik/${node}'`;
  while ((await servers.sql(question))[0] !== "0");
}

postgresTest("query() returns values of their types", () =>
  withSession(async (session) => {
    const [row] = await session.query(
      `SELECT 9007199254740991::int8 AS large, -1::int4 AS small, true AS yes, 'ä\n' AS text,
        '\\x00ff'::bytea AS bytes, NULL::int8 AS none, 0.5::float8 AS half, '{"a":1}'::json AS json`,
    );
    assertEquals({ ...row }, {
      large: Number.MAX_SAFE_INTEGER,
      small: -1,
      yes: true,
      text: "ä\n",
      bytes: new Uint8Array([0, 255]),
      none: null,
      half: 0.5,
      json: '{"a":1}',
    });
    // A number that is not exact is no reason to end the session.
    const [inexact] = await session.query("SELECT 9007199254740992::int8 AS n");
    assertEquals([inexact?.n, session.isOpen], ["9007199254740992", true]);
  }));

postgresTest(
  "query() sends parameters and arrays as they are",
  () =>
    withSession(async (session) => {
      const texts = ['a"b\\c', "{},'", "NULL", "", " ", "ä\u{1f600}", null];
      const rows = await session.query(
        `SELECT t, encode(b, 'hex') AS b, n, y, length($5::bytea) AS l
       FROM unnest($1::text[], $2::bytea[], $3::int8[], $4::bool[]) AS x(t, b, n, y)`,
        [
          texts,
          texts.map((_, i) => i === 0 ? null : new Uint8Array(i - 1).fill(i)),
          texts.map((_, i) => i % 2 === 0 ? i : BigInt(i)),
          texts.map((_, i) => i === 3 ? null : i > 3),
          new Uint8Array(70_000),
        ],
      );
      assertEquals(rows.map(({ t }) => t), texts);
      assertEquals(rows.map(({ n }) => n), [0, 1, 2, 3, 4, 5, 6]);
      assertEquals(rows.map(({ y }) => y), [false, false, false, null, true, true, true]);
      assertEquals(rows[3], { t: "", b: "0303", n: 3, y: null, l: 70_000 });
      assertEquals(rows[0]?.b, null);
    }),
);

postgresTest("a session has its settings whatever the database says", async () => {
  const database = await server().createDatabase();
  await server().sql(
    `ALTER DATABASE ${database} SET jit = on;
     ALTER DATABASE ${database} SET synchronous_commit = off;
     ALTER DATABASE ${database} SET bytea_output = 'escape';
     ALTER DATABASE ${database} SET default_transaction_isolation = 'serializable';`,
  );
  const session = await open(server().url(database), {
    node: "a b",
    settings: { enable_seqscan: "off" },
  });
  const names = [
    ...["jit", "synchronous_commit", "bytea_output", "default_transaction_isolation"],
    ...["idle_in_transaction_session_timeout", "application_name", "search_path", "enable_seqscan"],
  ];
  const rows = await Promise.all(names.map((name) => session.query(`SHOW ${name}`)));
  assertEquals(rows.map(([row]) => Object.values(row ?? {})[0]), [
    ...["off", "on", "hex", "read committed"],
    ...["2s", "elastik/a b", "elastik", "off"],
  ]);
  session.drop();
  await assertGone(server(), "a b");
  await server().dropDatabase(database);
});

postgresTest(
  "an error of a statement has its SQLSTATE and leaves the session usable",
  () =>
    withSession(async (session) => {
      await session.query("CREATE TEMP TABLE one (n int CONSTRAINT own_name UNIQUE)");
      const answers = await Promise.allSettled([
        session.query("INSERT INTO one VALUES ($1)", [1]),
        session.query("INSERT INTO one VALUES ($1)", [1]),
        session.query("SELECT count(*) AS n FROM one", []),
      ]);
      assertEquals(answers.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
      await assertRejects(
        session.query("INSERT INTO one VALUES ($1)", [1]),
        { code: "23505", sqlState: "23505", constraint: "own_name", isUnknown: false },
      );
      assertEquals(await session.query("SELECT $1::int AS n", [2]), [{ n: 2 }]);
      assert(!session.inTransaction, "no transaction");
      await session.query("BEGIN");
      assert(session.inTransaction, "a transaction");
      await session.query("ROLLBACK");
    }),
);

postgresTest(
  "query() is late after its deadline, and the session ends",
  () =>
    withSession(async (session) => {
      await session.query("SELECT 1", []);
      const late = session.query("SELECT pg_sleep(600)", undefined, 50);
      const behind = session.query("SELECT 2", []);
      await assertRejects(late, { code: "late", isUnknown: true });
      await assertRejects(behind, { code: "lost", isUnknown: true });
      assert(!session.isOpen, "it is open");
      await assertRejects(session.query("SELECT 1"), { code: "refused", isUnknown: false });
      // The server does not notice while it sleeps.
      await server().sql(`SELECT pg_terminate_backend(${session.pid})`);
      await assertGone(server(), "deadline");
    }, { node: "deadline" }),
);

postgresTest("a terminated backend is an unknown outcome, and is reported once", async () => {
  const lost: SessionError[] = [];
  await withSession(async (session) => {
    const sleeping = session.query("SELECT pg_sleep(600)", undefined, PATIENT_MS);
    const ended = assertRejects(sleeping, { code: "lost", sqlState: "57P01", isUnknown: true });
    await server().sql(`SELECT pg_terminate_backend(${session.pid}, 60000)`);
    await ended;
    assertEquals(lost.length, 1);
  }, { onLost: (error) => lost.push(error) });
  const { promise, resolve } = Promise.withResolvers<SessionError>();
  await withSession(async (session) => {
    await server().sql(`SELECT pg_terminate_backend(${session.pid}, 60000)`);
    assertEquals((await promise).code, "lost");
    assert(!session.isOpen, "an idle session ended");
  }, { onLost: resolve });
});

postgresTest(
  "a cancelled statement is an error with its SQLSTATE",
  () =>
    withSession(async (session) => {
      const sleeping = session.query("SELECT pg_sleep(600)", undefined, PATIENT_MS);
      const cancelled = assertRejects(sleeping, { code: "57014" });
      let done = "f";
      while (done === "f") {
        [done = ""] = await server().sql(`SELECT pg_cancel_backend(${session.pid})
      FROM pg_stat_activity WHERE pid = ${session.pid} AND wait_event = 'PgSleep'
      UNION ALL SELECT false LIMIT 1`);
      }
      await cancelled;
      assert(session.isOpen, "it is open");
    }),
);

postgresTest("notifications arrive at the session that listens", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await withSession(async (session) => {
    await session.query("LISTEN elastik");
    await server().sql("SELECT pg_notify('elastik', '17')");
    assertEquals(await promise, "17");
  }, { onNotification: resolve });
});

serversTest("a cancelled wait for the standby is an unknown outcome", {
  servers: 2,
}, async (servers) => {
  const session = await open(servers.url());
  await servers.sql("CREATE TABLE t (n int)");
  await servers.pause("b");
  const waiting = session.query("INSERT INTO public.t VALUES ($1)", [1], PATIENT_MS);
  const doubtful = assertRejects(waiting, { code: "lost", sqlState: "01000", isUnknown: true });
  const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
  while ((await servers.sql(cancel)).length === 0);
  await doubtful;
  assert(!session.isOpen, "it is open");
  // It is committed; the warning precedes the moment when others see it.
  while ((await servers.sql("SELECT n FROM t"))[0] !== "1");
});

serversTest("a stopped or killed server does not hold its callers", {}, async (servers) => {
  const session = await open(servers.url());
  servers.stop("a");
  // The rest of a deadline has a fraction, which the text does not have.
  await assertRejects(session.query("SELECT 1", [], 99.25), {
    code: "late",
    message: /did not answer within 100 ms/,
  });
  await assertRejects(open(servers.url(), { openMs: 100 }), {
    code: "refused",
    message: /did not answer within 100 ms/,
  });
  servers.cont("a");
  const lost = Promise.withResolvers<SessionError>();
  const second = await open(servers.url(), { onLost: lost.resolve });
  const asleep = second.query("SELECT pg_sleep(600)", undefined, PATIENT_MS);
  const sleeping = assertRejects(asleep, { code: "lost" });
  await servers.kill("a");
  await sleeping;
  assertEquals((await lost.promise).isUnknown, true);
  await assertRejects(open(servers.url()), { code: "refused" });
});

const noPooler = existsSync("/usr/sbin/pgbouncer") ? "" : " (skipped: pgbouncer is not installed)";
Deno.test({
  name: `a session works through a pooler in session mode${postgresSkipped || noPooler}`,
  ignore: (postgresSkipped || noPooler) !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const port = freePort();
      await Deno.chmod(folder, 0o755);
      await Deno.writeTextFile(
        `${folder}/pgbouncer.ini`,
        `[databases]
        * = host=127.0.0.1 port=${server().port()} user=postgres
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = ${port}
        unix_socket_dir =
        auth_type = any
        pool_mode = session
        `.replace(/^ +/gm, ""),
      );
      const args = ["/usr/sbin/pgbouncer", "-q", `${folder}/pgbouncer.ini`];
      const [command = "", ...rest] = Deno.uid() === 0
        ? ["runuser", "-u", "postgres", "--", ...args]
        : args;
      const pooler = new Deno.Command(command, { args: rest, stdout: "null", stderr: "null" })
        .spawn();
      try {
        const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
        const heard = Promise.withResolvers<string>();
        let session: Session | undefined;
        while (session === undefined) {
          const options = { node: "pooled", onNotification: heard.resolve };
          session = await open(url, options).catch((error) => {
            // It does not listen yet.
            assertMatch(error.message, /ECONNREFUSED/);
            return undefined;
          });
        }
        const names = ["jit", "search_path", "application_name", "synchronous_commit"];
        const rows = await Promise.all(names.map((name) => session.query(`SHOW ${name}`, [])));
        assertEquals(rows.map(([row]) => Object.values(row ?? {})[0]), [
          ...["off", "elastik", "elastik/pooled", "on"],
        ]);
        await session.query("LISTEN pooled");
        await server().sql("SELECT pg_notify('pooled', 'yes')");
        assertEquals(await heard.promise, "yes");
        session.drop();
      } finally {
        pooler.kill("SIGTERM");
        await pooler.status;
      }
    }),
});

postgresTest("a session works over a Unix socket", () =>
  withTempFolder(async (folder) => {
    await Deno.chmod(folder, 0o777);
    await using servers = await PostgresServers.start({
      settings: { unix_socket_directories: `'${folder}'` },
    });
    const host = encodeURIComponent(folder);
    const session = await open(`postgres://postgres@${host}:${servers.port()}/postgres`);
    assertEquals(await session.query("SELECT inet_client_addr() AS address", []), [
      { address: null },
    ]);
    session.drop();
  }));

serversTest("no message contains the password", {
  access: ["host all carol 127.0.0.1/32 scram-sha-256"],
}, async (servers) => {
  const secret = "tell-no-one";
  await servers.sql(`CREATE ROLE carol LOGIN PASSWORD '${secret}'`);
  const of = (password: string) => servers.url("postgres", undefined, `carol${password}`);
  const session = await open(of(`:${secret}`));
  assertEquals(await session.query("SELECT current_user AS me"), [{ me: "carol" }]);
  assert(!Deno.inspect(session, { depth: 9, showHidden: true }).includes(secret), "shown");
  session.drop();
  for (
    const [password, reason, code] of [
      [`:${secret}x`, /password authentication failed/, "28P01"],
      [`:`, /password/, undefined],
      ["", /ELASTIK_STORE has none/, undefined],
    ] as const
  ) {
    await assertRejects(open(of(password)), (error: unknown) => {
      assert(error instanceof SessionError, `${error}`);
      assertEquals([error.code, error.sqlState], ["refused", code]);
      assertMatch(error.message, reason);
      assert(!Deno.inspect(error).includes(secret), "the error has the password");
      return true;
    });
  }
});

/** An authority and a certificate that it signed for one host, as files in a folder. */
async function certifyHost(folder: string, name: string, host: string) {
  const [ca, caKey, cert, key] = ["ca.crt", "ca.key", "crt", "key"].map((end) =>
    `${folder}/${name}.${end}`
  ) as [string, string, string, string];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl([
    ...["req", "-x509", ...curve, "-keyout", caKey, "-out", ca, "-days", "2", "-subj", "/CN=CA"],
  ]);
  await Deno.writeTextFile(`${folder}/ext`, `subjectAltName=${host}\n`);
  await openssl(["req", ...curve, "-keyout", key, "-out", `${folder}/csr`, "-subj", "/CN=db"]);
  await openssl([
    ...["x509", "-req", "-in", `${folder}/csr`, "-CA", ca, "-CAkey", caKey, "-CAcreateserial"],
    ...["-out", cert, "-days", "2", "-extfile", `${folder}/ext`],
  ]);
  return { ca, cert, key };
}

const noTls = canCertify() ? "" : " (skipped: openssl is not installed)";
Deno.test({
  name: `a session verifies the certificate as sslmode says${postgresSkipped || noTls}`,
  ignore: (postgresSkipped || noTls) !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const own = await certifyHost(folder, "own", "DNS:localhost");
      const other = await certifyHost(folder, "other", "DNS:localhost");
      await using servers = await PostgresServers.start({
        tls: own,
        access: ["hostssl all all 127.0.0.1/32 trust", "host all all 127.0.0.1/32 reject"],
      });
      const at = (host: string, query: string) =>
        `postgres://postgres@${host}:${servers.port()}/postgres?${query}`;
      const root = (file: string) => `sslrootcert=${encodeURIComponent(file)}`;
      for (
        const [host, query] of [
          ["localhost", `sslmode=verify-full&${root(own.ca)}`],
          ["localhost", root(own.ca)],
          ["127.0.0.1", `sslmode=verify-ca&${root(own.ca)}`],
          ["127.0.0.1", "sslmode=require"],
        ] as const
      ) {
        const session = await open(at(host, query));
        const rows = await session.query(
          "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        );
        assertEquals(rows, [{ ssl: true }], query);
        session.drop();
      }
      for (
        const [host, query] of [
          ["127.0.0.1", `sslmode=verify-full&${root(own.ca)}`],
          ["localhost", `sslmode=verify-full&${root(other.ca)}`],
          ["localhost", `sslmode=verify-ca&${root(other.ca)}`],
          ["localhost", "sslmode=verify-full"],
          ["localhost", `sslmode=require&${root(other.ca)}`],
          ["localhost", "sslmode=disable"],
          ["localhost", `sslmode=verify-full&${root(`${folder}/none`)}`],
        ] as const
      ) await assertRejects(open(at(host, query)), { code: "refused" }, `${host} ${query}`);
      const lost = Promise.withResolvers<SessionError>();
      const session = await open(at("localhost", "sslmode=require"), { onLost: lost.resolve });
      servers.stop("a");
      await assertRejects(session.query("SELECT 1", [], 100), { code: "late" });
      const late = open(at("localhost", "sslmode=require"), { openMs: 100 });
      await assertRejects(late, { code: "refused" });
      servers.cont("a");
      const second = await open(at("localhost", "sslmode=require"), { onLost: lost.resolve });
      await servers.kill("a");
      assertEquals((await lost.promise).code, "lost");
      assert(!second.isOpen, "it is open");
    }),
});
