/** Clients that request a long range and read nothing share the content. */

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "../support/assert.ts";
import { residentMiB, startAttackedServer, TOKENS } from "./hostile/attacked_server.ts";

const CLIENTS = 60;
const BYTES = 5 * 1024 * 1024;
/** A copy for each client would need 300 MiB. */
const MAX_GROWTH_MIB = 120;

Deno.test(`${CLIENTS} silent readers of a range of 5 MiB grow the server by less than ${MAX_GROWTH_MIB} MiB`, async () => {
  const server = await startAttackedServer("process");
  const clients: Deno.TcpConn[] = [];
  try {
    const stored = await server.ask("PUT", "/home/x", "t2", new Uint8Array(BYTES));
    assertEquals(stored.status, 201, stored.text);
    const { hostname, port } = new URL(server.url);
    const head = `GET /home/x?raw HTTP/1.1\r\nhost: ${hostname}:${port}\r\n` +
      `authorization: Bearer ${TOKENS.t2}\r\nrange: bytes=1-\r\n\r\n`;
    // The first read starts the Worker for long bodies.
    const first = await server.ask("GET", "/home/x?raw", "t2");
    assertEquals(first.status, 200);
    const before = residentMiB(server.program.pid);
    for (let i = 0; i < CLIENTS; i++) {
      const client = await Deno.connect({ hostname, port: Number(port) });
      clients.push(client);
      await client.write(new TextEncoder().encode(head));
      const status = new Uint8Array(12);
      await client.read(status);
      assertEquals(new TextDecoder().decode(status), "HTTP/1.1 206");
    }
    await delay(300); // the buffers of the system fill
    const growth = residentMiB(server.program.pid) - before;
    assert(growth < MAX_GROWTH_MIB, `the server grew by ${growth} MiB`);
  } finally {
    for (const client of clients) client.close();
    await server.kill();
  }
});
