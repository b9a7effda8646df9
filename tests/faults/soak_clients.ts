/**
 * The clients of the soak that misbehave: slow heads, slow bodies, readers that never read, and
 * clients that disconnect. Each runs until it is stopped, and opens a connection again when the
 * server has closed the last one.
 */

import { findFault } from "./soak_checks.ts";

/** What a client of the soak knows of the run. */
export interface SoakRun {
  readonly port: number;
  /** The certificate of the server in PEM format. */
  readonly ca: string;
  /** Value of an `Authorization` header for T3. */
  readonly approval: string;
  /** Whether the run has ended. */
  readonly isOver: () => boolean;
  /** Takes the kind and status of a response, and the fault of it, if any. */
  readonly note: (kind: string, status: number, fault?: string) => void;
}

/** Time between two bytes of a slow client. */
const SLOW_BYTE_MS = 1_000;
/** A slow client that the server has not disconnected after this time is a fault. */
const MAX_SLOW_MS = 120_000;
/** Clients that never read leave after this time, if the server keeps the connection. */
const NEVER_READ_MS = 100_000;
/** Pause before a connection is opened again. */
const RETRY_MS = 1_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Pauses. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Opens a connection for HTTP/1.1. */
export function connect({ port, ca }: SoakRun): Promise<Deno.TlsConn> {
  const alpnProtocols = ["http/1.1"];
  return Deno.connectTls({ hostname: "localhost", port, caCerts: [ca], alpnProtocols });
}

/** Calls `use` with one connection after the other until the run is over. */
export async function repeat(
  run: SoakRun,
  kind: string,
  use: (socket: Deno.TlsConn) => Promise<void>,
): Promise<void> {
  while (!run.isOver()) {
    let socket: Deno.TlsConn | undefined;
    try {
      socket = await connect(run);
      await use(socket);
    } catch {
      // The server disconnects these clients; that is what they are for.
      run.note(`${kind} disconnected`, 0);
    } finally {
      closeQuietly(socket);
    }
    await pause(RETRY_MS);
  }
}

/** Sends a request head byte by byte. */
export function sendSlowHead(run: SoakRun): Promise<void> {
  return repeat(run, "slow head", (socket) => sendSlowly(run, "slow head", socket, "GET /home/s1"));
}

/** Sends the head of a request, and its body byte by byte. */
export function sendSlowBody(run: SoakRun): Promise<void> {
  const start = "PUT /home/slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n" +
    `authorization: ${run.approval}\r\n\r\n`;
  return repeat(run, "slow body", (socket) => sendSlowly(run, "slow body", socket, start));
}

async function sendSlowly(
  run: SoakRun,
  kind: string,
  socket: Deno.TlsConn,
  start: string,
): Promise<void> {
  const began = performance.now();
  const reading = readHead(socket);
  let isAnswered = false;
  const done = () => isAnswered = true;
  reading.then(done, done);
  await socket.write(encoder.encode(start));
  while (!isAnswered && !run.isOver()) {
    if (performance.now() - began > MAX_SLOW_MS) {
      run.note(kind, 0, `${kind}: still open after ${MAX_SLOW_MS / 1000} s`);
      return;
    }
    await Promise.race([pause(SLOW_BYTE_MS), reading.catch(() => {})]);
    if (!isAnswered) await socket.write(encoder.encode("x"));
  }
  if (isAnswered) noteHead(run, kind, await reading);
}

/** Sends a request and reads nothing. */
export function neverRead(run: SoakRun, target: string): Promise<void> {
  return repeat(run, "never reads", async (socket) => {
    await socket.write(encoder.encode(`GET ${target} HTTP/1.1\r\nhost: localhost\r\n\r\n`));
    for (const end = performance.now() + NEVER_READ_MS; performance.now() < end;) {
      if (run.isOver()) return;
      await pause(RETRY_MS);
    }
  });
}

/** Reads a long response slowly. */
export function readSlowly(run: SoakRun, target: string, bytesPerSecond: number): Promise<void> {
  return repeat(run, "slow reader", async (socket) => {
    await socket.write(
      encoder.encode(`GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`),
    );
    const buffer = new Uint8Array(bytesPerSecond);
    let head: string | undefined;
    while (!run.isOver()) {
      const read = await socket.read(buffer);
      if (read === null) return;
      if (head === undefined) {
        head = decoder.decode(buffer.subarray(0, Math.min(read, 2048)));
        noteHead(run, "slow reader", head);
      }
      await pause(1000 * read / bytesPerSecond);
    }
  });
}

/** Requests an audit and disconnects at once. */
export async function dropAudit(run: SoakRun, world: string, waitMs: number): Promise<void> {
  let socket: Deno.TlsConn | undefined;
  try {
    socket = await connect(run);
    await socket.write(
      encoder.encode(
        `GET /proc/audit/${world} HTTP/1.1\r\nhost: localhost\r\n` +
          `authorization: ${run.approval}\r\n\r\n`,
      ),
    );
    await pause(waitMs);
    run.note("dropped audit", 0);
  } catch {
    run.note("dropped audit disconnected", 0);
  } finally {
    closeQuietly(socket);
  }
}

/** Follows a world over HTTP/1.1 until the stream or the run ends. */
export function followOverHttp1(run: SoakRun, target: string): Promise<void> {
  return repeat(run, "stream", async (socket) => {
    await socket.write(encoder.encode(`GET ${target} HTTP/1.1\r\nhost: localhost\r\n\r\n`));
    noteHead(run, "stream", await readHead(socket));
    const buffer = new Uint8Array(16 * 1024);
    while (!run.isOver() && await socket.read(buffer) !== null);
  });
}

async function readHead(socket: Deno.TlsConn): Promise<string> {
  const buffer = new Uint8Array(4096);
  for (let text = "";;) {
    const read = await socket.read(buffer);
    if (read === null) throw new Error("the server closed the connection");
    text += decoder.decode(buffer.subarray(0, read));
    if (text.includes("\r\n\r\n")) return text;
  }
}

function noteHead(run: SoakRun, kind: string, text: string): void {
  const [head = ""] = text.split("\r\n\r\n");
  const status = Number(head.slice(9, 12));
  const headers = new Headers();
  for (const line of head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  run.note(kind, status, findFault(kind, { status, headers }));
}

function closeQuietly(socket: Deno.TlsConn | undefined): void {
  try {
    socket?.close();
  } catch {
    return; // closed already
  }
}
