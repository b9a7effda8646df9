/**
 * Property: only T3 widens the permissions of a plugin by a config world. A change by another plugin,
 * with a grant and by whatever method, or while the server is stopped, never does; it is reported, and
 * narrower permissions are in effect.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { installPlugin, putWorld, withPluginServer } from "../support/plugin_server.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  oneServerTest,
  type TestServer,
  withServer,
} from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

/** Its permissions are the text of its config world. */
const READER = `export const routes = ["/reader"]; export const config = ["/var/shared/conf"];
export const permissions = ({ config }) => JSON.parse(config["/var/shared/conf"] ?? "{}");
export default { fetch: (request, env) => Response.json({ vars: env.vars, config: env.config }) };`;
/** Sends the subrequest that the body describes with its own grants. */
const WRITER =
  `export const routes = ["/writer"]; export const grants = { "/var/shared/": "rw", "/var/stage/": "rw" };
export default { async fetch(request, env) {
  const { method, path, headers, body } = JSON.parse(await request.text());
  const reply = await env.machine.fetch(path, { method, headers, body });
  return Response.json(reply.status);
} };`;

const WIDE = JSON.stringify({ env: ["HOME", "PATH"], net: ["a.example"] });
const NARROW = JSON.stringify({ env: ["HOME"] });

async function permissionsOf(
  server: TestServer,
): Promise<{ env: string[]; net: string[]; fault: string }> {
  // The first request waits for the plugins to be started, in a cluster for those of one server.
  const reply = JSON.parse((await server.approve("GET", "/reader")).text);
  const { permissions, fault, text } = await eventually(async () => {
    const { text } = await server.approve("GET", "/lib/reader/state");
    const state = JSON.parse(text);
    return state.permissions === undefined ? undefined : { ...state, text };
  }, "the plugin starts");
  for (const name of Object.keys(reply.vars)) assert(permissions.env.includes(name), text);
  return { env: permissions.env, net: permissions.net, fault: fault ?? "" };
}

/** Lets the writer send a subrequest, as the caller with this token. */
async function write(
  server: TestServer,
  subrequest: { method: string; path: string; headers?: Record<string, string>; body?: string },
): Promise<void> {
  const body = JSON.stringify(subrequest);
  const reply = await server.send({
    method: "POST",
    target: "/writer",
    headers: bearer(APPROVE),
    body,
  });
  assertEquals(reply.status, 200, reply.text);
  assert(Number(reply.text) < 300, `${body} ${reply.text}`);
}

const CONF = "/var/shared/conf";
const destination = { destination: `/dav${CONF}` };

Deno.test("a change by another plugin never widens permissions, by any method", async () => {
  await withPluginServer({
    plugins: [["writer", WRITER]],
    worlds: { [CONF]: NARROW, "/var/stage/conf": WIDE },
  }, async (server) => {
    await installPlugin(server, ["reader", READER]);
    assertEquals((await permissionsOf(server)).env, ["HOME"]);
    const attacks: Parameters<typeof write>[1][] = [
      { method: "PUT", path: CONF, body: WIDE },
      { method: "PUT", path: `/dav${CONF}`, body: WIDE },
      { method: "COPY", path: "/dav/var/stage/conf", headers: destination },
      { method: "COPY", path: "/dav/var/stage/", headers: { destination: "/dav/var/shared/" } },
      { method: "MOVE", path: "/dav/var/stage/conf", headers: destination },
    ];
    for (const attack of attacks) {
      await putWorld(server, "/var/stage/conf", WIDE);
      await write(server, attack);
      const { env, net, fault } = await permissionsOf(server);
      assertEquals([env, net], [["HOME"], []], JSON.stringify(attack));
      assertMatch(fault, /conf was not changed by T3 .*env PATH/);
      // An append by T3 does not approve what the plugin wrote.
      await server.approve("POST", CONF, " ");
      assertEquals((await permissionsOf(server)).env, ["HOME"]);
      await putWorld(server, CONF, NARROW);
      assertEquals((await permissionsOf(server)).fault, "");
    }
    // DELETE by the plugin, and a restore of a version that T3 once wrote.
    await putWorld(server, CONF, WIDE);
    assertEquals((await permissionsOf(server)).env, ["HOME", "PATH"]);
    const { version } = JSON.parse((await server.approve("GET", CONF)).text);
    await putWorld(server, CONF, NARROW);
    assertEquals((await permissionsOf(server)).env, ["HOME"]);
    await write(server, { method: "PUT", path: `${CONF}?from=${version}` });
    assertEquals((await permissionsOf(server)).env, ["HOME"]);
    // Approval by T3 itself.
    assertEquals((await server.approve("PUT", "/lib/reader/state", "active")).status, 200);
    const approved = await permissionsOf(server);
    assertEquals([approved.env, approved.fault], [["HOME", "PATH"], ""]);
  });
});

Deno.test("narrower permissions are in effect, also after a change by a plugin", async () => {
  await withPluginServer({
    plugins: [["writer", WRITER]],
    worlds: { [CONF]: WIDE },
  }, async (server) => {
    await installPlugin(server, ["reader", READER]);
    await write(server, { method: "PUT", path: CONF, body: NARROW });
    assertEquals(await permissionsOf(server), { env: ["HOME"], net: [], fault: "" });
    await write(server, {
      method: "PUT",
      path: CONF,
      body: JSON.stringify({ env: ["PATH", "LANG"] }),
    });
    const mixed = await permissionsOf(server);
    assertEquals(mixed.env, ["PATH"]);
    assertMatch(mixed.fault, /env LANG/);
    await putWorld(server, CONF, NARROW);
    assertEquals(await permissionsOf(server), { env: ["HOME"], net: [], fault: "" });
    await write(server, { method: "PUT", path: CONF, body: WIDE });
    assertEquals((await permissionsOf(server)).env, ["HOME"], "T3 narrowed the approval");
  });
});

/** Options of a server that is started again: its writes take little time, and the folder stays. */
function startedAgainIn(data: string) {
  return { env: { ...CLOSED, ELASTIK_WRITERS: "1", ELASTIK_SYNC: "normal" }, data };
}

Deno.test("a restart keeps what T3 approved by config worlds, and refuses other changes", async () => {
  await withTempFolder(async (folder) => {
    const options = startedAgainIn(folder);
    await withServer(options, async (server) => {
      await putWorld(server, CONF, NARROW);
      await installPlugin(server, ["writer", WRITER]);
      await installPlugin(server, ["reader", READER]);
      await putWorld(server, CONF, WIDE);
      assertEquals((await permissionsOf(server)).env, ["HOME", "PATH"]);
      // In a cluster, another server than the one that answered can be about to record it.
      await eventually(async () => {
        const { text } = await server.approve("GET", "/proc/log/lib/reader");
        const events: { type: string; payload: { approved?: boolean } }[] = JSON.parse(text);
        return events.find(({ type, payload: { approved } }) =>
          type === "plugin_reconfigured" && approved === true
        );
      }, "the change of T3 is recorded as an approval");
    });
    await withServer(options, async (server) => {
      assertEquals(await permissionsOf(server), {
        env: ["HOME", "PATH"],
        net: ["a.example"],
        fault: "",
      });
      await putWorld(server, CONF, NARROW);
      assertEquals((await permissionsOf(server)).env, ["HOME"]);
      await write(server, { method: "PUT", path: CONF, body: WIDE });
      assertEquals((await permissionsOf(server)).env, ["HOME"]);
    });
    await withServer(options, async (server) => {
      const { env, fault } = await permissionsOf(server);
      assertEquals(env, ["HOME"]);
      assertMatch(fault, /conf was not changed by T3/);
      await server.approve("POST", CONF, " ");
      assertEquals(
        (await permissionsOf(server)).env,
        ["HOME"],
        "an append does not approve the rest",
      );
      await putWorld(server, CONF, WIDE);
      assertEquals((await permissionsOf(server)).env, ["HOME", "PATH"]);
    });
  });
});

const RECORDS =
  "a node that takes the change before it has started the plugin, and stops, records nothing";
oneServerTest(
  "a change by T3 right before the server stops is approved after the restart",
  RECORDS,
  async () => {
    await withTempFolder(async (folder) => {
      const options = startedAgainIn(folder);
      await withServer(options, async (server) => {
        await putWorld(server, CONF, NARROW);
        await installPlugin(server, ["reader", READER]);
        await putWorld(server, CONF, WIDE);
      });
      await withServer(options, async (server) => {
        assertEquals(await permissionsOf(server), {
          env: ["HOME", "PATH"],
          net: ["a.example"],
          fault: "",
        });
      });
    });
  },
);
