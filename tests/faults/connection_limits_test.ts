/**
 * No number of connections, and no incomplete request head, ends the server or stops it from
 * answering others.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { MAX_REFUSED_CONNECTIONS } from "../../lib/limits.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { ServerProcess } from "./server_process.ts";
import { type TestServer, withServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Connection } from "../support/wire.ts";

const GET = "GET /proc/version HTTP/1.1\r\nHost: localhost\r\n\r\n";
const STREAM = "GET /stream/home/x HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** Opens connections and sends the same start of a request on each. */
async function openAll(port: number, count: number, start: string): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let i = 0; i < count; i++) {
    const connection = await Connection.open(port);
    connections.push(connection);
    if (start !== "") await connection.write(start);
  }
  return connections;
}

/** Opens event streams and waits until each has started. */
async function openStreams(port: number, count: number): Promise<Connection[]> {
  const connections = await openAll(port, count, STREAM);
  for (const connection of connections) {
    const { status } = await connection.reply(true);
    assertEquals(status, 200);
  }
  return connections;
}

function closeAll(connections: readonly Connection[]): void {
  for (const connection of connections) connection.close();
}

/** Sends a request on a connection of its own. */
async function ask(port: number): Promise<number> {
  const connection = await Connection.open(port);
  try {
    await connection.write(GET);
    return (await connection.reply()).status;
  } finally {
    connection.close();
  }
}

/** Repeats a request until its status is not 503: a server with many connections refuses some. */
async function untilServed(send: () => Promise<number>): Promise<number> {
  return await eventually(async () => {
    const status = await send();
    return status !== 503 && status;
  }, "the request is served");
}

/** The value of a metric. */
async function metric(server: TestServer, name: string): Promise<number> {
  const { text } = await server.approve("GET", "/proc/metrics");
  return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
}

for (const start of ["", "GET / HTTP/1.1\r\nHost: lo", GET]) {
  Deno.test(`600 connections that send ${JSON.stringify(start)} do not stop a server with 256 file descriptors`, () =>
    withTempFolder(async (folder) => {
      const server = await ServerProcess.start({
        data: `${folder}/data`,
        through: ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"],
      });
      try {
        const port = Number(new URL(server.url).port);
        const idle = await openAll(port, 600, start);
        assertEquals(await untilServed(() => ask(port)), 200);
        const put = async () => (await server.ask("/home/x", { method: "PUT", body: "1" })).status;
        assertEquals(await untilServed(put), 201);
        closeAll(idle);
        const read = async () => (await server.ask("/home/x?raw")).text;
        await eventually(async () => await read() === "1", "the world is read");
        const { code, stderr } = await server.end();
        assertEquals([code, stderr], [0, ""]);
      } finally {
        await server.end("SIGKILL");
      }
    }));
}

Deno.test("ELASTIK_MAX_CONNECTIONS beyond the file descriptors is reported, and the server keeps some for worlds", () =>
  withTempFolder(async (folder) => {
    const server = await ServerProcess.start({
      data: `${folder}/data`,
      env: { ELASTIK_MAX_CONNECTIONS: "5000" },
      through: ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"],
    });
    try {
      const port = Number(new URL(server.url).port);
      await server.ask("/home/x", { method: "PUT", body: "1" });
      const streams = await openAll(port, 400, STREAM);
      closeAll(streams.slice(0, 40));
      for (let i = 0; i < 10; i++) {
        const put = () => server.ask(`/home/y${i}`, { method: "PUT", body: "1" });
        assertEquals(await untilServed(async () => (await put()).status), 201);
      }
      closeAll(streams);
      const { code, stderr } = await server.end();
      assertEquals(code, 0, stderr);
      assertMatch(
        stderr,
        /^\S+ ELASTIK_MAX_CONNECTIONS=5000 needs more file descriptors .* at most \d+ connections/,
      );
      assertEquals(stderr.split("\n").length, 2, stderr);
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a client beyond the connection limit gets 503 with Retry-After, and 200 when another one has ended", () =>
  withServer({ env: { ELASTIK_MAX_CONNECTIONS: "4" } }, async (server) => {
    await server.approve("PUT", "/home/x", "1");
    // The test client keeps one connection. It is closed for the fourth stream when it has been idle.
    const streams = await openStreams(server.port, 3);
    const last = await server.approve("GET", "/home/x?raw");
    assertEquals(last.status, 200);
    await untilServed(async () => {
      const [fourth] = await openAll(server.port, 1, STREAM);
      assert(fourth !== undefined);
      const { status } = await fourth.reply(true);
      if (status === 200) streams.push(fourth);
      else fourth.close();
      return status;
    });
    const refused = await Connection.open(server.port);
    await refused.write(GET);
    const { status, headers, text } = await refused.reply();
    assertEquals(status, 503);
    assertEquals(headers.get("retry-after"), "5");
    assertEquals(headers.get("connection"), "close");
    assertEquals(headers.get("content-type"), "application/problem+json");
    assertMatch(text, /too many connections are open/);
    assertEquals(await refused.rest(), "");
    refused.close();
    closeAll(streams);
    assertEquals(await untilServed(() => ask(server.port)), 200);
    assert(await metric(server, 'elastik_connections_refused_total{limit="total"}') >= 1);
  }));

Deno.test("clients that wait for a 503 and never ask do not block later clients", () =>
  withServer({
    env: { ELASTIK_MAX_CONNECTIONS: "2", ELASTIK_HEAD_TIMEOUT: "1000" },
  }, async (server) => {
    await server.approve("PUT", "/home/x", "1");
    const streams = await openStreams(server.port, 1);
    const silent = await openAll(server.port, MAX_REFUSED_CONNECTIONS * 2, "");
    assert([200, 503].includes(await ask(server.port)));
    closeAll(streams);
    closeAll(silent);
  }));

Deno.test("a connection is closed if its request head is incomplete, and later if it is idle", () =>
  withServer({
    env: { ELASTIK_HEAD_TIMEOUT: "1000", ELASTIK_IDLE_TIMEOUT: "3000" },
  }, async (server) => {
    const slow = await openAll(server.port, 1, "GET / HTTP/1.1\r\nHost: lo");
    const silent = await openAll(server.port, 1, "");
    const used = await openAll(server.port, 1, GET);
    const second = await openAll(server.port, 1, `${GET}GET / HT`);
    for (const connection of [...used, ...second]) {
      assertEquals((await connection.reply()).status, 200);
    }
    for (const connection of [...slow, ...silent, ...used, ...second]) {
      assertEquals(await connection.rest(), "");
      connection.close();
    }
    const last = await Connection.open(server.port);
    const authorization = `Authorization: Bearer ${server.approveToken}\r\n`;
    await last.write(`GET /proc/metrics HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`);
    const { text } = await last.reply();
    last.close();
    assertMatch(text, /^elastik_connections_closed_total\{reason="head"\} 2$/m);
    assertMatch(text, /^elastik_connections_closed_total\{reason="idle"\} [2-9]$/m);
  }));

Deno.test("an open stream is not idle", () =>
  withServer({ env: { ELASTIK_IDLE_TIMEOUT: "700" } }, async (server) => {
    const put = (text: string) =>
      `PUT /home/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    for (const connection of await openAll(server.port, 1, put("1"))) {
      assertMatch(await connection.rest(), /^HTTP\/1\.1 201/);
      connection.close();
    }
    const [stream] = await openStreams(server.port, 1);
    // Each of these connections ends when its idle time is over; the stream was open before.
    for (const text of ["2", "last"]) {
      for (const connection of await openAll(server.port, 1, put(text))) {
        assertMatch(await connection.rest(), /^HTTP\/1\.1 200/);
        connection.close();
      }
    }
    const rest = stream?.rest();
    await server.stop();
    assertMatch(await rest ?? "", /"stage_html":"last"/);
    stream?.close();
  }));
