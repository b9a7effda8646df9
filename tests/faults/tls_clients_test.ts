/**
 * Property: clients of TLS that never finish their handshake, or stop in the middle of an upload over
 * HTTP/2, do not end the server, and other clients are served.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { canCertify, certifyEndEntity } from "../support/certificate.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { ServerProcess } from "./server_process.ts";

interface TlsServer {
  readonly port: number;
  readonly ca: string;
  readonly process: ServerProcess;
}

const encoder = new TextEncoder();
const GET = encoder.encode("GET /proc/version HTTP/1.1\r\nHost: localhost\r\n\r\n");

/** Runs a test with a server process that has its own certificate. */
function test(
  name: string,
  options: { readonly env?: Record<string, string>; readonly descriptors?: number },
  act: (server: TlsServer) => Promise<void>,
): void {
  const { env = {}, descriptors = 1024 } = options;
  const fn = () =>
    withTempFolder(async (folder) => {
      const { cert, key } = await certifyEndEntity(folder, "own");
      const process = await ServerProcess.start({
        data: `${folder}/data`,
        env: { ELASTIK_TLS_CERT: cert, ELASTIK_TLS_KEY: key, ...env },
        through: ["sh", "-c", `ulimit -n ${descriptors}; exec "$@"`, "sh"],
      });
      try {
        const port = Number(new URL(process.url).port);
        await act({ port, ca: await Deno.readTextFile(cert), process });
        const { code, stderr } = await process.end();
        assertEquals([code, stderr], [0, ""]);
      } finally {
        await process.end("SIGKILL");
      }
    });
  Deno.test({ name, ignore: !canCertify(), fn });
}

function connect({ port, ca }: TlsServer): Promise<Deno.TlsConn> {
  return Deno.connectTls({ hostname: "localhost", port, caCerts: [ca] });
}

/** Sends a request on an open connection and reads the response; 0 if the server has closed it. */
async function ask(connection: Deno.TlsConn): Promise<number> {
  await connection.write(GET);
  const buffer = new Uint8Array(4096);
  let text = "";
  // The content can come apart from the head.
  for (;;) {
    const read = await connection.read(buffer);
    if (read === null) return 0;
    text += new TextDecoder().decode(buffer.subarray(0, read));
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (end >= 0 && text.length >= end + 4 + length) return Number(text.slice(9, 12));
  }
}

async function askAnew(server: TlsServer): Promise<number> {
  let connection: Deno.TlsConn | undefined;
  try {
    connection = await connect(server);
    return await ask(connection);
  } catch {
    return 0; // the server has closed the connection
  } finally {
    connection?.close();
  }
}

test(
  "300 clients that never finish the TLS handshake do not end a server with 200 file descriptors",
  { descriptors: 200 },
  async (server) => {
    const used = await connect(server);
    assertEquals(await ask(used), 200);
    const silent: Deno.TcpConn[] = [];
    for (let i = 0; i < 300; i++) {
      silent.push(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
      // A connection that is in use is not closed for another one.
      assertEquals(await ask(used), 200);
    }
    for (const connection of silent) connection.close();
    used.close();
    while (await askAnew(server) !== 200);
  },
);

for (const headers of [{}, { "content-length": "100000" }]) {
  test(
    `an upload over HTTP/2 that stops gets 408, and its connection can be used, ${
      JSON.stringify(headers)
    }`,
    { env: { ELASTIK_BODY_TIMEOUT: "400" } },
    async (server) => {
      const client = Deno.createHttpClient({ caCerts: [server.ca], http1: false, http2: true });
      const uploads: ReadableStreamDefaultController[] = [];
      try {
        const url = `https://localhost:${server.port}`;
        for (const bytes of [0, 10, 70_000]) {
          const body = new ReadableStream({
            start: (controller) => {
              uploads.push(controller);
              if (bytes > 0) controller.enqueue(new Uint8Array(bytes));
            },
          });
          const response = await fetch(`${url}/home/x`, { method: "PUT", headers, body, client });
          assertEquals([response.status, (await response.json()).status], [408, 408]);
          const other = await fetch(`${url}/home/x`, { client });
          await other.body?.cancel();
          assertEquals(other.status, 404);
        }
        // If the client stands still for 0.4 s in the middle of it, the upload is given up, too.
        let { text, status } = await put(url, client);
        while (status === 408) ({ text, status } = await put(url, client));
        assert(status === 201, text);
      } finally {
        // The server waits for open uploads when it stops.
        for (const upload of uploads) upload.error(new Error("the client gives up"));
        client.close();
      }
    },
  );
}

async function put(
  url: string,
  client: Deno.HttpClient,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}/home/x`, { method: "PUT", body: "whole", client });
  return { status: response.status, text: await response.text() };
}
