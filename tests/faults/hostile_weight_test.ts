/** Bodies of 200 MB through a plugin in both directions: the server must not buffer them. */

import { assert, assertEquals } from "../support/assert.ts";
import {
  type AttackedServer,
  LONG_TIMES,
  residentMiB,
  startAttackedServer,
  TOKENS,
} from "./hostile/attacked_server.ts";

const MIB = 1024 * 1024;
const LENGTH = 200 * MIB;
/** A Worker's heap is part of the server process, so there only the whole body must not be buffered. */
const MAX_GROWTH_MIB = { process: 50, worker: 200 } as const;
const SOURCE = `
export const routes = ["/hostile/weight"];
export default {
  async fetch(request) {
    if (request.method === "GET") {
      let left = ${LENGTH};
      return new Response(new ReadableStream({
        pull(controller) {
          const piece = new Uint8Array(Math.min(left, 65536)).fill(left);
          left -= piece.length;
          controller.enqueue(piece);
          if (left === 0) controller.close();
        },
      }));
    }
    let length = 0;
    for await (const piece of request.body) length += piece.length;
    return new Response(String(length));
  },
};
`;

for (const how of ["process", "worker"] as const) {
  Deno.test(
    `a body of 200 MB through a plugin (${how}) grows the server by less than ${
      MAX_GROWTH_MIB[how]
    } MiB`,
    async () => {
      const server = await startAttackedServer(how, LONG_TIMES);
      try {
        assertEquals((await server.install("weight", SOURCE)).status, 200);
        // Once before the measurement: modules are loaded on first use, and V8 enlarges its heap to a
        // size that does not depend on the length of the body.
        await receive(server, 64 * MIB);
        const out = await growth(server, () => receive(server, LENGTH));
        const into = await growth(server, () => send(server));
        console.log(
          `${how}: ${out.toFixed(0)} MiB for a response, ${into.toFixed(0)} for a request`,
        );
        assert(out < MAX_GROWTH_MIB[how], `a response made the server grow by ${out} MiB`);
        assert(into < MAX_GROWTH_MIB[how], `a request made the server grow by ${into} MiB`);
      } finally {
        await server.kill();
      }
    },
  );
}

async function receive({ url }: AttackedServer, atLeast: number): Promise<void> {
  const answer = await fetch(`${url}/hostile/weight`);
  assertEquals(answer.status, 200);
  const reader = answer.body!.getReader();
  let got = 0;
  while (got < atLeast) {
    const { value, done } = await reader.read();
    if (done) break;
    got += value.length;
  }
  await reader.cancel();
  assert(got >= atLeast, `${got} bytes came`);
}

/**
 * Sends with a Content-Length, as curl does for a file. With chunked coding Deno's server buffers far
 * more than was read, and each read takes time in proportion to that (2.9.6, with any handler).
 */
async function send({ url }: AttackedServer): Promise<void> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const head = `POST /hostile/weight HTTP/1.1\r\nhost: ${hostname}:${port}\r\n` +
    `authorization: Bearer ${TOKENS.t2}\r\ncontent-length: ${LENGTH}\r\nconnection: close\r\n\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  const piece = new Uint8Array(64 * 1024);
  for (let left = LENGTH; left > 0; left -= piece.length) await writeAll(connection, piece);
  const answer = await new Response(connection.readable).text();
  assert(answer.startsWith("HTTP/1.1 200") && answer.endsWith(`\r\n\r\n${LENGTH}`), answer);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Returns the largest growth of the resident memory of the server during an action, in MiB. */
async function growth({ program }: AttackedServer, act: () => Promise<void>): Promise<number> {
  const before = residentMiB(program.pid);
  let most = before;
  const sampling = setInterval(() => most = Math.max(most, residentMiB(program.pid)), 10);
  try {
    await act();
  } finally {
    clearInterval(sampling);
  }
  return most - before;
}
