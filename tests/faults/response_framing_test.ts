/** No response leaves its client waiting for content, and no framing of a request is ambiguous. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { installPlugin } from "../support/plugin_server.ts";
import { suite } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const STATUSES = `export const routes = ["/status"];
export default { fetch(request) {
  const [status, body] = new URL(request.url).searchParams.get("q").split(":");
  return new Response(body ?? null, { status: Number(status) });
} };`;
const HOST = "Host: localhost\r\n";
const NEXT = `GET /proc/version HTTP/1.1\r\n${HOST}\r\n`;

const test = suite("responses and requests have one framing", {});

test("a plugin's response with any status ends, and the connection answers the next request", async (server) => {
  await installPlugin(server, ["status", STATUSES]);
  const expected: Record<string, number> = {
    "200": 200,
    "204": 204,
    "205": 204,
    "304": 304,
    "299": 299,
    "418": 418,
    "599": 599,
    "204:x": 502,
    "205:x": 502,
    "304:x": 502,
    "101": 502,
    "199": 502,
    "600": 502,
  };
  for (const [query, status] of Object.entries(expected)) {
    const connection = await Connection.open(server.port);
    await connection.write(`GET /status?q=${query} HTTP/1.1\r\n${HOST}\r\n${NEXT}`);
    const reply = await connection.reply();
    assertEquals(reply.status, status, query);
    const isFramed = [204, 304].includes(status) || reply.headers.has("content-length") ||
      reply.headers.get("transfer-encoding") === "chunked";
    assert(isFramed, `${query}: ${reply.head}`);
    assertMatch((await connection.reply()).text, /^\d+\.\d+\.\d+/, query);
    connection.close();
  }
});

test("OPTIONS * answers 204 with the methods of the server", async (server) => {
  const { status, headers } = await server.send({ method: "OPTIONS", target: "*" });
  assertEquals(status, 204);
  assertMatch(headers.get("allow") ?? "", /^GET, HEAD, PUT, .*UNLOCK$/);
});

test("HEAD of a stream has the headers of GET and ends", async (server) => {
  await server.approve("PUT", "/home/x", "1");
  for (const target of ["/stream/home/x", "/stream/home/"]) {
    const connection = await Connection.open(server.port);
    await connection.write(`HEAD ${target} HTTP/1.1\r\n${HOST}\r\n${NEXT}`);
    const head = await connection.reply(true);
    assertEquals(head.status, 200);
    assertEquals(head.headers.get("content-type"), "text/event-stream");
    assertEquals(head.headers.get("content-length"), undefined);
    assertEquals((await connection.reply()).status, 200);
    connection.close();
  }
});

test("HEAD of a plugin's path states no length that GET does not have", async (server) => {
  const source = `export const routes = ["/page"];
    export default { fetch: ({ method }) => new Response(method === "HEAD" ? null : "text") };`;
  await installPlugin(server, ["page", source]);
  const connection = await Connection.open(server.port);
  await connection.write(`HEAD /page/x HTTP/1.1\r\n${HOST}\r\n${NEXT}`);
  const head = await connection.reply(true);
  assertEquals([head.status, head.headers.get("content-length")], [200, undefined]);
  assertEquals((await connection.reply()).status, 200);
  connection.close();
});

test("an ambiguous or unknown framing is refused, and nothing is stored", async (server) => {
  const heads = [
    "Content-Length: 1\r\nContent-Length: 2\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -1\r\n",
    "Content-Length : 5\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
  ];
  for (const head of heads) {
    const connection = await Connection.open(server.port);
    await connection.write(`PUT /home/smuggled HTTP/1.1\r\n${HOST}${head}\r\n0\r\n\r\n`);
    const { status } = await connection.reply();
    assert(status === 400 || status === 501, `${JSON.stringify(head)}: ${status}`);
    connection.close();
  }
  assertEquals((await server.approve("GET", "/home/smuggled")).status, 404);
});

test("HTTP/1.0, pipelined requests and Expect: 100-continue work", async (server) => {
  const old = await Connection.open(server.port);
  await old.write("GET /proc/version HTTP/1.0\r\n\r\n");
  assertMatch(await old.rest(), /^HTTP\/1\.0 200 OK\r\n[^]*\r\n\r\n\d+\.\d+\.\d+\n$/);
  old.close();
  const pipelined = await Connection.open(server.port);
  await pipelined.write(NEXT.repeat(20));
  for (let i = 0; i < 20; i++) assertEquals((await pipelined.reply()).status, 200);
  pipelined.close();
  const expecting = await Connection.open(server.port);
  await expecting.write(
    `PUT /home/y HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n`,
  );
  await expecting.write("y");
  assertEquals((await expecting.reply()).status, 201);
  expecting.close();
});
