import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { bearer } from "../../support/test_server.ts";
import { snapshotFolder } from "../../support/snapshot_folder.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const TOKEN = "t2-of-the-key-test";
const APPROVE = "t3-of-the-key-test";
const T3 = bearer(APPROVE);
const ENV = { ELASTIK_TOKEN: TOKEN, ELASTIK_APPROVE_TOKEN: APPROVE };

/** Runs a command in a folder, whose data folder is `data`. */
function elastik(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  return runProgram(fromCheckout(folder, args, { ...ENV, ...env }));
}

/** Starts a server, changes a world, checks its chain, and stops the server. */
async function change(folder: string, env: Record<string, string> = {}): Promise<string> {
  const program = await startProgram(fromCheckout(folder, [], { ...ENV, ...env }));
  try {
    const url = `${program.url}/home/a`;
    const put = await ask(url, { method: "POST", headers: bearer(TOKEN), body: "x" });
    assert(put.status < 300, put.text);
    const audit = await ask(`${program.url}/proc/audit/home/a`, { headers: T3 });
    assertEquals(JSON.parse(audit.text).ok, true, audit.text);
    const status = await ask(`${program.url}/proc/status`, { headers: T3 });
    return JSON.parse(status.text).key_id;
  } finally {
    await program.stop();
  }
}

function readKey(folder: string): string {
  return Deno.readTextFileSync(`${folder}/data/.key`).trim();
}

Deno.test("key rotate replaces the key of a stopped server, and its chains stay valid", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder, [], ENV));
    const first = readKey(folder);
    try {
      await ask(`${program.url}/home/a`, { method: "PUT", headers: bearer(TOKEN), body: "1" });
      const running = await elastik(folder, ["key", "rotate"]);
      assertEquals([running.code, running.stdout], [2, ""]);
      assertMatch(
        running.stderr,
        /^Cannot run key rotate: a server or another .*; stop it first\n$/,
      );
      // The ids can be read while it runs.
      const listed = await elastik(folder, ["key", "list"]);
      assertEquals(listed.stdout, `${toKeyId(first)}\tcurrent\tdata/.key\n`);
    } finally {
      await program.stop();
    }
    assertEquals(readKey(folder), first);
    const rotated = await elastik(folder, ["key", "rotate"]);
    const second = readKey(folder);
    assertEquals([rotated.code, rotated.stderr], [0, ""]);
    assertMatch(
      rotated.stdout,
      new RegExp(`^Retired the key ${toKeyId(first)}; the new key is ${toKeyId(second)}\n`),
    );
    assertEquals(await change(folder), toKeyId(second));
    const listed = await elastik(folder, ["key", "list", "--data", "data"]);
    assertEquals(
      listed.stdout,
      `${toKeyId(second)}\tcurrent\tdata/.key\n${toKeyId(first)}\tretired\n`,
    );
    for (const { stdout, stderr } of [rotated, listed]) {
      for (const key of [first, second]) assert(!`${stdout}${stderr}`.includes(key));
    }
    const verified = await elastik(folder, ["verify"]);
    assertEquals(verified.code, 0, verified.stdout);
  }));

Deno.test("key rotate retires ELASTIK_KEY, and key add makes chains of an earlier key valid", () =>
  withTempFolder(async (folder) => {
    assertEquals(await change(folder, { ELASTIK_KEY: "first" }), toKeyId("first"));
    const rotated = await elastik(folder, ["key", "rotate"], { ELASTIK_KEY: "first" });
    assertEquals([rotated.code, rotated.stderr], [0, ""]);
    assertMatch(
      rotated.stdout,
      /^Retired the key \w{16}, which is ELASTIK_KEY\nSet ELASTIK_KEY to /,
    );
    const listed = await elastik(folder, ["key", "list"], { ELASTIK_KEY: "first" });
    assertEquals(listed.stdout, `${toKeyId("first")}\tcurrent\tELASTIK_KEY, to be replaced\n`);
    assertEquals(await change(folder, { ELASTIK_KEY: "second" }), toKeyId("second"));
    // Without the list, as if the setting had been changed by hand.
    Deno.removeSync(`${folder}/data/.key-retired`);
    assertEquals((await elastik(folder, ["verify"], { ELASTIK_KEY: "second" })).code, 1);
    Deno.writeTextFileSync(`${folder}/keys`, "zeroth\nfirst\n");
    const added = await elastik(folder, ["key", "add", "@keys"], { ELASTIK_KEY: "second" });
    assertEquals(
      added.stdout,
      ["zeroth", "first"].map((key) => `Added the key ${toKeyId(key)} as retired\n`)
        .join(
          "",
        ),
    );
    assertEquals(Deno.readTextFileSync(`${folder}/data/.key-retired`), "zeroth\nfirst\n");
    const again = await elastik(folder, ["key", "add", "first"], { ELASTIK_KEY: "second" });
    assertEquals([again.code, again.stdout], [0, `The key ${toKeyId("first")} is known already\n`]);
    assertEquals((await elastik(folder, ["verify"], { ELASTIK_KEY: "second" })).code, 0);
    assertEquals(await change(folder, { ELASTIK_KEY: "third" }).catch(() => "refused"), "refused");
    assertEquals(await change(folder, { ELASTIK_KEY: "second" }), toKeyId("second"));
  }));

Deno.test("key changes nothing in a folder without a server's data, and with wrong arguments", () =>
  withTempFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/other`);
    const rows: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
      [["rotate"], /^Cannot use the keys of data: there is no such folder; name one with --data/],
      [["rotate", "--data", "other"], /^Cannot use the keys of other: it is not a data folder/],
      [["add", "k", "--data", "other"], /^Cannot use the keys of other: it is not a data folder/],
      [["list", "--data", "other"], /^Cannot use the keys of other: it is not a data folder/],
      [["rotate", "x"], /^Cannot run key rotate: it takes no key/],
      [["add"], /^Cannot run key add: a key is needed/],
      [["add", "@none"], /^Cannot read the key from none: there is no such file/],
      [["drop"], /^Cannot run key drop: list, rotate or add is needed/],
      [[], /^Cannot run key with 0 arguments: it takes <action> \[key\]/],
    ];
    const before = snapshotFolder(folder);
    for (const [args, stderr] of rows) {
      const found = await elastik(folder, ["key", ...args]);
      assertEquals([found.code, found.stdout], [2, ""], args.join(" "));
      assertMatch(found.stderr, stderr);
      assertEquals(found.stderr.trimEnd().split("\n").length, 1, found.stderr);
    }
    assertEquals(snapshotFolder(folder), before);
  }));

Deno.test("key rotate on a node retires ELASTIK_KEY in the folder of its settings", () =>
  withTempFolder(async (folder) => {
    const key = "the key of all nodes";
    const env = {
      ELASTIK_STORE: "postgres://x@127.0.0.1:1/x",
      ELASTIK_NODE: "a",
      ELASTIK_KEY: key,
    };
    const rotated = await elastik(folder, ["key", "rotate"], env);
    assertEquals(rotated.code, 0, rotated.stderr);
    assertMatch(rotated.stdout, /^Retired the key .*, which is ELASTIK_KEY\n.*elastik store rekey/);
    assertEquals(Deno.readTextFileSync(`${folder}/data/.key-retired`), `${key}\n`);
    assertEquals((Deno.statSync(`${folder}/data`).mode ?? 0) & 0o777, 0o700);
    const added = await elastik(folder, ["key", "add", "an older key"], env);
    assertEquals(added.code, 0, added.stderr);
    assertEquals(Deno.readTextFileSync(`${folder}/data/.key-retired`), `an older key\n${key}\n`);
    const listed = await elastik(folder, ["key", "list"], { ...env, ELASTIK_KEY: "a new key" });
    assertEquals(listed.stdout.trim().split("\n").map((line) => line.split("\t")[1]), [
      "current",
      "retired",
      "retired",
    ]);
  }));
