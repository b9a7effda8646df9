import { assertEquals, assertMatch } from "../support/assert.ts";
import { freePort } from "../support/free_port.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { formatIncomplete } from "../../lib/cli/store_transfer.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../project/program.ts";

const server = sharedServer();
const KEY = "0123456789abcdef".repeat(4);
const APPROVE = "an-approve-token-of-this-test";

type Env = Readonly<Record<string, string>>;

/** A data folder of a server with some worlds, and a database with an empty store. */
function withFolder(use: (folder: string, env: Env) => Promise<void>): Promise<void> {
  return withTempFolder(async (folder) => {
    const program = await startProgram(
      fromCheckout(folder, [], { ELASTIK_KEY: KEY, ELASTIK_APPROVE_TOKEN: APPROVE }),
    );
    for (const body of ["one", "two"]) {
      await ask(`${program.url}/home/x`, { method: "PUT", body });
    }
    await ask(`${program.url}/home/gone`, { method: "PUT", body: "gone" });
    await ask(`${program.url}/home/gone`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${APPROVE}` },
    });
    await program.stop();
    const database = await server().createDatabase();
    const role = `node_of_${database}`;
    await server().sql(`CREATE ROLE ${role} LOGIN`);
    const urlOf = (user: string) => server().url(database, "sslmode=disable", user);
    try {
      const owner = { ELASTIK_KEY: KEY, ELASTIK_STORE: urlOf("postgres") };
      const args = ["store", "init", "--role", role];
      const init = await runProgram(fromCheckout(folder, args, owner));
      assertEquals([init.code, init.stderr], [0, ""]);
      // With the rights of a node.
      await use(folder, { ELASTIK_KEY: KEY, ELASTIK_STORE: urlOf(role) });
    } finally {
      await server().dropDatabase(database);
      await server().sql(`DROP ROLE ${role}`);
    }
  });
}

postgresTest(
  "import moves a data folder into the store, and export back, with the trash",
  () =>
    withFolder(async (folder, env) => {
      const run = (args: readonly string[], more: Env = {}) =>
        runProgram(fromCheckout(folder, args, { ...env, ...more }));
      const imported = await run(["import", "data"]);
      assertEquals([imported.code, imported.stderr], [0, ""]);
      assertMatch(
        imported.stdout,
        /^Imported \d+ worlds into postgres:\/\/node_of_test_\d+@127\.0\.0\.1:\d+\/\S+, and \d+ into its trash\n$/,
      );
      const again = await run(["import", "data"]);
      assertEquals(again.code, 0);
      assertMatch(again.stdout, /^Imported 0 worlds into \S+; \d+ existed already\n$/);
      const exported = await run(["export", "copy"]);
      assertEquals([exported.code, exported.stderr], [0, ""]);
      assertMatch(
        exported.stdout,
        /^Exported \d+ worlds from \S+ into copy\n\d+ worlds are in its trash\n/,
      );
      const verified = await run(["verify", "copy"]);
      assertEquals(verified.code, 0, verified.stdout + verified.stderr);
      const copy = await startProgram(
        fromCheckout(folder, [], { ELASTIK_KEY: KEY, ELASTIK_DATA: "copy" }),
      );
      assertEquals((await ask(`${copy.url}/home/x?raw`)).text, "two");
      assertEquals((await ask(`${copy.url}/home/x?raw&at=1`)).text, "one");
      await copy.stop();
      const full = await run(["export", "copy"]);
      assertEquals([full.code, full.stdout], [2, ""]);
      assertMatch(
        full.stderr,
        /^Cannot export into copy: it exists and is not empty; name another/,
      );
      const database = new URL(env.ELASTIK_STORE ?? "").pathname.slice(1);
      const damage = "UPDATE elastik.worlds SET body = NULL, content = 987654321 WHERE name =";
      await server().sql(`${damage} 'home/x'`, "a", database);
      const damaged = await run(["export", "rest"]);
      assertMatch(damaged.stdout, /^Exported \d+ worlds from \S+ into rest\n/);
      assertEquals([damaged.code, damaged.stderr], [
        1,
        "home/x: not exported: a part of its bytes is missing\n" +
        "The export is incomplete: not exported: 1; exported in part: 0\n",
      ]);
    }),
);

postgresTest(
  "import into the store refuses other keys, missing folders and a running server",
  () =>
    withFolder(async (folder, env) => {
      const run = (args: readonly string[], more: Env = {}) =>
        runProgram(fromCheckout(folder, args, { ...env, ...more }));
      const missing = await run(["import", "none"]);
      assertEquals([missing.code, missing.stdout], [2, ""]);
      assertMatch(missing.stderr, /^Cannot import none: there is no such file or folder\n$/);
      await Deno.writeTextFile(`${folder}/data/.key`, `${"f".repeat(64)}\n`);
      const other = await run(["import", "data"]);
      assertEquals([other.code, other.stdout], [2, ""]);
      assertMatch(other.stderr, /^Cannot import data: its key is not ELASTIK_KEY; /);
      await Deno.remove(`${folder}/data/.key`);
      const program = await startProgram(fromCheckout(folder, [], { ELASTIK_KEY: KEY }));
      const busy = await run(["import", "data"]);
      await program.stop();
      assertEquals([busy.code, busy.stdout], [2, ""]);
      assertMatch(busy.stderr, /^Cannot use the data folder data: another server holds it/);
      const wrong = await run(["import", "data"], { ELASTIK_KEY: "e".repeat(64) });
      assertEquals([wrong.code, wrong.stdout], [2, ""]);
      assertMatch(wrong.stderr, /^Cannot run import on \S+: ELASTIK_KEY is not its key/);
    }),
);

postgresTest(
  "commands with ELASTIK_STORE do not use the data folder of the settings",
  () =>
    withFolder(async (folder, env) => {
      const run = (args: readonly string[]) => runProgram(fromCheckout(folder, args, env));
      for (
        const args of [
          ["verify"],
          ["backup", "copy"],
          ["import", "x.tar.gz"],
          ["import", "data", "--merge"],
          ["export", "x.tar.gz"],
          ["export", "-"],
          ["export", "x", "--without-key"],
        ]
      ) {
        const refused = await run(args);
        assertEquals([args, refused.code, refused.stdout], [args, 2, ""]);
        assertMatch(refused.stderr, /ELASTIK_STORE/);
      }
      for (const args of [["verify", "data"], ["key", "list", "--data", "data"]]) {
        assertEquals((await run(args)).code, 0, args.join(" "));
      }
      const own = await run(["key", "list"]);
      assertEquals([own.code, own.stdout.trim().split("\t").slice(1)], [0, [
        "current",
        "ELASTIK_KEY",
      ]]);
    }),
);

postgresTest(
  "import and export answer with exit code 3 when no primary can be reached",
  () =>
    withTempFolder(async (folder) => {
      await Deno.mkdir(`${folder}/data`);
      const env = { ELASTIK_KEY: KEY, ELASTIK_STORE: `postgres://x@127.0.0.1:${freePort()}/x` };
      for (const args of [["import", "data"], ["export", "copy"]]) {
        const { code, stderr } = await runProgram(fromCheckout(folder, args, env));
        assertEquals(code, 3, stderr);
        assertMatch(stderr, new RegExp(`^Cannot run ${args[0]} on postgres://x@127`));
      }
      const { ELASTIK_KEY: _key, ...without } = env;
      const { code, stderr } = await runProgram(fromCheckout(folder, ["export", "copy"], without));
      assertEquals(code, 2);
      assertMatch(stderr, /^Cannot run export: ELASTIK_KEY is not set/);
    }),
);

Deno.test("formatIncomplete() has one line for each damaged world", () => {
  assertEquals(formatIncomplete({ damaged: [], partial: [] }), []);
  const damaged = [{ name: "home/a", reason: "it is damaged" }];
  const partial = [
    { name: "home/b", versions: [3] },
    { name: "home/c", versions: [1, 2, 3, 4, 5, 6, 7] },
  ];
  assertEquals(formatIncomplete({ damaged, partial }), [
    "home/a: not exported: it is damaged",
    "home/b: exported, but the store has no bytes of version 3",
    "home/c: exported, but the store has no bytes of versions 1, 2, 3, 4, 5 and 2 more",
    "The export is incomplete: not exported: 1; exported in part: 2",
  ]);
});
