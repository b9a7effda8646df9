/**
 * Property: what runs is what was shown. An approval with a digest is refused if the source requests
 * something else by then; a source whose evaluations differ is refused; and a process that declares
 * something else when it starts, also after a crash or a restart of the server, does not run.
 */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { eventually, record } from "../plugin/plugin_test_server.ts";
import { putWorld, withPluginServer } from "../support/plugin_server.ts";
import { CLOSED, type TestServer, withServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const ANSWER = `export default { fetch: (request, env) => Response.json(env.vars) };`;

async function shown(server: TestServer, name: string): Promise<{ digest: string; text: string }> {
  const { status, text } = await server.approve("GET", `/lib/${name}/state?asks`);
  assertEquals(status, 200, text);
  const { digest } = JSON.parse(text).asks;
  assertMatch(digest, /^[0-9a-f]{64}$/);
  return { digest, text };
}

function activate(server: TestServer, name: string, asks: unknown) {
  return server.approve("PUT", `/lib/${name}/state`, JSON.stringify({ state: "active", asks }));
}

async function stateOf(server: TestServer, name: string): Promise<Record<string, unknown>> {
  return JSON.parse((await server.approve("GET", `/lib/${name}/state`)).text);
}

Deno.test("PUT of a digest approves what was shown, and answers 409 for anything else", async () => {
  await withPluginServer({ plugins: [], worlds: { "/etc/p": "HOME" } }, async (server) => {
    const source = `export const routes = ["/p"]; export const config = ["/etc/p"];
      export const permissions = ({ config }) => ({ env: [config["/etc/p"]] }); ${ANSWER}`;
    await putWorld(server, "/lib/p", source);
    const first = await shown(server, "p");
    assertEquals((await shown(server, "p")).digest, first.digest, "the digest is stable");
    // The config world changes what is requested.
    await putWorld(server, "/etc/p", "PATH");
    assertEquals((await activate(server, "p", first.digest)).status, 409);
    assertEquals((await stateOf(server, "p")).state, "pending");
    const second = await shown(server, "p");
    assertNotEquals(second.digest, first.digest);
    // The source changes.
    await putWorld(server, "/lib/p", `${source}\n`);
    assertEquals((await activate(server, "p", second.digest)).status, 409);
    const third = await shown(server, "p");
    const active = await activate(server, "p", third.digest);
    assertEquals(active.status, 200, active.text);
    assertEquals(JSON.parse(active.text).permissions.env, ["PATH"]);
    // The plugin is active; the digest is compared all the same.
    assertEquals((await activate(server, "p", third.digest)).status, 200);
    assertEquals((await activate(server, "p", first.digest)).status, 409);
    for (const bad of ["", "x", third.digest.toUpperCase(), 1, null, {}]) {
      assertEquals((await activate(server, "p", bad)).status, 400, JSON.stringify(bad));
    }
    for (const body of ["{", "[]", '{"state":"on"}', '{"state":"active","x":1}', "{}"]) {
      assertEquals((await server.approve("PUT", "/lib/p/state", body)).status, 400, body);
    }
    assertEquals((await server.approve("PUT", "/lib/p/state", '{"state":"disabled"}')).status, 200);
  });
});

Deno.test("a source whose evaluations differ cannot be approved", async () => {
  const variants: Record<string, string> = {
    permissions: `export const permissions = { env: ["V" + flip] };`,
    "permissions function": `export const permissions = () => ({ env: ["V" + flip] });`,
    grants: `export const grants = { ["/home/" + flip + "/"]: "rw" };`,
    auth:
      `export const auth = flip % 2 === 0 ? "T1" : "T2"; export const patience = 1 + flip % 800;`,
    config: `export const config = ["/etc/" + flip];`,
    subject: `export const subject = flip % 2 === 0; export const patience = 1 + flip % 800;`,
  };
  const flips: Record<string, string> = {
    "by chance": "Math.floor(Math.random() * 1e9)",
    "by time": "Math.floor(performance.timeOrigin * 1000) % 1e9",
    "by a random id": "crypto.getRandomValues(new Uint32Array(1))[0]",
  };
  await withPluginServer({ plugins: [] }, async (server) => {
    for (const [field, code] of Object.entries(variants)) {
      for (const [how, flip] of Object.entries(flips)) {
        if (how !== "by chance" && field !== "grants") continue;
        await putWorld(
          server,
          "/lib/p",
          `const flip = ${flip}; export const routes = ["/p"]; ${code} ${ANSWER}`,
        );
        // With and without a look at what it requests.
        const reply = await server.approve("PUT", "/lib/p/state", "active");
        assertEquals(reply.status, 422, `${field} ${how} ${reply.text}`);
        assertEquals((await stateOf(server, "p")).state, "pending");
        assertEquals((await server.send({ method: "GET", target: "/p" })).status, 404);
      }
    }
  });
});

Deno.test("a process gets no permission that an export answers later", async () => {
  const atOneNode = "other nodes do not start a source that they evaluate to something else";
  await withPluginServer({ plugins: [], atOneNode }, async (server) => {
    const getter = `let n = 0; export const routes = ["/p"];
      export const permissions = () => n++ === 0 ? {} : { env: ["HOME"] }; ${ANSWER}`;
    await putWorld(server, "/lib/p", getter);
    const active = await server.approve("PUT", "/lib/p/state", "active");
    assertEquals(JSON.parse(active.text).permissions?.env ?? [], []);
    assertEquals((await server.approve("GET", "/p")).text, "{}");
  });
});

Deno.test("a plain active is refused if ?asks showed something else before", async () => {
  // With the member asks, which the shell sends, every node refuses it.
  const atOneNode = "a node remembers what it has shown";
  await withPluginServer({ plugins: [], atOneNode }, async (server) => {
    // The face changes with the second; the test waits for the next one.
    const source =
      `const face = Math.floor(Date.now() / 2000) % 2; export const routes = ["/faces"];
      export const grants = face ? { "/home/": "rw" } : {}; ${ANSWER}`;
    await putWorld(server, "/lib/faces", source);
    const { text } = await shown(server, "faces");
    const face = JSON.stringify(JSON.parse(text).asks.grants);
    for (;;) {
      const { asks } = JSON.parse((await server.approve("GET", "/lib/faces/state?asks")).text);
      if (asks === undefined) break; // 422: it was evaluated with the other face
      assertEquals(JSON.stringify(asks.grants), face);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const reply = await server.approve("PUT", "/lib/faces/state", "active");
    const { state, grants } = await stateOf(server, "faces");
    assert(state === "pending" || JSON.stringify(grants) === face, reply.text);
  });
});

Deno.test("a process that declares something else than was approved does not run, after a crash or a restart", async () => {
  await withTempFolder(async (folder) => {
    const options = {
      env: { ...CLOSED, ELASTIK_WRITERS: "1", ELASTIK_SYNC: "normal" },
      data: folder,
      atOneNode: "each node evaluates the source when it starts its process",
    };
    // Its other face shows some seconds after the approval.
    const sourceUntil = (until: number) =>
      `export const routes = ["/p"];
      export const grants = Date.now() < ${until} ? {} : { "/home/": "rw" };
      export default { async fetch(request, env) {
        return new Response(String((await env.machine.fetch("/home/x", { method: "PUT", body: "x" })).status));
      } };`;
    await withServer(options, async (server) => {
      let until = 0;
      // A busy computer can need longer for the approval.
      for (let ms = 6000; until <= Date.now(); ms *= 2) {
        until = Date.now() + ms;
        await putWorld(server, "/lib/p", sourceUntil(until));
        const reply = await server.approve("PUT", "/lib/p/state", "active");
        if (Date.now() < until) assertEquals(reply.status, 200, reply.text);
      }
      assertEquals((await server.send({ method: "GET", target: "/p" })).text, "403");
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, until - Date.now())));
      assertEquals((await server.send({ method: "GET", target: "/p" })).text, "403");
      Deno.kill(Number(record((await stateOf(server, "p")).health).pid), "SIGKILL");
      await eventually(
        async () => record((await stateOf(server, "p")).health).crashes === 1 || undefined,
        "the crash is noticed",
      );
      const after = await server.send({ method: "GET", target: "/p" });
      assertEquals(after.status, 502, after.text);
      const { health } = await stateOf(server, "p");
      assertMatch(JSON.stringify(health), /`grants` differs between two evaluations/);
    });
    await withServer(options, async (server) => {
      // A node knows the routes of what it cannot start from the approval: other nodes may run it.
      const expected = server.isCluster ? 503 : 404;
      assertEquals((await server.send({ method: "GET", target: "/p" })).status, expected);
      assertMatch(String((await stateOf(server, "p")).fault), /`grants` differs from the approval/);
    });
  });
});
