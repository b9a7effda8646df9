/**
 * The process of `soak_reads.ts`: raw keep-alive connections over TLS, each with one request at a
 * time. It takes its options as JSON in the first argument. For each line on the standard input it
 * writes a report as one line of JSON and begins a new one. It ends with the standard input.
 *
 * Each request has a planned time, which does not depend on the responses. Its response time begins
 * at the planned time, so that a response that delays the next request counts for both.
 */

import type { ReadsOptions, ReadsReport } from "./soak_reads.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Pause before a connection that failed is opened again. */
const RETRY_MS = 500;

let times: number[] = [];
let delays: number[] = [];
let failures: string[] = [];

/** Reads one response with a Content-Length. Returns its status, and whether it is the last one. */
async function readResponse(socket: Deno.TlsConn): Promise<[status: number, isLast: boolean]> {
  const buffer = new Uint8Array(16 * 1024);
  let text = "";
  for (;;) {
    const read = await socket.read(buffer);
    if (read === null) throw new Error("the server closed the connection");
    text += decoder.decode(buffer.subarray(0, read));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
    if (text.length < end + 4 + length) continue;
    return [Number(text.slice(9, 12)), /^connection: close/im.test(text)];
  }
}

async function readForever(options: ReadsOptions, index: number): Promise<void> {
  const { port, ca, path, connections, rate } = options;
  const intervalMs = 1000 * connections / rate;
  const request = encoder.encode(`GET ${path} HTTP/1.1\r\nhost: localhost:${port}\r\n\r\n`);
  for (;;) {
    let socket: Deno.TlsConn | undefined;
    try {
      socket = await Deno.connectTls({
        hostname: "localhost",
        port,
        caCerts: [ca],
        alpnProtocols: ["http/1.1"],
      });
      let planned = performance.now() + intervalMs * index / connections;
      for (let isLast = false; !isLast; planned += intervalMs) {
        const early = planned - performance.now();
        if (early > 0) {
          await new Promise((resolve) => setTimeout(resolve, early));
          // A timer that fires late: this process was busy, or did not get a processor.
          delays.push(Math.max(0, performance.now() - planned));
        }
        await socket.write(request);
        const [status, last] = await readResponse(socket);
        if (status === 200) times.push(performance.now() - planned);
        else failures.push(`status ${status}`);
        isLast = last;
      }
    } catch (error) {
      failures.push(error instanceof Error ? error.message : "unknown error");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } finally {
      socket?.close();
    }
  }
}

const options: ReadsOptions = JSON.parse(Deno.args[0] ?? "");
// Each loop ends with the process.
for (let i = 0; i < options.connections; i++) void readForever(options, i);
for await (const chunk of Deno.stdin.readable) {
  for (let lines = decoder.decode(chunk).split("\n").length - 1; lines > 0; lines--) {
    const report: ReadsReport = { times, delays, failures };
    [times, delays, failures] = [[], [], []];
    console.log(JSON.stringify(report));
  }
}
Deno.exit();
