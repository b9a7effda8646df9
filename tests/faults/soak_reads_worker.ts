/**
 * The Worker of `soak_reads.ts`: raw keep-alive connections over TLS, each with one request at a time.
 */

import type { ReadsOptions, ReadsReport } from "./soak_reads.ts";

/** The global scope of this Worker. */
interface ReadsScope {
  onmessage: ((event: MessageEvent<ReadsOptions | "report">) => void) | null;
  postMessage(report: ReadsReport): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Pause before a connection that failed is opened again. */
const RETRY_MS = 500;

let times: number[] = [];
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

async function readForever(options: ReadsOptions): Promise<void> {
  const { port, ca, path, connections, rate } = options;
  const pauseMs = 1000 * connections / rate;
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
      for (let isLast = false; !isLast;) {
        const start = performance.now();
        await socket.write(request);
        const [status, last] = await readResponse(socket);
        const ms = performance.now() - start;
        if (status === 200) times.push(ms);
        else failures.push(`status ${status}`);
        isLast = last;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, pauseMs - ms)));
      }
    } catch (error) {
      failures.push(error instanceof Error ? error.message : "unknown error");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } finally {
      socket?.close();
    }
  }
}

// The types of Deno describe the global scope of a program, not that of a Worker.
const scope = globalThis as unknown as ReadsScope;
scope.onmessage = ({ data }) => {
  if (data === "report") {
    scope.postMessage({ times, failures });
    times = [];
    failures = [];
    return;
  }
  // Each loop ends with the Worker.
  for (let i = 0; i < data.connections; i++) void readForever(data);
};
