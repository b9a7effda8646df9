/**
 * The fuzzer: starts a server with plugins, sends random requests to it, and checks every response,
 * the server's memory and all event chains. A short run is part of the tests (`fuzz_test.ts`).
 *
 *     deno task fuzz --requests 200000 --seed 7
 *     deno task fuzz --seed 7 --only 1234     repeats one request of a run
 *
 * It ends with 1 if it found a fault. A finding names the seed and the number of its request.
 */

import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { parseArgs } from "node:util";
import { withBackend } from "../plugins/fake_backend.ts";
import { type ChangeEvent, ChangeFollower } from "./change_follower.ts";
import { createRequest, type Credentials, type FuzzRequest } from "./fuzz_requests.ts";
import { findFault, type FuzzFacts, type FuzzResponse } from "./fuzz_checks.ts";
import type { FuzzState } from "./fuzz_routes.ts";
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
  /** Statuses of the requests that were made for one route, by route. */
  readonly routes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Events that the follower of all changes received. */
  readonly events: number;
  readonly milliseconds: number;
  /** Resident memory before and after, in MiB. */
  readonly memory: readonly [number, number];
}

const TOKEN = "t2-5ecret-0f-the-fuzzer";
const APPROVE = "t3-5ecret-0f-the-fuzzer";
const KEY = "k3y-5ecret-0f-the-fuzzer";
const T3_JSON = { authorization: `Bearer ${APPROVE}`, accept: "application/json" };
/** In the name and the text of a world that only T3 can read, and of one that capabilities cannot. */
const [HIDDEN, HIDDEN_FROM_CAPABILITIES] = ["h1dden-from-all", "h1dden-from-capabilities"];
const PLUGINS = ["example", "gpu", "fstab", "db", "fanout", "router", "semantic"];
const WORKERS = 24;
/** On a busy computer; a request that hangs is never answered. */
const DEADLINE_MS = 60_000;
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
          // Each head is complete. The server must not give it up because it stood still itself.
          ELASTIK_HEAD_TIMEOUT: "60000",
          ELASTIK_CELL_START: "60000",
          ELASTIK_CELL_ANSWER: "20000",
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
    const state = await createState(server);
    const facts: FuzzFacts = {
      secrets: [TOKEN, APPROVE, KEY],
      folder: `${folder}/data`,
      hidden: HIDDEN,
      hiddenFromCapabilities: HIDDEN_FROM_CAPABILITIES,
      problemPages: readProblemPages(),
      deadlineMs: DEADLINE_MS,
    };
    const follower = new ChangeFollower({ authorization: `Bearer ${APPROVE}` });
    let isFollowing = true;
    let followed: string | undefined;
    const following = follower.run(server, () => !isFollowing).catch((error: unknown) => {
      followed = `the follower of all changes: ${String(error)}`;
    });
    const port = Number(new URL(server.url).port);
    const findings: string[] = [];
    const statuses: Record<string, number> = {};
    const routes: Record<string, Record<string, number>> = {};
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
        const request = createRequest(seed, index, credentials, state);
        const response = await send(port, request);
        const status = response.head.slice(9, 12) || "none";
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (request.kind !== undefined) {
          const counts = routes[request.kind] ??= {};
          counts[status] = (counts[status] ?? 0) + 1;
        }
        const fault = findFault(request, response, facts);
        if (fault !== undefined && ended === undefined) {
          findings.push(`request ${index}: ${fault}\n${describe(request, response)}`);
        }
        if (index > 0 && index % PROGRESS_REQUESTS === 0) {
          const seconds = Math.round((performance.now() - start) / 1000);
          onProgress(
            `${index} requests, ${seconds} s, ${residentMiB(server.pid)} MiB, ` +
              `${findings.length} findings`,
          );
        }
      }
    };
    await Promise.all(Array.from({ length: only === undefined ? WORKERS : 1 }, work));
    isFollowing = false;
    if (ended !== undefined) findings.push(ended);
    else {
      await putAsT3(server, "/home/end", "wakes the follower");
      await following;
      if (followed !== undefined) findings.push(followed);
      findings.push(...await checkEnd(server, before, follower));
    }
    return {
      findings,
      statuses,
      routes,
      events: follower.count,
      milliseconds: Math.round(performance.now() - start),
      memory: [before, ended === undefined ? residentMiB(server.pid) : 0],
    };
  } finally {
    await Deno.remove(mount, { recursive: true });
  }
}

async function putAsT3(server: ServerProcess, path: string, body: string): Promise<void> {
  await askAsT3(server, path, { method: "PUT", body });
}

/** @throws {Error} if the response is not a success */
async function askAsT3(
  server: ServerProcess,
  path: string,
  options: { method?: string; body?: string } = {},
): Promise<string> {
  const { status, text } = await server.ask(path, { ...options, headers: T3_JSON });
  if (status < 300) return text;
  throw new Error(`${options.method ?? "GET"} ${path}: ${status} ${text}`);
}

/** Stores worlds and activates the plugins. */
async function setUp(server: ServerProcess, mount: string, backend: string): Promise<void> {
  const put = (path: string, body: string) => putAsT3(server, path, body);
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
  await put("/home/doc.json", '{"x":1,"list":["words"]}');
  await put("/home/dir/doc.json", '{"x":1,"list":["words"]}');
  await put("/home/dir/list.md", "- [ ] tea\n- [ ] milk\n");
  await put(`/boot/${HIDDEN}`, `${HIDDEN} words\n`);
  await put(`/etc/${HIDDEN_FROM_CAPABILITIES}`, `${HIDDEN_FROM_CAPABILITIES} words\n`);
  await put("/home/long", "x".repeat(60_000));
  for (const name of PLUGINS) {
    const source = new URL(`../../plugins/${name}.ts`, import.meta.url);
    await put(`/lib/${name}`, await Deno.readTextFile(source));
    await put(`/lib/${name}/state`, "active");
  }
}

async function createCredentials(server: ServerProcess): Promise<Credentials> {
  const mint = async (query: string): Promise<string> => {
    return JSON.parse(await askAsT3(server, `/auth/mint?${query}`, { method: "POST" })).token;
  };
  const rwd = await mint("prefix=/home/dir&ttl=86400&mode=rwd&name=kestrel");
  return {
    T2: `Bearer ${TOKEN}`,
    T3: `Bearer ${APPROVE}`,
    cap: `Bearer ${await mint("prefix=/home/dir&ttl=86400&mode=rw")}`,
    read: `Bearer ${await mint("prefix=/home&ttl=86400&mode=r")}`,
    rwd: `Bearer ${rwd}`,
    narrow: `Bearer ${narrow(rwd, "/home/dir|9999999999|rw|junior")}`,
    // Requests revoke it and accept it again.
    fleeting: `Bearer ${await mint("prefix=/home/dir&ttl=86400&mode=rwd&name=fleeting")}`,
    widened: `Bearer ${narrow(rwd, "/home|9999999999|rwd|junior")}`,
    tampered: `Bearer ${rwd.slice(0, -4)}AAAA`,
    wrong: "Bearer wrong",
    basic: `Basic ${btoa(`ada:${TOKEN}`)}`,
    broken: "Basic %%%",
  };
}

/** Appends a line to a capability, as its holder does without the server. */
function narrow(token: string, line: string): string {
  const [lines = "", signature = ""] = token.split(".");
  const joined = `${Buffer.from(lines, "base64url")}\n${line}`;
  const signed = createHmac("sha256", Buffer.from(signature, "base64url")).update(line).digest();
  return `${Buffer.from(joined).toString("base64url")}.${signed.toString("base64url")}`;
}

/** Deletes worlds, and reads a cursor of the changes. */
async function createState(server: ServerProcess): Promise<FuzzState> {
  const trash: string[] = [];
  for (const path of ["/home/dir/new", "/home/dir/new", "/home/absent"]) {
    await putAsT3(server, path, "words of a deleted world\n");
    trash.push(...JSON.parse(await askAsT3(server, path, { method: "DELETE" })).trash);
  }
  const { cursor } = JSON.parse(await askAsT3(server, "/proc/changes/?after=now"));
  return { cursor, trash };
}

/** Paths of the pages of all problem types. */
function readProblemPages(): Set<string> {
  const folder = new URL("../../worlds/usr/share/doc/problems/", import.meta.url);
  return new Set(
    [...Deno.readDirSync(folder)].map(({ name }) => `/usr/share/doc/problems/${name}`),
  );
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

/**
 * After the run the server answers, its memory is bounded, every event chain is intact, and the
 * follower received each of its events once.
 */
async function checkEnd(
  server: ServerProcess,
  before: number,
  follower: ChangeFollower,
): Promise<string[]> {
  const faults: string[] = [];
  const grown = residentMiB(server.pid) - before;
  if (grown > MAX_GROWTH_MIB) faults.push(`the memory grew by ${grown} MiB`);
  const { status, text } = await server.ask("/proc/worlds", { headers: T3_JSON });
  if (status !== 200) return [...faults, `GET /proc/worlds answers ${status} at the end`];
  for (const { name } of JSON.parse(text)) {
    const path = String(name).split("/").map(encodeURIComponent).join("/");
    const audit = await server.ask(`/proc/audit/${path}`, { headers: T3_JSON });
    if (audit.status !== 200 || JSON.parse(audit.text).ok !== true) {
      faults.push(`GET /proc/audit/${path}: ${audit.status} ${audit.text.slice(0, 300)}`);
    }
    try {
      await follower.waitForAll(server, path, await readLog(server, path));
    } catch (error) {
      faults.push(String(error));
    }
  }
  return faults;
}

/** Reads all events of a world. */
async function readLog(server: ServerProcess, path: string): Promise<ChangeEvent[]> {
  const events: ChangeEvent[] = [];
  for (let before = "";;) {
    const page: ChangeEvent[] = JSON.parse(
      await askAsT3(server, `/proc/log/${path}?limit=1000${before}`),
    );
    events.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < 1000) return events;
    before = `&before=${last.id}`;
  }
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
  for (const [route, counts] of Object.entries(report.routes)) {
    console.log(`${route}: ${JSON.stringify(counts)}`);
  }
  console.log(`all: ${JSON.stringify(statuses)}`);
  console.log(
    `seed ${seed}: ${values.requests} requests in ${Math.round(milliseconds / 1000)} s, ` +
      `${report.events} events followed, memory ${before} to ${after} MiB, ${report.findings.length} findings`,
  );
  Deno.exit(report.findings.length === 0 ? 0 : 1);
}
