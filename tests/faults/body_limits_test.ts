/**
 * A request body that stops, that is too slow, or that needs more memory than there is costs its
 * client the request, and no other client anything.
 */

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { SettingName } from "../../lib/settings.ts";
import { APPROVE, bearer, CLOSED, type TestServer, withServer } from "../support/test_server.ts";
import { installPlugin } from "../support/plugin_server.ts";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";
import { Connection } from "../support/wire.ts";
import { EVICTABLE_AFTER_MS } from "../../lib/limits.ts";

/** The held bodies count as slow after a second. */
const ATTEMPTS = Array.from({ length: 20 }, (_, at) => `attempt ${at}`);

const ECHO = `export const routes = ["/echo"];
export default { async fetch(request) { return new Response(String((await request.bytes()).length)); } };`;

/** Runs a test on a server with tokens. */
function withLimits(
  env: Partial<Record<SettingName, string>>,
  test: (server: TestServer) => Promise<void>,
): Promise<void> {
  const atOneNode = "each server has its own limits and counts";
  return withServer({ env: { ...CLOSED, ...env }, atOneNode }, test);
}

/** Sends the head of a request and a part of its body. */
async function start(
  server: TestServer,
  line: string,
  headers: Record<string, string>,
  part: string | Uint8Array,
): Promise<Connection> {
  const connection = await Connection.open(server.port);
  const all = { host: "localhost", ...bearer(APPROVE), ...headers };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  await connection.write(`${line} HTTP/1.1\r\n${head}\r\n`);
  await connection.write(part);
  return connection;
}

const LONG = { "content-length": "100000" };
const SHORT = { "content-length": "2000" };
const CHUNKED = { "transfer-encoding": "chunked" };

Deno.test("a request body that stops gets 408, and its connection is closed", () =>
  withLimits({ ELASTIK_BODY_TIMEOUT: "1000" }, async (server) => {
    await installPlugin(server, ["echo", ECHO]);
    const requests: [string, Record<string, string>, string][] = [
      ["PUT /home/x", LONG, "part"],
      ["PUT /home/x", SHORT, "part"],
      ["PUT /home/x", CHUNKED, "4\r\npart\r\n"],
      ["POST /home/x", LONG, ""],
      ["PUT /dav/home/x", LONG, "part"],
      ["PROPFIND /dav/home/", LONG, "<a>"],
      ["PROPFIND /dav/home/", SHORT, "<a>"],
      ["PROPPATCH /dav/home/", CHUNKED, "3\r\n<a>\r\n"],
      ["LOCK /dav/home/x", SHORT, "<a>"],
      ["POST /echo", SHORT, "part"],
      ["POST /echo", LONG, "part"],
      ["POST /echo", CHUNKED, "4\r\npart\r\n"],
    ];
    await Promise.all(requests.map(async ([line, headers, part]) => {
      const connection = await start(server, line, headers, part);
      const where = `${line} ${JSON.stringify(headers)}`;
      const { status, text } = await connection.reply();
      assertEquals(status, 408, `${where}: ${text}`);
      // The second if the part arrived late, so that the rate was too low first.
      assertMatch(text, /no part of it arrived for 1 s|bytes arrived in 1 s/, where);
      assertEquals(await connection.rest(), "", where);
      connection.close();
    }));
    assertEquals((await server.approve("GET", "/home/x")).status, 404);
    const { text } = await server.approve("GET", "/proc/metrics");
    assertMatch(text, /^elastik_request_bodies_timed_out_total 12$/m);
    assertMatch(text, /^elastik_request_body_bytes 0$/m);
    assertEquals(server.log, []);
  }));

Deno.test("a request body slower than the minimum rate gets 408", () =>
  withLimits({ ELASTIK_BODY_TIMEOUT: "200", ELASTIK_MIN_RATE: "1000000" }, async (server) => {
    // If this process stands still for 0.2 s, no part of the body arrives for too long.
    for (let text = "no part of it arrived"; text.includes("no part of it arrived");) {
      const connection = await start(server, "PUT /home/x", LONG, "x");
      const drip = setInterval(() => void connection.write("x").catch(() => {}), 20);
      const reply = await connection.reply();
      clearInterval(drip);
      connection.close();
      text = reply.text;
      assertEquals(reply.status, 408, text);
      assertMatch(text, /1000000 bytes per second are needed|no part of it arrived/);
    }
  }));

Deno.test("bodies beyond the memory limit get 503, and a slow one is given up for a new one", () =>
  withMoreTime(ATTEMPTS, () => testBodyMemory()));

function testBodyMemory(): Promise<void> {
  const env = { ELASTIK_BODY_MEMORY: "200000", ELASTIK_MIN_RATE: "100000" };
  return withLimits(env, async (server) => {
    const held: Connection[] = [];
    const startedAt = performance.now();
    for (let i = 0; i < 2; i++) {
      held.push(await start(server, `PUT /home/held${i}`, LONG, new Uint8Array(99_000)));
    }
    const metrics = async () => (await server.approve("GET", "/proc/metrics")).text;
    while (!/^elastik_request_body_bytes 198000$/m.test(await metrics())) await delay(5);
    const refused = await server.approve("PUT", "/home/y", "y".repeat(5000));
    const isEarly = performance.now() - startedAt < EVICTABLE_AFTER_MS;
    assertInTime(isEarly, "the held bodies are slow already");
    assertEquals(refused.status, 503, refused.text);
    assertEquals(refused.headers.get("retry-after"), "1");
    assertMatch(refused.text, /198000 bytes of request bodies are in progress; at most 200000/);
    // A body that fits is accepted. The held bodies are slow after a second.
    assertEquals((await server.approve("PUT", "/home/y", "y".repeat(1000))).status, 201);
    for (;;) {
      const { status } = await server.approve("PUT", "/home/y", "y".repeat(5000));
      if (status === 200) break;
      assertEquals(status, 503);
      await delay(50); // Retry-After is a second
    }
    const states = await Promise.all(held.map(async (connection) => {
      const reply = connection.reply();
      await connection.write(new Uint8Array(1000)).catch(() => {});
      return (await reply).status;
    }));
    assertEquals(states.toSorted(), [201, 408]);
    for (const connection of held) connection.close();
    assertMatch(await metrics(), /^elastik_request_body_bytes 0$/m);
  });
}

Deno.test("a body that arrives in time is stored, in any number of parts", () =>
  withLimits({ ELASTIK_BODY_TIMEOUT: "60000" }, async (server) => {
    const connection = await start(server, "PUT /home/x", LONG, new Uint8Array(50_000).fill(65));
    await connection.write(new Uint8Array(50_000).fill(66));
    assertEquals((await connection.reply()).status, 201);
    const { body } = await server.approve("GET", "/home/x?raw");
    assertEquals(body.length, 100_000);
    assert(body.subarray(0, 50_000).every((byte) => byte === 65));
    assert(body.subarray(50_000).every((byte) => byte === 66));
    connection.close();
  }));
