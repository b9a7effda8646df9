/**
 * Property: a client that does not read the response of a plugin holds no request of the plugin and
 * no connection for ever, however the plugin sends the response.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import type { TestServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const IDLE_MS = 600;
const ENV = {
  ELASTIK_IDLE_TIMEOUT: String(IDLE_MS),
  ELASTIK_CELL_REQUESTS: "2",
  ELASTIK_CELL_WAITING: "0",
};
/** Larger than what the system buffers for a connection. */
const LARGE_BYTES = 16 * 1024 * 1024;

const SOURCE = `export const routes = ["/long"];
const part = new Uint8Array(65536);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/long/endless") {
    return new Response(new ReadableStream({ pull: (c) => c.enqueue(part) }));
  }
  if (pathname === "/long/large") return new Response(new Uint8Array(${LARGE_BYTES}));
  if (pathname === "/long/short") return new Response(part);
  if (pathname === "/long/quiet") {
    return new Response(new ReadableStream({ async start(c) {
      c.enqueue(part);
      await pause(${3 * IDLE_MS});
      c.enqueue(part);
      c.close();
    } }));
  }
  return new Response("ok");
} };`;

async function send(
  server: TestServer,
  target: string,
  count = 1,
  method = "GET",
): Promise<Connection> {
  const connection = await Connection.open(server.port);
  await connection.write(
    `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`.repeat(count),
  );
  return connection;
}

async function closedResponses(server: TestServer): Promise<number> {
  const { text } = await server.approve("GET", "/proc/metrics");
  return Number(/^elastik_connections_closed_total\{reason="response"\} (\d+)$/m.exec(text)?.[1]);
}

async function openConnections(server: TestServer): Promise<number> {
  const { text } = await server.approve("GET", "/proc/metrics");
  return Number(/^elastik_connections_open (\d+)$/m.exec(text)?.[1]);
}

for (
  const [method, target] of [
    ["GET", "/long/endless"],
    ["GET", "/long/large"],
    ["POST", "/long/endless"],
  ] as const
) {
  Deno.test(`clients that never read the response to ${method} ${target} do not keep the requests of the plugin`, () =>
    withPluginServer({ plugins: [["long", SOURCE]], env: ENV }, async (server) => {
      const silent = [];
      for (let i = 0; i < 2; i++) silent.push(await send(server, target, 1, method));
      while (await closedResponses(server) < 2);
      assertEquals((await server.send({ method: "GET", target: "/long/ok" })).text, "ok");
      // What was sent before; then the connection ends.
      for (const connection of silent) {
        assertMatch(await connection.rest(), /^HTTP\/1\.1 200/);
        connection.close();
      }
    }));
}

Deno.test("a client that never reads a file of a plugin does not keep its request", () =>
  withTempFolder(async (folder) => {
    await Deno.writeFile(`${folder}/file.bin`, new Uint8Array(LARGE_BYTES));
    await Deno.writeTextFile(`${folder}/short.txt`, "short");
    const worlds = { "/etc/fstab": `${folder} /mnt/disk ro\n` };
    await withPluginServer({ plugins: ["fstab"], worlds, env: ENV }, async (server) => {
      const target = "/mnt/disk/file.bin";
      const silent = [];
      for (let i = 0; i < 2; i++) silent.push(await send(server, target));
      while (await closedResponses(server) < 2);
      const short = await server.send({ method: "GET", target: "/mnt/disk/short.txt" });
      assertEquals(short.text, "short");
      for (const connection of silent) connection.close();
    });
  }));

Deno.test("a client that never reads many short responses does not keep its connection", () =>
  withPluginServer({
    plugins: [["long", SOURCE]],
    env: { ...ENV, ELASTIK_CELL_WAITING: "100" },
  }, async (server) => {
    const silent = await send(server, "/long/short", 300);
    while (await openConnections(server) < 2);
    while (await openConnections(server) > 1);
    silent.close();
  }));

Deno.test("a client that reads gets all of a response, although the plugin pauses", () =>
  withPluginServer({ plugins: [["long", SOURCE]], env: ENV }, async (server) => {
    const connection = await send(server, "/long/quiet");
    assertEquals((await connection.reply()).body.length, 2 * 65536);
    connection.close();
  }));
