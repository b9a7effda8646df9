/**
 * Property: a failure in a plugin's response, file or subrequest writes at most one line of the server's
 * log, without a stack of the server. The client gets an error, or its connection is closed.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { installPlugin } from "../support/plugin_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { bearer, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const pluginOf = (folder: string) =>
  `export const routes = ["/breaks"]; export const grants = { "/home/breaks": "rw" };
export const permissions = { read: [${JSON.stringify(folder)}] };
const file = ${JSON.stringify(`${folder}/long`)};
const failing = () => new ReadableStream({ pull(controller) {
  controller.enqueue(new TextEncoder().encode("piece"));
  controller.error(new Error("two\\nlines"));
} });
const put = (body) => ({ method: "PUT", body, duplex: "half" });
const ways = {
  respond: (request, env) => env.files.respond(file),
  stream: async (request, env) => new Response(await env.files.stream(file)),
  missing: (request, env) => env.files.respond(file + "-missing"),
  folder: (request, env) => env.files.respond(${JSON.stringify(folder)}),
  throws: () => { throw new Error("two\\nlines"); },
  throwsText: () => { throw "two\\nlines"; },
  rejects: () => { Promise.reject(new Error("two\\nlines")); return new Response("x"); },
  later: (request, env, context) => {
    context.waitUntil(Promise.reject(new Error("two\\nlines")));
    return new Response("x");
  },
  fails: () => new Response(failing()),
  strings: () => new Response(new ReadableStream({ pull: (to) => to.enqueue("a string") })),
  nothing: () => undefined,
  subrequest: (request, env) => env.machine.fetch("/home/breaks", put(failing())),
  asCaller: (request, env) => env.caller.fetch("/home/breaks", put(failing())),
  waits: (request, env) => new Response(new ReadableStream({ async pull() {
    await env.caller.fetch("/proc/changes/home/?after=now&wait=60");
  } })),
  forwards: (request, env) => env.machine.fetch("/home/breaks", put(request.body)),
};
export default { fetch(request, env, context) {
  return ways[new URL(request.url).pathname.slice("/breaks/".length)](request, env, context);
} };`;

/** Reads a response to its end, after an action that follows the first piece. */
async function read(
  server: TestServer,
  way: string,
  act: () => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const headers = bearer(TOKEN);
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}/breaks/${way}`, { headers });
    const reader = response.body?.getReader();
    await reader?.read();
    await act();
    while ((await reader?.read())?.done === false);
    return response.status;
  } catch {
    return 0; // the connection was closed
  }
}

const SINGLE = [
  "missing",
  "folder",
  "throws",
  "throwsText",
  "rejects",
  "later",
  "fails",
  "strings",
  "nothing",
  "subrequest",
  "asCaller",
];

Deno.test("a failure of a plugin writes no stack to the server's log", async (t) => {
  await withTempFolder(async (folder) => {
    await withServer({ env: { ...CLOSED, ELASTIK_LOG: "off" } }, async (server) => {
      await installPlugin(server, ["breaks", pluginOf(folder)]);
      const settle = async () => {
        assert((await server.approve("GET", "/proc/status")).status === 200);
      };
      const check = (start: number) => {
        const lines = server.log.slice(start);
        assert(
          !lines.some((line) => line.includes("\n") || /\bat .*\.ts:\d/.test(line)),
          `${lines}`,
        );
      };
      // First, because a line about another step can come late.
      await t.step("a client leaves while a subrequest of the plugin waits", async () => {
        const start = server.log.length;
        const connection = await Connection.open(server.port);
        await connection.write(
          `GET /breaks/waits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
        );
        const calls = async (count: number) => {
          const { text } = await server.approve("GET", "/proc/metrics");
          return text.includes(`elastik_plugin_calls_open{plugin="breaks"} ${count}\n`);
        };
        await eventually(() => calls(1), "the subrequest waits");
        connection.close();
        await eventually(() => calls(0), "the subrequest has ended");
        await settle();
        assertEquals(server.log.slice(start), []);
      });
      for (const way of SINGLE) {
        await t.step(way, async () => {
          const start = server.log.length;
          await read(server, way);
          await settle();
          check(start);
        });
      }
      for (const way of ["respond", "stream"]) {
        await t.step(`${way}, and the file becomes shorter`, async () => {
          const start = server.log.length;
          await Deno.writeFile(`${folder}/long`, new Uint8Array(1));
          await Deno.truncate(`${folder}/long`, 256 * 1024 * 1024);
          const status = await read(server, way, () => Deno.truncate(`${folder}/long`, 10));
          assertEquals(status, way === "respond" ? 0 : status);
          const failed = () => server.log.slice(start).find((line) => line.startsWith("failed: "));
          if (way === "respond") {
            const line = await eventually(() => Promise.resolve(failed()), "the failure is logged");
            assertMatch(line, /^failed: the response of a plugin ended early: .*became shorter$/);
          }
          check(start);
        });
      }
      await t.step("a client leaves while the plugin forwards its body", async () => {
        const start = server.log.length;
        const connection = await Connection.open(server.port);
        await connection.write(
          `POST /breaks/forwards HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n` +
            "Content-Length: 200000\r\n\r\npart",
        );
        await settle();
        connection.close();
        await settle();
        check(start);
      });
      assertEquals((await server.approve("GET", "/breaks/later")).status, 200, "it still answers");
      check(0); // a failure can be logged after its step
    });
  });
});
