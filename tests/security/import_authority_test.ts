/**
 * The property: an imported archive gives no caller rights on this server. Code that was not approved here does
 * not run, and accounts, the signing key and the server's own files are taken only on request.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { recordWorldName } from "../../lib/dav/resource/property_record.ts";
import { mint } from "../../lib/auth/capability.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { readSecret } from "../../lib/world/file/data_folder.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../project/program.ts";
import { putJob, testWriter, transitionJob } from "../testdata/test_writer.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const KEY = "ab".repeat(32);
const PLUGIN = `export const routes = ["/helper"];
  export default { fetch: () => new Response("the archive's code ran") };`;
const TOKENS = { ELASTIK_TOKEN: "t2", ELASTIK_APPROVE_TOKEN: "t3" };
/** A dead property whose text ends the response element of its resource. */
const FORGED = { ns: "x", name: "x", xml: "</D:prop></D:propstat></D:response><forged/>" };
const PASSWORD = "the author's password";

/** The folder of a hostile author, who knows its key and can sign any chain. */
function fillHostile(data: string): void {
  Deno.mkdirSync(data, { recursive: true });
  Deno.writeTextFileSync(`${data}/.key`, `${KEY}\n`);
  const writer = testWriter(data, { key: KEY });
  writer.apply([
    putJob("lib/helper", PLUGIN, { state: "pending" }),
    putJob("etc/passwd", "eve:T3\n"),
    putJob("etc/shadow", `eve:${sha256Hex(PASSWORD)}\n`),
    putJob("etc/fstab", "/ /mnt/root rw\n"),
    putJob("usr/lib/shell/app.js", "steal()"),
    putJob("usr/bin/boot", "steal()"),
    putJob("home/note", "a note"),
    putJob("var/cache/semantic/0000", "a shape of the author"),
    putJob("var/cache/semantic/0001", "a shape of the author"),
    putJob(
      recordWorldName("/home"),
      JSON.stringify({ of: "/home", seal: "", properties: [FORGED] }),
    ),
  ]);
  writer.apply([transitionJob("lib/helper", "active")]);
  writer.close();
}

function importInto(folder: string, into: string, ...options: string[]) {
  return runProgram(fromCheckout(folder, ["import", "hostile", "--into", into, ...options]));
}

Deno.test("an imported archive starts no plugin, and adds no account, key or file of the server", () =>
  withTempFolder(async (folder) => {
    fillHostile(`${folder}/hostile`);
    const { code, stdout, stderr } = await importInto(folder, "data");
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^lib\/helper: plugin that was active there; it needs approval here$/m);
    assertMatch(
      stdout,
      /^etc\/passwd and etc\/shadow: not imported, .*--with-accounts takes them$/m,
    );
    assertMatch(stdout, /^usr\/lib\/shell\/app\.js: not imported, .*--with-system takes it$/m);
    assertMatch(stdout, /^var\/cache: 2 worlds not imported, .*--with-system takes them$/m);
    assertMatch(stdout, /^var\/lib\/dav: 1 world not imported, .*--with-system takes them$/m);
    assertMatch(stdout, /^The signing key of the source was not adopted, .*--with-key adopts it$/m);
    const program = await startProgram(fromCheckout(folder, [], TOKENS));
    try {
      const get = (path: string, authorization: string) =>
        ask(`${program.url}${path}`, { headers: { authorization } });
      assertEquals((await get("/helper/x", "Bearer t3")).status, 404);
      assertEquals(JSON.parse((await get("/lib/helper/state", "Bearer t3")).text).state, "pending");
      assertEquals((await get("/etc/shadow", `Basic ${btoa(`eve:${PASSWORD}`)}`)).status, 401);
      const exp = Math.floor(Date.now() / 1000) + 600;
      const forged = mint({ key: KEY, prefix: "/home", mode: "rw", exp });
      assertEquals((await get("/auth/whoami", `Bearer ${forged}`)).status, 401);
      assert(!(await get("/usr/lib/shell/app.js?raw", "Bearer t3")).text.includes("steal"));
      assertEquals((await get("/home/note?raw", "Bearer t2")).text, "a note");
      assertEquals((await get("/var/cache/semantic/0000?raw", "Bearer t3")).status, 404);
      const found = await ask(`${program.url}/dav/home/`, {
        method: "PROPFIND",
        headers: { authorization: "Bearer t3", depth: "0" },
      });
      assertEquals([found.status, found.text.includes("forged")], [207, false]);
      const audit = JSON.parse((await get("/proc/audit/lib/helper", "Bearer t3")).text);
      assertEquals(audit.ok, true);
    } finally {
      await program.stop();
    }
  }));

Deno.test("an archive that is merged does not configure the plugins of the server", () =>
  withTempFolder(async (folder) => {
    fillHostile(`${folder}/hostile`);
    const writer = testWriter(`${folder}/data`, { key: "cd".repeat(32) });
    writer.apply([putJob("home/own", "x")]);
    writer.close();
    Deno.writeTextFileSync(`${folder}/data/.key`, `${"cd".repeat(32)}\n`);
    const { code, stdout } = await importInto(folder, "data", "--merge");
    assertEquals(code, 0, stdout);
    assertMatch(stdout, /^etc\/fstab: not imported, .*--with-system takes it$/m);
    const names = [...Deno.readDirSync(`${folder}/data`)].map(({ name }) => name);
    assertEquals(names.filter((name) => /^(?:etc|usr)%2F/.test(name)), []);
  }));

Deno.test("the options of import take each kind of authority", () =>
  withTempFolder(async (folder) => {
    fillHostile(`${folder}/hostile`);
    const all = ["--with-key", "--with-accounts", "--with-plugins", "--with-system"];
    const { code, stdout } = await importInto(folder, "data", ...all);
    assertEquals(code, 0, stdout);
    assertMatch(stdout, /^lib\/helper: active plugin, starts with the server$/m);
    assertMatch(stdout, /^The signing key of the archive was adopted: /m);
    assert(!/not imported|not adopted/.test(stdout), stdout);
    assertEquals(readSecret(`${folder}/data`, ".key"), KEY);
    assertEquals(verifyDataFolder({ data: `${folder}/data`, key: KEY }).broken, []);
    const only = await importInto(folder, "other", "--with-key");
    assertMatch(only.stdout, /it needs approval here/);
    assertEquals(verifyDataFolder({ data: `${folder}/other`, key: KEY }).broken, []);
  }));
