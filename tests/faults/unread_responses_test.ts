/**
 * Property: a client that does not read its response holds no memory, no request of a plugin and no
 * connection for ever, whatever sends the response and however it is made.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const IDLE_MS = 600;
const ENV = {
  ELASTIK_IDLE_TIMEOUT: String(IDLE_MS),
  // Without time for what the system buffers.
  ELASTIK_MIN_RATE: "1000000000",
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

/** Reads a path over a connection of its own: an idle one would be closed. */
async function read(server: TestServer, target: string): Promise<string> {
  const connection = await Connection.open(server.port);
  const token = `Authorization: Bearer ${server.approveToken}\r\n`;
  await connection.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n${token}\r\n`);
  const { text } = await connection.reply();
  connection.close();
  return text;
}

async function metric(server: TestServer, pattern: RegExp): Promise<number> {
  return Number(pattern.exec(await read(server, "/proc/metrics"))?.[1]);
}

function closedResponses(server: TestServer): Promise<number> {
  return metric(server, /^elastik_connections_closed_total\{reason="response"\} (\d+)$/m);
}

function responseBytes(server: TestServer): Promise<number> {
  return metric(server, /^elastik_response_body_bytes (\d+)$/m);
}

function openConnections(server: TestServer): Promise<number> {
  return metric(server, /^elastik_connections_open (\d+)$/m);
}

/** Responses of the plugin. */
function answered(server: TestServer): Promise<number> {
  return metric(server, /^elastik_plugin_requests_total\{plugin="long"\} (\d+)$/m);
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
      await eventually(async () => await read(server, "/long/ok") === "ok", "a request is free");
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
      const readShort = () => read(server, "/mnt/disk/short.txt");
      await eventually(async () => await readShort() === "short", "a request is free");
      for (const connection of silent) connection.close();
    });
  }));

Deno.test("a client that never reads many short responses does not keep its connection", () =>
  withPluginServer({
    plugins: [["long", SOURCE]],
    env: { ...ENV, ELASTIK_CELL_WAITING: "100" },
  }, async (server) => {
    const before = await answered(server);
    const silent = await send(server, "/long/short", 300);
    // The first response shows that the connection was accepted.
    while (await answered(server) === before);
    while (await openConnections(server) > 1);
    silent.close();
  }));

Deno.test("a client that reads gets all of a response, although the plugin pauses", () =>
  withPluginServer({ plugins: [["long", SOURCE]], env: ENV }, async (server) => {
    const connection = await send(server, "/long/quiet");
    assertEquals((await connection.reply()).body.length, 2 * 65536);
    connection.close();
  }));

/** A PROPFIND whose response is long, because each member lacks the properties that it names. */
function longPropfind(): string {
  const names = Array.from({ length: 80 }, (_, i) => `<n:p${i}/>`).join("");
  const body = `<propfind xmlns="DAV:"><prop xmlns:n="${
    "u".repeat(500)
  }">${names}</prop></propfind>`;
  return `PROPFIND /dav/home/many/ HTTP/1.1\r\nHost: localhost\r\nDepth: 1\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
}
const MEMBERS = 400;

function get(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`;
}

async function fill(server: TestServer): Promise<void> {
  const part = new Uint8Array(LARGE_BYTES / 4);
  await server.approve("PUT", "/home/cached", part);
  for (let i = 0; i < 4; i++) await server.approve("POST", "/home/large", part);
  const puts = Array.from(
    { length: MEMBERS },
    (_, i) => server.approve("PUT", `/home/many/${i}`, "x"),
  );
  await Promise.all(puts);
}

Deno.test("clients that never read a response of the server do not keep their connections", async (t) => {
  await withServer({ env: { ...CLOSED, ...ENV } }, async (server) => {
    await fill(server);
    let closed = 0;
    for (
      const [name, request] of [
        ["a long world", get("/home/large?raw")],
        ["worlds in memory", get("/home/cached?raw").repeat(4)],
        ["a world by WebDAV", get("/dav/home/cached").repeat(4)],
        [
          "ranges of a world in memory",
          get("/home/cached?raw").replace("\r\n", "\r\nRange: bytes=1-\r\n").repeat(4),
        ],
        ["an earlier version", get("/home/large?at=4&raw")],
        ["a snapshot", get("/proc/snapshot/home/large")],
        ["a multistatus response", longPropfind()],
        ["an event stream", get("/stream/home/large")],
      ] as const
    ) {
      await t.step(name, async () => {
        const silent = [];
        for (let i = 0; i < 2; i++) {
          const connection = await Connection.open(server.port);
          await connection.write(request);
          silent.push(connection);
        }
        closed += silent.length;
        while (await closedResponses(server) < closed);
        await eventually(async () => await responseBytes(server) === 0, "nothing is held");
        for (const connection of silent) connection.close();
      });
    }
  });
});

Deno.test("a client that reads a multistatus response slowly gets all of it", () =>
  // A client that stands still for longer does not read.
  withMoreTime([IDLE_MS, 10 * IDLE_MS, 100 * IDLE_MS], (idleMs) =>
    withServer({ env: { ...ENV, ELASTIK_IDLE_TIMEOUT: String(idleMs) } }, async (server) => {
      await fill(server);
      const connection = await Connection.open(server.port);
      await connection.write(longPropfind());
      const reply = await connection.reply().catch(() =>
        undefined
      );
      assertInTime(reply !== undefined, "the response was not read in time");
      const { text } = reply;
      assertEquals(text.match(/<D:response>/g)?.length, MEMBERS + 1);
      assertMatch(text, /<\/D:multistatus>\s*$/);
      await eventually(async () => await responseBytes(server) === 0, "nothing is held");
      connection.close();
    })));
