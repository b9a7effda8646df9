/**
 * An error of a client writes no line to the server's log, has no stack and is no failure (5xx). A response
 * that ends with its credential writes no line either, and a failure of a plugin writes no stack.
 */

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { installPlugin, putWorld } from "../support/plugin_server.ts";
import { basic, CLOSED, type TestServer, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const READER = `export const routes = ["/reads"];
export default { async fetch(request) { return new Response(await request.text()); } };`;
const HOLDER = `export const routes = ["/holds"];
export default { fetch() { return new Promise(() => {}); } };`;
/** Streams until its subrequest is refused (`/streams/calls`), it fails (`/streams/fails`), or it is ended. */
const STREAMS =
  `export const routes = ["/streams"]; export const grants = { "/home/streams": "rw" };
export default { fetch(request, env) {
  const { pathname } = new URL(request.url);
  let count = 0;
  return new Response(new ReadableStream({ async pull(controller) {
    controller.enqueue(new TextEncoder().encode("open"));
    if (pathname === "/streams/fails" && count++ > 0) throw new Error("at the second piece");
    if (pathname === "/streams/calls") {
      await env.machine.fetch("/home/streams", { method: "POST", body: "." });
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  } }));
} };`;

/** Reads a response until it ends or breaks, and runs an action after its first piece. */
async function readWhile(
  server: TestServer,
  path: string,
  act: () => Promise<unknown>,
  headers: Record<string, string> = {},
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
  const reader = response.body?.getReader();
  // On a busy computer the response can have broken before its first piece is read.
  await reader?.read().catch(() => {});
  await act();
  // A response that was ended breaks its connection.
  for (let done: boolean | undefined = false; done === false;) {
    done = await reader?.read().then(({ done }) => done, () => true);
  }
}

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

Deno.test("a streamed response that ends with its credential writes no line to the log", () =>
  withServer({ env: CLOSED }, async (server) => {
    await installPlugin(server, ["streams", STREAMS]);
    await putWorld(server, "/etc/shadow", `ada:${sha256Hex("pw")}\n`);
    await putWorld(server, "/etc/passwd", "ada:T2\n");
    const before = server.log.length;
    const removeAccount = () => putWorld(server, "/etc/passwd", "");
    await readWhile(server, "/streams/x", removeAccount, basic("ada", "pw"));
    assertEquals(server.log.slice(before), []);
  }));

Deno.test("a streamed response that a plugin fails writes one line without a stack", () =>
  withServer({ env: CLOSED }, async (server) => {
    await installPlugin(server, ["streams", STREAMS]);
    const start = server.log.length;
    const lines = () => server.log.slice(start).filter((line) => line.startsWith("failed: "));
    await readWhile(server, "/streams/fails", () => Promise.resolve());
    await eventually(() => Promise.resolve(lines()[0]), "the failure is logged");
    await readWhile(
      server,
      "/streams/calls",
      () => server.approve("PUT", "/lib/streams/state", "disabled"),
    );
    await eventually(() => Promise.resolve(lines()[1]), "the refusal is logged");
    const [failure = "", refusal = ""] = lines();
    assertMatch(failure, /^failed: the response of a plugin ended early: .*at the second piece/);
    assertMatch(refusal, /ended early: .*the plugin was disabled, deleted or replaced/);
    assert(!server.log.some((line) => line.includes("\n")), server.log.join("\n"));
  }));
