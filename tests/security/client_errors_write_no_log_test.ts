/** An error of a client writes no line to the server's log, has no stack and is no failure (5xx). */

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "../support/assert.ts";
import { installPlugin } from "../support/plugin_server.ts";
import { CLOSED, type TestServer, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const READER = `export const routes = ["/reads"];
export default { async fetch(request) { return new Response(await request.text()); } };`;
const HOLDER = `export const routes = ["/holds"];
export default { fetch() { return new Promise(() => {}); } };`;

/** Sends a part of a request and closes the connection. */
async function abort(server: TestServer, message: string): Promise<void> {
  const connection = await Connection.open(server.port);
  await connection.write(message);
  // The server must have the request head; what it does with it cannot be observed from outside.
  await delay(20);
  connection.close();
}

Deno.test("requests that their clients abort write no line to the log", () =>
  withServer({ env: CLOSED }, async (server) => {
    await installPlugin(server, ["reads", READER]);
    await installPlugin(server, ["holds", HOLDER]);
    const before = server.log.length;
    const head = "HTTP/1.1\r\nHost: localhost\r\n";
    const token = `Authorization: Bearer ${CLOSED.ELASTIK_TOKEN}\r\n`;
    for (
      const message of [
        `POST /reads ${head}Content-Length: 1000\r\n\r\npart`,
        `POST /reads ${head}Content-Length: 200000\r\n\r\npart`,
        `POST /reads ${head}Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n`,
        `POST /reads ${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
        `GET /holds ${head}\r\n`,
        `PUT /home/x ${head}${token}Content-Length: 1000\r\n\r\npart`,
        `PUT /home/x ${head}${token}Content-Length: 200000\r\n\r\npart`,
        `PUT /home/x ${head}${token}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
        `PROPFIND /dav/home/ ${head}Content-Length: 1000\r\n\r\n<a>`,
        `GET /proc/version HT`,
        `\x16\x03\x01\x02\x00\x01\x00`,
        `GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      ]
    ) await abort(server, message);
    assertEquals((await server.approve("GET", "/reads")).status, 200);
    assertEquals(server.log.slice(before), []);
    const { text } = await server.approve("GET", "/proc/metrics");
    assert(!/^elastik_http_requests_total\{.*status="5xx"\}/m.test(text), text);
  }));

Deno.test("requests that the server refuses write no line to the log", () =>
  withServer({ env: CLOSED }, async (server) => {
    await server.approve("PUT", "/home/a", "1");
    const before = server.log.length;
    const destination = { destination: "http://elsewhere/dav/home/b" };
    const requests: [string, string, Record<string, string>, number][] = [
      ["COPY", "/dav/home/a", destination, 502],
      ["COPY", "/dav/boot/env", destination, 401],
      ["MOVE", "/dav/home/a", destination, 401],
      ["COPY", "/dav/home/a", { destination: "nonsense" }, 400],
      ["PUT", "/home/a", {}, 401],
      ["PUT", "/home/a", { authorization: "Bearer wrong" }, 401],
      ["BREW", "/home/a", {}, 501],
      ["GET", "/home/%00", {}, 400],
      ["GET", `/home/${"x".repeat(9000)}`, {}, 414],
      ["PROPFIND", "/dav/home/", { depth: "many" }, 400],
    ];
    for (const [method, target, headers, status] of requests) {
      const reply = await server.send({ method, target, headers });
      assertEquals(reply.status, status, `${method} ${target}: ${reply.text}`);
    }
    assertEquals(server.log.slice(before), []);
  }));
