/**
 * Property: a client that opens and cancels HTTP/2 requests without a pause loses its connection, and
 * the server answers other clients. The line that Deno writes for each such connection is left out by
 * `DENO_LOG`, as in the systemd unit; JavaScript cannot change what Deno logs (2.9.6).
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { ServerProcess } from "./server_process.ts";
import { readUntilClosed } from "../support/read_until_closed.ts";

/** An HTTP/2 frame (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: readonly number[]): number[] {
  const bytes = (value: number, count: number) =>
    Array.from({ length: count }, (_, at) => value >> 8 * (count - 1 - at) & 255);
  return [...bytes(payload.length, 3), type, flags, ...bytes(stream, 4), ...payload];
}

/** The preface, and requests for `/` that are cancelled at once. */
function createFlood(requests: number): Uint8Array<ArrayBuffer> {
  const encode = (text: string) => [...new TextEncoder().encode(text)];
  // GET, http, /, and the authority as a literal (RFC 7541 §6).
  const head = [0x82, 0x86, 0x84, 0x41, 9, ...encode("localhost")];
  const flood = [...encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ...frame(4, 0, 0, [])];
  for (let stream = 1; stream < 2 * requests; stream += 2) {
    flood.push(...frame(1, 5, stream, head), ...frame(3, 0, stream, [0, 0, 0, 8]));
  }
  return new Uint8Array(flood);
}

/** Sends the flood and returns what the server sent until it closed the connection. */
async function attack(port: number): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const received = readUntilClosed(connection);
  const writer = connection.writable.getWriter();
  await writer.write(createFlood(300)).catch(() => {});
  return await received;
}

Deno.test("a flood of cancelled HTTP/2 requests ends its connection and writes no line with DENO_LOG", () =>
  withTempFolder(async (folder) => {
    const unit = await Deno.readTextFile(
      new URL("../../worlds/usr/share/doc/elastik.service", import.meta.url),
    );
    const level = /^Environment=DENO_LOG=(.*)$/m.exec(unit)?.[1] ?? "";
    const server = await ServerProcess.start({
      data: `${folder}/data`,
      env: { DENO_LOG: level, NO_COLOR: "1" },
    });
    const port = Number(new URL(server.url).port);
    for (let times = 0; times < 3; times++) {
      assertMatch(await attack(port), /too_many_resets/);
      const answer = await fetch(`${server.url}/proc/version`);
      assertEquals(answer.status, 200);
      await answer.body?.cancel();
    }
    const { stderr } = await server.end();
    assert(!stderr.includes("recv_reset"), stderr);
  }));
