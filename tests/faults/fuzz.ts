/**
 * The fuzzer: starts a server with plugins, sends random requests to it, and checks every response,
 * the server's memory and all event chains. A short run is part of the tests (`fuzz_test.ts`).
 *
 *     deno task fuzz --requests 200000 --seed 7
 *     deno task fuzz --seed 7 --only 1234     repeats one request of a run
 *
 * It ends with 1 if it found a fault. A finding names the seed and the number of its request.
 */

import { parseArgs } from "node:util";
import { withBackend } from "../plugins/fake_backend.ts";
import { createRequest, type Credentials, type FuzzRequest } from "./fuzz_requests.ts";
import { findFault, type FuzzFacts, type FuzzResponse } from "./fuzz_checks.ts";
import { ServerProcess } from "./server_process.ts";

/** How a run is made. */
export interface FuzzOptions {
  readonly seed: number;
  readonly requests: number;
  /** Sends only the request with this number. */
  readonly only?: number;
  readonly onProgress?: (line: string) => void;
}

/** Result of a run. */
export interface FuzzReport {
  /** Faults that were found, each with the number of its request. */
  readonly findings: readonly string[];
  readonly statuses: Readonly<Record<string, number>>;
  readonly milliseconds: number;
  /** Resident memory before and after, in MiB. */
  readonly memory: readonly [number, number];
}

const TOKEN = "t2-5ecret-0f-the-fuzzer";
const APPROVE = "t3-5ecret-0f-the-fuzzer";
const KEY = "k3y-5ecret-0f-the-fuzzer";
const PLUGINS = ["example", "gpu", "fstab", "db", "fanout", "router", "semantic"];
const WORKERS = 24;
const DEADLINE_MS = 20_000;
/** Growth of the server's memory that a run may cause. */
const MAX_GROWTH_MIB = 400;
const MAX_FINDINGS = 20;
const PROGRESS_REQUESTS = 5_000;
/** Longest body that is read: the rest of an endless response is not needed. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

const decoder = new TextDecoder();

/** Runs the fuzzer on its own server. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-fuzz-" });
  try {
    let report: FuzzReport | undefined;
    await withBackend(async (backend) => {
      backend.behaviour = { tokens: ["a ", "few ", "words"] };
      const server = await ServerProcess.start({
        data: `${folder}/data`,
        env: {
          ELASTIK_TOKEN: TOKEN,
          ELASTIK_APPROVE_TOKEN: APPROVE,
          ELASTIK_KEY: KEY,
          ELASTIK_SYNC: "normal",
          ELASTIK_MAX_BODY: "262144",
          ELASTIK_BODY_TIMEOUT: "3000",
          ELASTIK_HEAD_TIMEOUT: "3000",
          ELASTIK_CELL_ANSWER: "8000",
        },
      });
      try {
        report = await fuzzServer(server, folder, backend.host, options);
      } finally {
        await server.end("SIGKILL");
      }
    });
    if (report === undefined) throw new Error("the run did not end");
    return report;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function fuzzServer(
  server: ServerProcess,
  folder: string,
  backend: string,
  { seed, requests, only, onProgress = () => {} }: FuzzOptions,
): Promise<FuzzReport> {
  const mount = await Deno.makeTempDir({ prefix: "elastik-mount-" });
  try {
    await setUp(server, mount, backend);
    const credentials = await createCredentials(server);
    const facts: FuzzFacts = {
      secrets: [TOKEN, APPROVE, KEY],
      folder: `${folder}/data`,
      deadlineMs: DEADLINE_MS,
    };
    const port = Number(new URL(server.url).port);
    const findings: string[] = [];
    const statuses: Record<string, number> = {};
    let ended: string | undefined;
    void server.ended.then(({ code, signal, stderr }) => {
      ended = `the server ended: ${code} ${signal} ${stderr.slice(-500)}`;
    });
    const before = residentMiB(server.pid);
    const start = performance.now();
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < requests && findings.length < MAX_FINDINGS && ended === undefined) {
        const index = only ?? next;
        next = only === undefined ? next + 1 : requests;
        const request = createRequest(seed, index, credentials);
        const response = await send(port, request);
        const status = response.head.slice(9, 12) || "none";
        statuses[status] = (statuses[status] ?? 0) + 1;
        const fault = findFault(request, response, facts);
        if (fault !== undefined && ended === undefined) {
          findings.push(`request ${index}: ${fault}\n${describe(request, response)}`);
        }
        if (next % PROGRESS_REQUESTS === 0) {
          const seconds = Math.round((performance.now() - start) / 1000);
          onProgress(
            `${next} requests, ${seconds} s, ${residentMiB(server.pid)} MiB, ` +
              `${findings.length} findings`,
          );
        }
      }
    };
    await Promise.all(Array.from({ length: only === undefined ? WORKERS : 1 }, work));
    if (ended !== undefined) findings.push(ended);
    else findings.push(...await checkEnd(server, before));
    return {
      findings,
      statuses,
      milliseconds: Math.round(performance.now() - start),
      memory: [before, ended === undefined ? residentMiB(server.pid) : 0],
    };
  } finally {
    await Deno.remove(mount, { recursive: true });
  }
}

/** Stores worlds and activates the plugins. */
async function setUp(server: ServerProcess, mount: string, backend: string): Promise<void> {
  const put = async (path: string, body: string) => {
    const headers = { authorization: `Bearer ${APPROVE}` };
    const { status, text } = await server.ask(path, { method: "PUT", headers, body });
    if (status >= 300) throw new Error(`PUT ${path}: ${status} ${text}`);
  };
  await Deno.writeTextFile(`${mount}/file.txt`, "a file");
  await Deno.mkdir(`${mount}/sub`);
  await put("/etc/fstab", `${mount} /mnt/disk rw\n`);
  await put("/etc/fanout.conf", "home/a\nhome/b\n");
  await put("/etc/gpu.conf", `ollama://${backend}\nmodel one\n`);
  await put("/etc/passwd", "ada:T2\n");
  await put("/etc/shadow", `ada:${"0".repeat(64)}\n`);
  for (const path of ["/home/a", "/home/dir/x", "/home/dir/y/z", "/etc/fuzz", "/boot/fuzz"]) {
    await put(path, "words of a world\n");
  }
  await put("/home/csv?ext=csv", "a,b\n1,2\n");
  await put("/home/long", "x".repeat(60_000));
  for (const name of PLUGINS) {
    const source = new URL(`../../plugins/${name}.ts`, import.meta.url);
    await put(`/lib/${name}`, await Deno.readTextFile(source));
    await put(`/lib/${name}/state`, "active");
  }
}

async function createCredentials(server: ServerProcess): Promise<Credentials> {
  const mint = async (query: string) => {
    const { text } = await server.ask(`/auth/mint?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${APPROVE}` },
    });
    return `Bearer ${JSON.parse(text).token}`;
  };
  return {
    T2: `Bearer ${TOKEN}`,
    T3: `Bearer ${APPROVE}`,
    cap: await mint("prefix=/home/dir&ttl=86400&mode=rw"),
    read: await mint("prefix=/home&ttl=86400&mode=r"),
    wrong: "Bearer wrong",
    basic: `Basic ${btoa(`ada:${TOKEN}`)}`,
    broken: "Basic %%%",
  };
}

/** Sends a request on its own connection and reads the response. */
async function send(port: number, request: FuzzRequest): Promise<FuzzResponse> {
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  let socket: Deno.TcpConn;
  try {
    socket = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch {
    return { head: "", body: "", isWhole: false, ms: elapsed() }; // the checks report it
  }
  const timer = setTimeout(() => closeQuietly(socket), DEADLINE_MS + 5_000);
  try {
    const writing = writeAll(socket, request);
    const received = await receive(socket, request.method);
    await writing;
    return { ...received, ms: elapsed() };
  } finally {
    clearTimeout(timer);
    closeQuietly(socket);
  }
}

async function writeAll(socket: Deno.TcpConn, { message, isComplete }: FuzzRequest): Promise<void> {
  try {
    for (let rest = message; rest.length > 0;) rest = rest.subarray(await socket.write(rest));
    if (!isComplete) await socket.closeWrite();
  } catch {
    return; // the server may refuse the request before it is sent
  }
}

async function receive(
  socket: Deno.TcpConn,
  method: string,
): Promise<Omit<FuzzResponse, "ms">> {
  let text = "";
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (;;) {
      const read = await socket.read(buffer);
      if (read === null) break;
      for (const byte of buffer.subarray(0, read)) text += String.fromCharCode(byte);
      if (text.startsWith("HTTP/1.1 1")) text = text.replace(/^HTTP\/1\.1 1[^]*?\r\n\r\n/, "");
      const isEndless = /^content-type: text\/event-stream/im.test(text.slice(0, 4096));
      if (isEndless && text.includes("\r\n\r\n")) {
        return { head: text.slice(0, text.indexOf("\r\n\r\n")), body: "", isWhole: true };
      }
      if (text.length > MAX_BODY_BYTES) break;
    }
  } catch {
    // A reset after a refusal: what was received before it counts.
  }
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return { head: "", body: text, isWhole: false };
  const head = text.slice(0, end);
  const content = text.slice(end + 4);
  const status = head.slice(9, 12);
  if (method === "HEAD" || status === "204" || status === "304") {
    return { head, body: content, isWhole: content === "" };
  }
  if (/^transfer-encoding: chunked/im.test(head)) return { head, ...dechunk(content) };
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  const isWhole = length === undefined || Number(length) === content.length ||
    text.length > MAX_BODY_BYTES;
  return { head, body: toUtf8(content), isWhole };
}

function dechunk(content: string): { body: string; isWhole: boolean } {
  let body = "";
  for (let at = 0;;) {
    const end = content.indexOf("\r\n", at);
    const size = end < 0 ? NaN : parseInt(content.slice(at, end), 16);
    if (Number.isNaN(size)) return { body: toUtf8(body), isWhole: content.length > MAX_BODY_BYTES };
    if (size === 0) return { body: toUtf8(body), isWhole: content.slice(end + 2) === "\r\n" };
    body += content.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}

function toUtf8(binary: string): string {
  return decoder.decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
}

function closeQuietly(socket: Deno.TcpConn): void {
  try {
    socket.close();
  } catch {
    return; // closed already
  }
}

/** After the run the server answers, its memory is bounded, and every event chain is intact. */
async function checkEnd(server: ServerProcess, before: number): Promise<string[]> {
  const headers = { authorization: `Bearer ${APPROVE}`, accept: "application/json" };
  const faults: string[] = [];
  const grown = residentMiB(server.pid) - before;
  if (grown > MAX_GROWTH_MIB) faults.push(`the memory grew by ${grown} MiB`);
  const { status, text } = await server.ask("/proc/worlds", { headers });
  if (status !== 200) return [...faults, `GET /proc/worlds answers ${status} at the end`];
  for (const { name } of JSON.parse(text)) {
    const path = String(name).split("/").map(encodeURIComponent).join("/");
    const audit = await server.ask(`/proc/audit/${path}`, { headers });
    if (audit.status === 200 && JSON.parse(audit.text).ok === true) continue;
    faults.push(`GET /proc/audit/${path}: ${audit.status} ${audit.text.slice(0, 300)}`);
  }
  return faults;
}

function residentMiB(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

function describe(request: FuzzRequest, { head, body }: FuzzResponse): string {
  const sent = toUtf8(String.fromCharCode(...request.message.subarray(0, 500)));
  return `  ${request.tier}: ${JSON.stringify(sent)}\n  ${JSON.stringify(head.slice(0, 300))} ` +
    JSON.stringify(body.slice(0, 300));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      requests: { type: "string", default: "200000" },
      only: { type: "string" },
    },
  });
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const report = await runFuzz({
    seed,
    requests: Number(values.requests),
    ...(values.only === undefined ? {} : { only: Number(values.only) }),
    onProgress: (line) => console.log(line),
  });
  for (const finding of report.findings) console.log(finding);
  const { milliseconds, memory: [before, after], statuses } = report;
  console.log(JSON.stringify(statuses));
  console.log(
    `seed ${seed}: ${values.requests} requests in ${Math.round(milliseconds / 1000)} s, ` +
      `memory ${before} to ${after} MiB, ${report.findings.length} findings`,
  );
  Deno.exit(report.findings.length === 0 ? 0 : 1);
}
