/** A client that reads slowly gets its response; one that never reads costs a bounded amount. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { setTimeout as delay } from "node:timers/promises";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";
import { type TestServer, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const MIB = 1024 * 1024;

/** Stores a world of several parts, each as long as a request body can be. */
async function putLarge(server: TestServer, parts: number): Promise<void> {
  for (let i = 0; i < parts; i++) {
    const { status } = await server.approve("POST", "/home/large", new Uint8Array(5 * MIB));
    assert(status < 300);
  }
}

/** Requests the world and reads nothing. */
async function request(server: TestServer): Promise<Connection> {
  const connection = await Connection.open(server.port);
  await connection.write("GET /home/large?raw HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return connection;
}

// The first is in the cache; a part must be taken in time.
for (const [parts, idleMs, pauseMs] of [[1, 3000, 1000], [2, 3000, 1000]] as const) {
  Deno.test(`a client that reads ${parts * 5} MiB late gets all of it`, () =>
    withServer({ env: { ELASTIK_IDLE_TIMEOUT: String(idleMs) } }, async (server) => {
      await putLarge(server, parts);
      const connection = await request(server);
      await delay(pauseMs);
      const { status, body } = await connection.reply();
      assertEquals([status, body.length], [200, parts * 5 * MIB]);
      connection.close();
    }));
}

// The system buffers several MiB, and takes the next part when the client has read 1.4 MB of them.
for (const [target, parts] of [["/home/large?raw", 1], ["/proc/snapshot/home/large", 2]] as const) {
  Deno.test(`a client that reads ${target} at more than the lowest rate gets all of it`, () =>
    withServer(
      { env: { ELASTIK_IDLE_TIMEOUT: "200", ELASTIK_MIN_RATE: "200000" } },
      async (server) => {
        await putLarge(server, parts);
        const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
        const token = `Authorization: Bearer ${server.approveToken}\r\n`;
        const head =
          `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${token}Connection: close\r\n\r\n`;
        await connection.write(new TextEncoder().encode(head));
        const startedAt = performance.now();
        const buffer = new Uint8Array(32 * 1024);
        let [bytes, start] = [0, ""];
        for (let count: number | null = 0; count !== null; count = await connection.read(buffer)) {
          if (start === "") start = new TextDecoder().decode(buffer.subarray(0, count));
          bytes += count;
          // 1 MB per second, until the system has taken the next part.
          const dueAt = startedAt + Math.min(bytes, 2 * MIB) / 1000;
          await delay(Math.max(0, dueAt - performance.now()));
        }
        connection.close();
        const length = Number(/^content-length: (\d+)/im.exec(start)?.[1]);
        assert(length >= parts * 5 * MIB);
        assertEquals(bytes, start.indexOf("\r\n\r\n") + 4 + length);
      },
    ));
}

Deno.test("responses beyond the memory limit get 503, and those that are not read end", () =>
  withMoreTime([1_500, 6_000, 24_000], testUnread));

/** @param idleMs time after which a response that is not read ends */
function testUnread(idleMs: number): Promise<void> {
  return withServer({
    env: {
      ELASTIK_IDLE_TIMEOUT: String(idleMs),
      ELASTIK_MIN_RATE: "10000000",
      ELASTIK_RESPONSE_MEMORY: String(25 * MIB),
    },
  }, async (server) => {
    await putLarge(server, 2);
    const held = [await request(server), await request(server)];
    const metrics = async () => {
      const connection = await Connection.open(server.port);
      const token = `Authorization: Bearer ${server.approveToken}\r\n`;
      await connection.write(`GET /proc/metrics HTTP/1.1\r\nHost: localhost\r\n${token}\r\n`);
      const { text } = await connection.reply();
      connection.close();
      return text;
    };
    const closed = async () =>
      Number(
        /^elastik_connections_closed_total\{reason="response"\} (\d+)$/m.exec(await metrics())?.[1],
      );
    const bytes = new RegExp(`^elastik_response_body_bytes ${20 * MIB}$`, "m");
    for (;;) {
      const text = await metrics();
      if (bytes.test(text)) break;
      assertInTime(await closed() === 0, "a response has ended already");
      await delay(5);
    }
    const refused = await request(server);
    const { status, headers, text } = await refused.reply();
    assertInTime(status === 503 || await closed() === 0, "a response has ended already");
    assertEquals([status, headers.get("retry-after")], [503, "5"]);
    assertMatch(text, /too many bytes of other responses are being sent/);
    refused.close();
    while (await closed() !== 2) await delay(20);
    assertMatch(await metrics(), /^elastik_response_body_bytes 0$/m);
    const last = await request(server);
    const reply = await last.reply().catch(() => undefined);
    assertInTime(reply !== undefined, "the response was not read in time");
    assertEquals(reply.body.length, 10 * MIB);
    for (const connection of [last, ...held]) connection.close();
  });
}
