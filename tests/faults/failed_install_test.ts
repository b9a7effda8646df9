/**
 * Property: an installation that fails leaves what was there before. A source that cannot be approved
 * does not stop the active plugin; a source that cannot be activated is replaced by the earlier one,
 * which gets its earlier state; a new plugin is removed again. If that is not possible, the message
 * says what is there. For `elastik install` and `install.sh`; a test compares `install.ps1` with them.
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "../support/assert.ts";
import { InstallError, installPlugins } from "../../lib/cli/client/install_plugins.ts";
import { ServerClient } from "../../lib/cli/client/server_client.ts";
import { eventsOf, get, plugin, QUICK } from "../plugin/plugin_test_server.ts";
import { onPath, ROOT, runProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { APPROVE, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";

/** Runs an installer for the plugin `mine`, and returns its error; empty if it succeeded. */
type Installer = (server: TestServer, source: string) => Promise<string>;

const baseOf = ({ port }: TestServer) => `http://127.0.0.1:${port}`;

async function byProgram(server: TestServer, source: string): Promise<string> {
  const access = {
    client: new ServerClient(baseOf(server)),
    token: TOKEN,
    approveToken: APPROVE,
    data: "data",
  };
  try {
    await installPlugins(access, [{ name: "mine", text: source, ext: "ts" }], { print() {} });
    return "";
  } catch (error) {
    if (error instanceof InstallError) return error.message;
    throw error;
  }
}

async function byScript(server: TestServer, source: string): Promise<string> {
  return await withTempFolder(async (folder) => {
    await Deno.copyFile(`${ROOT}/plugins/install.sh`, `${folder}/install.sh`);
    await Deno.writeTextFile(`${folder}/mine.ts`, source);
    const env = {
      ELASTIK_URL: baseOf(server),
      ELASTIK_TOKEN: TOKEN,
      ELASTIK_APPROVE_TOKEN: APPROVE,
    };
    const ran = await runProgram({
      command: "sh",
      args: [`${folder}/install.sh`, "mine"],
      cwd: folder,
      env,
    });
    assertEquals(ran.code, ran.stderr === "" ? 0 : 1, ran.stdout + ran.stderr);
    assertNotMatch(ran.stdout + ran.stderr, new RegExp(`${TOKEN}|${APPROVE}`));
    return ran.stderr.trimEnd();
  });
}

const INSTALLERS: Readonly<Record<string, Installer>> = {
  "elastik install": byProgram,
  ...(onPath("curl") ? { "install.sh": byScript } : {}),
};

const EARLIER = plugin({ routes: ["/mine"] }, "return new Response('earlier');");
/** Refused when it is evaluated. */
const UNAPPROVABLE = [
  "import 'x';",
  "export const routes = 7;",
  "export default { fetch() {",
  plugin({ routes: ["/proc/x"] }, ""),
  plugin({ routes: ["/mine"], permissions: { net: ["*"] } }, ""),
  // Another plugin has the route.
  plugin({ routes: ["/mine", "/other/below"] }, ""),
];
/** Refused when it is activated: only then it has the permission. */
const INACTIVATABLE = `${plugin({ routes: ["/mine"], permissions: { net: ["127.0.0.1:4"] } }, "")}
const denied = await fetch("http://127.0.0.1:4/").catch(({ name }) => name === "NotCapable");
if (denied !== true) throw new Error("it has the permission");`;

async function withMine(
  state: string,
  test: (server: TestServer) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withServer({ env: { ...CLOSED, ...QUICK, ...env } }, async (server) => {
    await server.approve("PUT", "/lib/other", plugin({ routes: ["/other/below"] }, ""));
    assertEquals((await server.approve("PUT", "/lib/other/state", "active")).status, 200);
    if (state !== "") await server.approve("PUT", "/lib/mine", EARLIER);
    if (state === "active" || state === "disabled") {
      assertEquals((await server.approve("PUT", "/lib/mine/state", state)).status, 200);
    }
    await test(server);
  });
}

async function assertUnchanged(server: TestServer, state: string, message: string): Promise<void> {
  const listed = await server.approve("GET", "/lib/");
  assertEquals(listed.text.includes("check"), false, "no other source is stored");
  const found = await server.approve("GET", "/lib/mine/state");
  if (state === "") return assertEquals(found.status, 404, message);
  assertEquals(JSON.parse(found.text).state, state, message);
  assertEquals((await server.approve("GET", "/lib/mine?raw")).text, EARLIER, message);
  const used = await get(server, "/mine", { authorization: `Bearer ${TOKEN}` });
  assertEquals(used.text === "earlier", state === "active", message);
}

for (const [name, install] of Object.entries(INSTALLERS)) {
  Deno.test(`${name} does not stop an active plugin for a source that cannot be approved`, () =>
    withMine("active", async (server) => {
      for (const source of UNAPPROVABLE) {
        const message = await install(server, source);
        assertMatch(message, /^Cannot approve mine: .*version 1 is still active$/s);
        await assertUnchanged(server, "active", message);
      }
      const types = (await eventsOf(server, "mine")).map(({ type }) => type);
      assertEquals(types.filter((type) => type === "stage_written").length, 1, `${types}`);
    }));

  Deno.test(`${name} puts back the source and the state if the new source is refused`, async (t) => {
    for (
      const [state, outcome] of [
        ["", "mine was removed again"],
        ["pending", "version 1 of mine is stored again"],
        ["disabled", "version 1 of mine is disabled again"],
        ["active", "version 1 of mine is active again"],
      ] as const
    ) {
      await t.step(state || "no plugin", () =>
        withMine(state, async (server) => {
          const message = await install(server, INACTIVATABLE);
          assertMatch(message, /^Cannot activate mine: .*it has the permission/s);
          assert(message.endsWith(outcome), message);
          await assertUnchanged(server, state, message);
          if (state === "active") return;
          const refused = await install(server, "import 'x';");
          assertMatch(refused, /^Cannot approve mine: .*an import/s);
          await assertUnchanged(server, state, refused);
        }));
    }
  });

  Deno.test(`${name} says what is there if the earlier version is not kept`, () =>
    withMine("active", async (server) => {
      const message = await install(server, INACTIVATABLE);
      assertMatch(
        message,
        /^Cannot activate mine: .*mine is stored but not active, and version 1 cannot be restored: /s,
      );
    }, { ELASTIK_HISTORY: "0" }));

  Deno.test(`${name} does not approve permissions that the earlier plugin did not have`, async () => {
    const source = `export const routes = ["/mine"];
export const config = ["/etc/mine.conf"];
export const permissions = ({ config }) => ({ net: [config["/etc/mine.conf"] ?? "a.example"] });
export default { fetch: () => new Response("earlier") };`;
    const writes = plugin(
      { routes: ["/writes"], grants: { "/etc/mine.conf": "rw" } },
      'return env.machine.fetch("/etc/mine.conf", { method: "PUT", body: "b.example" });',
    );
    await withMine("", async (server) => {
      assertEquals(await install(server, source), "");
      await server.approve("PUT", "/lib/writes", writes);
      assertEquals((await server.approve("PUT", "/lib/writes/state", "active")).status, 200);
      // A plugin cannot widen the permissions of another one, and no installation does it instead.
      const written = await get(server, "/writes", { authorization: `Bearer ${TOKEN}` });
      assertEquals(written.status, 201, written.text);
      const message = await install(server, INACTIVATABLE);
      assert(message.includes("version 1 of mine is stored again but not active"), message);
      const { state } = JSON.parse((await server.approve("GET", "/lib/mine/state")).text);
      assertEquals(state, "pending");
    });
  });
}
