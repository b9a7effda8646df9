/**
 * A body in very short chunks costs neither memory nor time of other requests: a request body is refused
 * before the runtime has read much of it ahead, and a response body of a plugin is collected in blocks. A
 * client that sends line by line is not affected.
 */

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import {
  type AttackedServer,
  LONG_TIMES,
  residentMiB,
  startAttackedServer,
  TOKENS,
} from "./hostile/attacked_server.ts";
import { readUntilClosed } from "../support/read_until_closed.ts";

/** The runtime would read megabytes ahead, and copy them for each chunk. */
const CHUNKS = 400_000;
/** With chunks of 80 bytes. */
const LINES = 50_000;
const MAX_GROWTH_MIB = 100;
/** More lines than chunks of one byte are allowed in a row. */
const SLOW_LINES = 1_500;
const ECHO = `export const routes = ["/echo"];
export const auth = "T1";
export default { async fetch(request) {
  const length = Number(new URL(request.url).searchParams.get("bytes"));
  if (length === 0) return new Response(request.body);
  if (length < 0) return new Response(String((await request.bytes()).length));
  let sent = 0;
  return new Response(new ReadableStream({ pull(controller) {
    for (let i = 0; i < 1000; i++) controller.enqueue(new Uint8Array(1));
    if ((sent += 1000) >= length) controller.close();
  } }));
} };`;
const encoder = new TextEncoder();

function connect({ url }: AttackedServer): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  return Deno.connect({ hostname, port: Number(port) });
}

function head(target: string, { url }: AttackedServer, token?: string): string {
  const authorization = token === undefined ? "" : `authorization: Bearer ${token}\r\n`;
  return `${target} HTTP/1.1\r\nhost: ${new URL(url).host}\r\nconnection: close\r\n` +
    `${authorization}transfer-encoding: chunked\r\n\r\n`;
}

function chunks(length: number, count: number): string {
  return `${length.toString(16)}\r\n${"x".repeat(length)}\r\n`.repeat(count);
}

Deno.test("a body in short chunks does not grow the server or delay other requests", async (t) => {
  // 200,000 pieces keep the plugin's event loop busy for a second on a busy computer, which is not an attack.
  const server = await startAttackedServer("process", LONG_TIMES);
  const refuse = async (target: string, body: string, token?: string) => {
    const before = residentMiB(server.program.pid);
    const connection = await connect(server);
    let hasEnded = false;
    const reply = readUntilClosed(connection).finally(() => hasEnded = true);
    const writer = connection.writable.getWriter();
    // Fails when the server closes the connection.
    void writer.write(encoder.encode(`${head(target, server, token)}${body}0\r\n\r\n`)).catch(
      () => {},
    );
    let most = 0;
    while (!hasEnded) {
      assertEquals((await server.ask("GET", "/proc/version")).status, 200);
      most = Math.max(most, residentMiB(server.program.pid) - before);
      await delay(5); // between two measurements
    }
    const text = await reply;
    assertMatch(text, /^HTTP\/1\.1 400 [\s\S]*bad-body/, target);
    assert(most < MAX_GROWTH_MIB, `${target}: the server grew by ${most} MiB`);
  };
  try {
    assertEquals((await server.install("echo", ECHO)).status, 200);
    assertEquals((await server.ask("POST", "/echo", undefined, "warm")).text, "warm");

    await t.step("PUT and POST of a world and of a DAV file answer 400", async () => {
      await refuse("PUT /home/x", chunks(1, CHUNKS), TOKENS.t2);
      await refuse("PUT /dav/home/x", chunks(1, CHUNKS), TOKENS.t2);
      assertEquals((await server.ask("GET", "/home/x")).status, 404);
    });

    await t.step("POST to a plugin of tier T1 answers 400", async () => {
      await refuse("POST /echo?bytes=-1", chunks(80, LINES));
      const metrics = (await server.ask("GET", "/proc/metrics", "t3")).text;
      assertMatch(metrics, /^elastik_request_bodies_short_chunks_total 3$/m);
    });

    await t.step("a client that disconnects does not stop the event loop", async () => {
      const connection = await connect(server);
      const bytes = encoder.encode(head("PUT /home/x", server, TOKENS.t2) + chunks(1, CHUNKS));
      await connection.write(bytes);
      connection.close();
      const start = performance.now();
      assertEquals((await server.ask("GET", "/proc/version")).status, 200);
      assert(performance.now() - start < 5000, "the event loop was blocked");
    });

    await t.step(
      `a client that sends ${SLOW_LINES} lines one by one gets all of them`,
      async () => {
        const connection = await connect(server);
        await connection.write(encoder.encode(head("POST /echo?bytes=0", server)));
        const reader = connection.readable.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        for (let line = 0; line < SLOW_LINES; line++) {
          await connection.write(encoder.encode(`6\r\n${String(line).padStart(5, "0")}\n\r\n`));
          while (!text.includes(`${String(line).padStart(5, "0")}\n`)) {
            const { done, value } = await reader.read();
            assert(!done, `the response ended: ${text.slice(-300)}`);
            text = text.slice(-100) + value;
          }
        }
        connection.close();
      },
    );

    await t.step("a response of a plugin in pieces of one byte arrives", async () => {
      const before = residentMiB(server.program.pid);
      const { status, text } = await server.ask("GET", "/echo?bytes=200000");
      assertEquals([status, text.length], [200, 200_000]);
      const grown = residentMiB(server.program.pid) - before;
      assert(grown < MAX_GROWTH_MIB, `the server grew by ${grown} MiB`);
    });
  } finally {
    await server.kill();
  }
});
