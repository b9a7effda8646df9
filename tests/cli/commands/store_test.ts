import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { freePort } from "../../support/free_port.ts";
import {
  type PostgresServers,
  postgresTest,
  serversTest,
  sharedServer,
} from "../../support/postgres_servers.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";
import { ask, fromCheckout, ROOT, runProgram, startProgram } from "../../project/program.ts";

const server = sharedServer();
const KEY = "a-key-of-every-node";

/** Runs `elastik store` in an empty folder. */
function runStore(args: readonly string[], env: Readonly<Record<string, string>>) {
  return withTempFolder((folder) => runProgram(fromCheckout(folder, ["store", ...args], env)));
}

async function withDatabase(
  servers: PostgresServers,
  use: (env: Readonly<Record<string, string>>, database: string) => Promise<void>,
): Promise<void> {
  const database = await servers.createDatabase();
  try {
    await use({ ELASTIK_STORE: servers.url(database), ELASTIK_KEY: KEY }, database);
  } finally {
    await servers.dropDatabase(database);
  }
}

postgresTest(
  "store init creates a store, says so, and can be repeated",
  () =>
    withDatabase(server(), async (env, database) => {
      await server().sql("CREATE ROLE of_nodes LOGIN", "a", database);
      const first = await runStore(["init", "--role", "of_nodes"], env);
      assertEquals([first.code, first.stderr], [0, ""]);
      assertMatch(
        first.stdout,
        /^Created the store in postgres:\/\/postgres@127\.0\.0\.1:\d+\/\S+ with schema \d+\nRole of_nodes has the rights of a node\n$/,
      );
      const again = await runStore(["init"], env);
      assertEquals([again.code, again.stderr], [0, ""]);
      assertMatch(again.stdout, /has this store since \d{4}-/);
      const other = await runStore(["init"], { ...env, ELASTIK_KEY: "another-key" });
      assertEquals(other.code, 1);
      assertMatch(other.stderr, /^Cannot run store init on \S+: ELASTIK_KEY is not its key; .*\n$/);
      const upgrade = await runStore(["upgrade"], env);
      assertEquals([upgrade.code, upgrade.stderr], [0, ""]);
      assertMatch(upgrade.stdout, /^The schema is \d+ already\n$/);
      await server().sql("DROP OWNED BY of_nodes;\nDROP ROLE of_nodes", "a", database);
    }),
);

serversTest("store check reports a cluster without fault with exit code 0", {
  servers: 2,
  fsync: true,
}, async (servers) => {
  const env = { ELASTIK_STORE: servers.url(), ELASTIK_KEY: KEY };
  const before = await runStore(["check"], env);
  assertEquals(before.code, 1);
  assertMatch(before.stdout, /Refused: the database has no store; run elastik store init\n/);
  assertEquals((await runStore(["init"], env)).code, 0);
  const good = await runStore(["check"], env);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertMatch(
    good.stdout,
    /^PostgreSQL \d+\.\d+, primary 127\.0\.0\.1:\d+, timeline 1, synchronous standbys: 1\nThe store can be used, 0 warnings\n$/,
  );
  const restored = await runStore(["check", "--restored", "--json"], env);
  const report = JSON.parse(restored.stdout);
  assertEquals([restored.code, report.ok, report.findings], [0, true, []]);
  assertEquals(report.hosts.map(({ role }: { role: string }) => role), ["primary", "standby"]);
  assertEquals(await servers.sql("SELECT count(*) FROM elastik.runs"), ["1"]);
  assertEquals(report.hosts.map(({ timeline = 0 }) => timeline), [1, 0]);
  // The number is not for a role without pg_read_all_stats.
  await servers.sql("CREATE ROLE of_nodes LOGIN");
  assertEquals((await runStore(["init", "--role", "of_nodes"], env)).code, 0);
  const ofNodes = { ...env, ELASTIK_STORE: servers.url("postgres", undefined, "of_nodes") };
  const asNode = await runStore(["check"], ofNodes);
  assertEquals([asNode.code, asNode.stderr], [0, ""]);
  assertMatch(asNode.stdout, /, synchronous standbys: at least 1\nThe store can be used, 0 w/);
});

serversTest("commands end with the reason if commits wait for a standby that is not there", {
  servers: 2,
  synchronous: "b",
}, async (servers) => {
  const env = { ELASTIK_STORE: servers.url(), ELASTIK_KEY: KEY };
  assertEquals((await runStore(["init"], env)).code, 0);
  await servers.kill("b");
  const REASON = "commits wait for a synchronous standby \\(synchronous_standby_names is b\\); " +
    "start the standby, or change this setting";
  const restored = await runStore(["check", "--restored"], env);
  assertEquals([restored.code, restored.stdout], [1, ""]);
  assertMatch(
    restored.stderr,
    new RegExp(
      `^Cannot run store check on \\S+: ${REASON}; what was done is on the disk of the primary, and ` +
        "takes effect then\n$",
    ),
  );
  // The one that waits keeps its lock.
  const init = await runStore(["init"], env);
  assertEquals([init.code, init.stdout], [1, ""]);
  assertMatch(init.stderr, new RegExp(`^Cannot run store init on \\S+: ${REASON}\n$`));
  const check = await runStore(["check"], env);
  assertEquals(check.code, 1);
  assertMatch(check.stdout, new RegExp(`\nRefused: ${REASON}\n`));
  // So does a node that starts.
  const node = { ELASTIK_NODE: "n", ELASTIK_TOKEN: "a-token", ELASTIK_APPROVE_TOKEN: "another" };
  const serve = await withTempFolder((folder) =>
    runProgram(fromCheckout(folder, [], { ...env, ...node }))
  );
  assertEquals(serve.code, 1);
  assertMatch(serve.stderr, new RegExp(`^Cannot start with the store \\S+: .*${REASON}\n$`, "m"));
  await withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder, [], { ELASTIK_KEY: KEY }));
    await ask(`${program.url}/home/x`, { method: "PUT", body: "x" });
    await program.stop();
    const { code, stderr } = await runProgram(fromCheckout(folder, ["import", "data"], env));
    assertEquals(code, 1, stderr);
    assertMatch(stderr, new RegExp(`Cannot run import on \\S+: ${REASON}`));
  });
});

postgresTest(
  "store check refuses a server without fsync, also as JSON",
  () =>
    withDatabase(server(), async (env) => {
      await runStore(["init"], env);
      const text = await runStore(["check"], env);
      assertEquals(text.code, 1);
      assertMatch(text.stdout, /\nRefused: fsync is off: .*\nWarning: no standby is synchronous: /);
      assertMatch(text.stdout, /\nThe store must not be used until .*\n$/);
      const json = await runStore(["check", "--json", "--managed"], env);
      const { ok, findings } = JSON.parse(json.stdout);
      assertEquals([json.code, ok], [1, false]);
      assertEquals(findings.map(({ code }: { code: string }) => code), ["fsync"]);
    }),
);

Deno.test("store says what is missing, and never the password", async () => {
  const secret = "tell-no-one";
  const url = `postgres://u:${secret}@127.0.0.1:${freePort()}/n`;
  for (
    const [args, env, code, reason] of [
      [["init"], {}, 2, /ELASTIK_STORE is not set/],
      [["check"], { ELASTIK_STORE: `postgres://u:${secret}@h:x/n` }, 2, /port of host 1/],
      [["destroy"], { ELASTIK_STORE: url }, 2, /init, upgrade, check, rekey is needed/],
      [["check", "--role", "x"], { ELASTIK_STORE: url }, 2, /--role belongs to init/],
      [["init", "--json"], { ELASTIK_STORE: url, ELASTIK_KEY: KEY }, 2, /--json belongs to check/],
      [["check"], { ELASTIK_STORE: url }, 3, /no host is the primary/],
    ] as const
  ) {
    const { code: ended, stdout, stderr } = await runStore(args, env);
    assertEquals(ended, code, stderr);
    assertEquals(stdout, "");
    assertMatch(stderr, reason);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assert(!stderr.includes(secret), stderr);
  }
});

postgresTest(
  "store init needs the key, and rights in the database",
  () =>
    withDatabase(server(), async ({ ELASTIK_STORE = "" }, database) => {
      const without = await runStore(["init"], { ELASTIK_STORE });
      assertEquals(without.code, 2);
      assertMatch(without.stderr, /ELASTIK_KEY is not set/);
      await server().sql("CREATE ROLE weak LOGIN", "a", database);
      const url = ELASTIK_STORE.replace("postgres@", "weak@");
      const weak = await runStore(["init"], { ELASTIK_STORE: url, ELASTIK_KEY: KEY });
      assertEquals(weak.code, 1);
      assertMatch(weak.stderr, /permission denied .*; use a role that owns the database/);
      await server().sql("DROP ROLE weak", "a", database);
    }),
);

postgresTest(
  "store runs with permission for the database and its own settings only",
  () =>
    withDatabase(server(), async (env) => {
      const { code, stdout, stderr } = await withTempFolder((folder) =>
        runProgram({
          command: Deno.execPath(),
          args: [
            ...["run", "--no-prompt", "--config", `${ROOT}/deno.json`, "--allow-env=ELASTIK_*"],
            ...[`--allow-net=127.0.0.1:${server().port()}`, "--allow-read=."],
            ...[`${ROOT}/main.ts`, "store", "init"],
          ],
          cwd: folder,
          env,
        })
      );
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^Created the store/);
    }),
);

postgresTest(
  "store rekey takes the retired key from the data folder, and shows no key",
  () =>
    withDatabase(server(), async (env, database) => {
      await runStore(["init"], env);
      const event =
        "INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac, " +
        "prev_hmac, kind, name, by, version, ext, state, len) " +
        "VALUES (1, 1, '', '', '', '', '', 'note', '', '', 1, '', '', 0)";
      await server().sql(event, "a", database);
      await withTempFolder(async (folder) => {
        const rekey = (data: string) =>
          runProgram(fromCheckout(folder, ["store", "rekey"], {
            ...env,
            ELASTIK_KEY: "the-new-key",
            ELASTIK_DATA: data,
          }));
        const without = await rekey("none");
        assertEquals(without.code, 1);
        assertMatch(without.stderr, /no retired key of the data folder is its key/);
        await Deno.mkdir(`${folder}/data`);
        await Deno.writeTextFile(`${folder}/data/.key-retired`, `${KEY}\n`, { mode: 0o600 });
        const done = await rekey("data");
        assertEquals([done.code, done.stderr], [0, ""]);
        assertMatch(done.stdout, /^ELASTIK_KEY is the key of the store now; /);
        const again = await rekey("data");
        assertMatch(again.stdout, /^ELASTIK_KEY is the key of the store already\n$/);
        // A folder without the retired key, such as that of a new node.
        const next = { ...env, ELASTIK_KEY: "the-new-key" };
        const id = toKeyId(KEY);
        const check = await runStore(["check"], next);
        assertMatch(check.stdout, new RegExp(`\nWarning: .*lacks the retired key ${id}, `));
        const exported = await runProgram(fromCheckout(folder, ["export", "copy"], next));
        assertMatch(exported.stdout, /\nCopy \.key-retired of a node into it: /);
        const unknown = await runStore(["rekey", "--forget", toKeyId("other")], next);
        assertEquals([unknown.code, unknown.stdout], [1, ""]);
        assertMatch(
          unknown.stderr,
          new RegExp(`: it needs the retired keys ${id}, and no other\n$`),
        );
        const forgotten = await runStore(["rekey", "--forget", id], next);
        assertEquals([forgotten.code, forgotten.stderr], [0, ""]);
        assertMatch(
          forgotten.stdout,
          new RegExp(`^Nodes start without the retired key ${id} now; `),
        );
        const after = await runStore(["check"], next);
        assert(!after.stdout.includes("retired"), after.stdout);
        for (const { stdout, stderr } of [without, done, again, check, unknown, forgotten]) {
          assert(!/the-new-key|a-key-of/.test(stdout + stderr), stdout + stderr);
        }
      });
    }),
);
