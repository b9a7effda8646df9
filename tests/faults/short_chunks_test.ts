/**
 * A request body in very short chunks costs memory of about its length, and other requests are
 * answered while it is received.
 */

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "../support/assert.ts";
import { residentMiB, startAttackedServer, TOKENS } from "./hostile/attacked_server.ts";

const CHUNKS = 20_000;
/** A buffer of 64 KiB for each chunk would need 1,250 MiB. */
const MAX_GROWTH_MIB = 250;
const SINK = `export const routes = ["/sink"];
export default { async fetch(request) {
  let length = 0;
  for await (const piece of request.body) length += piece.length;
  return new Response(String(length));
} };`;

Deno.test(`${CHUNKS} chunks of one byte grow the server by less than ${MAX_GROWTH_MIB} MiB`, async () => {
  const server = await startAttackedServer("process");
  try {
    assertEquals((await server.install("sink", SINK)).status, 200);
    assertEquals((await server.ask("POST", "/sink", "t2", "warm")).text, "4");
    for (const target of ["PUT /home/x", "POST /sink"]) {
      const before = residentMiB(server.program.pid);
      const { hostname, port } = new URL(server.url);
      const connection = await Deno.connect({ hostname, port: Number(port) });
      const head = `${target} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nconnection: close\r\n` +
        `authorization: Bearer ${TOKENS.t2}\r\ntransfer-encoding: chunked\r\n\r\n`;
      const bytes = new TextEncoder().encode(`${head}${"1\r\nx\r\n".repeat(CHUNKS)}0\r\n\r\n`);
      let hasEnded = false;
      const reply = new Response(connection.readable).text().finally(() => hasEnded = true);
      const writer = connection.writable.getWriter();
      void writer.write(bytes).catch(() => {});
      let most = 0;
      while (!hasEnded) {
        assertEquals((await server.ask("GET", "/proc/version")).status, 200);
        most = Math.max(most, residentMiB(server.program.pid) - before);
        await delay(5); // between two measurements
      }
      const text = await reply;
      assert(/^HTTP\/1\.1 20/.test(text), `${target}: ${text}`);
      assert(most < MAX_GROWTH_MIB, `${target}: the server grew by ${most} MiB`);
    }
    const stored = await server.ask("GET", "/home/x?raw", "t2");
    assertEquals(stored.text, "x".repeat(CHUNKS));
  } finally {
    await server.kill();
  }
});
