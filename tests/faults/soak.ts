/**
 * The soak: mixed load with many streams, slow clients, dropped audits and plugin crashes on a server
 * with 4,096 file descriptors. It checks that the memory of the server stays flat, that no response is
 * an undocumented 5xx, and that hot reads stay fast. A short run is part of the tests
 * (`soak_test.ts`).
 *
 *     deno task soak --minutes 10 --seed 1
 *
 * It ends with 1 if it found a fault. Most streams share connections over HTTP/2, because 5,000
 * connections do not fit into 4,096 descriptors. Clients and server share the processors, so other work
 * on the computer delays hot reads: each line says how long the server waited for a processor.
 */

import { parseArgs } from "node:util";
import { certifyEndEntity } from "../support/certificate.ts";
import { createRandom } from "../support/random.ts";
import { ServerProcess } from "./server_process.ts";
import { findFault, findGrowth, parseDelays, percentile, shareAbove } from "./soak_checks.ts";
import {
  dropAudit,
  followOverHttp1,
  neverRead,
  pause,
  readSlowly,
  sendSlowBody,
  sendSlowHead,
  type SoakRun,
} from "./soak_clients.ts";
import { type ReadsReport, SoakReads } from "./soak_reads.ts";

/** How a run is made. */
export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Event streams; nine of ten over HTTP/2. */
  readonly streams: number;
  /** Highest p99 of hot reads in any minute, in milliseconds. */
  readonly maxP99Ms: number;
  readonly onProgress?: (line: string) => void;
}

/** Result of a run. */
export interface SoakReport {
  readonly findings: readonly string[];
  /** Responses by kind and status. */
  readonly counts: Readonly<Record<string, number>>;
  /** Resident memory of the server in MiB, at equal intervals. */
  readonly memory: readonly number[];
}

const TOKEN = "t2-5ecret-0f-the-soak";
const APPROVE = "t3-5ecret-0f-the-soak";
const DESCRIPTORS = 4096;
const WORLDS = 500;
const STREAMS_PER_CONNECTION = 100;
const STREAMS_OPENED_PER_SECOND = 200;
/** A stream over HTTP/2 is closed and opened again after a random time between these. */
const STREAM_MS = [60_000, 240_000] as const;
const READS_PER_SECOND = 200;
const READ_CONNECTIONS = 8;
/** Requests of each kind per second. */
const RATES = {
  put: 20,
  patch: 10,
  search: 2,
  log: 2,
  changes: 5,
  plugin: 10,
  audit: 5,
  crash: 0.5,
} as const;
/** Misbehaving clients of each kind. */
const BAD_CLIENTS = 20;
const LARGE_BYTES = 4 * 1024 * 1024;
const SLOW_BYTES_PER_SECOND = 64 * 1024;
const SAMPLE_MS = 5_000;
const REPORT_MS = 60_000;
/** Time until memory is compared: two minutes, or a fifth of a short run. */
const WARM_UP_MS = 120_000;
const MAX_FINDINGS = 20;
/** Longest time until the process that reads has read something. */
const MAX_START_MS = 120_000;
/** Requests without a response that are accepted, as a share of all requests. */
const MAX_FAILED_SHARE = 0.01;
/** Delay of the server's event loop that is reported, a bound of its histogram. */
const MAX_LOOP_DELAY_SECONDS = 0.01;

const PLUGINS: Readonly<Record<string, string>> = {
  steady: `return new Response("ok");`,
  crashing: `if (new URL(request.url).search !== "?crash") return new Response("ok");
    const all = [];
    for (;;) all.push(new Array(100_000).fill(all.length));`,
  endless: `const part = new Uint8Array(65536);
    return new Response(new ReadableStream({ pull: (c) => c.enqueue(part) }));`,
};

/** Runs the soak on its own server. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-soak-" });
  try {
    const { cert, key } = await certifyEndEntity(folder, "soak");
    const server = await ServerProcess.start({
      data: `${folder}/data`,
      env: {
        ELASTIK_TOKEN: TOKEN,
        ELASTIK_APPROVE_TOKEN: APPROVE,
        ELASTIK_TLS_CERT: cert,
        ELASTIK_TLS_KEY: key,
        // All streams come from one address.
        ELASTIK_STREAMS_PER_CLIENT: String(2 * options.streams),
        ELASTIK_CELL_HEAP: "32",
      },
      through: ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"],
    });
    try {
      return await new Soak(server, await Deno.readTextFile(cert), options).run();
    } finally {
      await server.end("SIGKILL");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

class Soak {
  readonly #server: ServerProcess;
  readonly #options: SoakOptions;
  readonly #url: string;
  readonly #ca: string;
  /** Client of all requests that are not streams. */
  readonly #client: Deno.HttpClient;
  readonly #streamClients: Deno.HttpClient[] = [];
  readonly #random: () => number;
  readonly #findings: string[] = [];
  readonly #counts: Record<string, number> = {};
  readonly #memory: number[] = [];
  readonly #run: SoakRun;
  #end: number;
  #ended: string | undefined;
  /** Delays of the server's event loop at the last report. */
  #delays: ReadonlyMap<number, number> = new Map();
  /** Times of the server's main thread at the last report. */
  #thread = { ran: 0, waited: 0 };
  #streamsOpen = 0;
  #requests = 0;
  #failures = 0;

  constructor(server: ServerProcess, ca: string, options: SoakOptions) {
    this.#server = server;
    this.#options = options;
    this.#ca = ca;
    const port = Number(new URL(server.url).port);
    this.#url = `https://localhost:${port}`;
    this.#client = this.#createClient();
    this.#random = createRandom(options.seed);
    this.#end = Infinity;
    this.#run = {
      port,
      ca,
      approval: `Bearer ${APPROVE}`,
      isOver: () => this.#isOver,
      note: (kind, status, fault) => this.#note(kind, status, fault),
    };
    void server.ended.then(({ code, signal, stderr }) => {
      this.#ended = `the server ended: ${code} ${signal} ${stderr.slice(-500)}`;
    });
  }

  async run(): Promise<SoakReport> {
    const { seconds, streams, onProgress = () => {} } = this.#options;
    await this.#setUp();
    const { port } = this.#run;
    const reads = new SoakReads({
      port,
      ca: this.#ca,
      connections: READ_CONNECTIONS,
      rate: READS_PER_SECOND,
      path: "/home/hot?raw",
    });
    // The process that reads can need seconds to start.
    for (const end = performance.now() + MAX_START_MS; performance.now() < end;) {
      if ((await reads.take()).times.length > 0) break;
      await pause(50);
    }
    const start = performance.now();
    this.#end = start + seconds * 1000;
    const load = this.#startLoad(streams);
    let reportAt = Math.min(start + REPORT_MS, this.#end);
    while (!this.#isOver || reportAt <= this.#end) {
      await pause(Math.min(SAMPLE_MS, Math.max(0, reportAt - performance.now())));
      if (this.#ended !== undefined) break;
      this.#memory.push(residentMiB(this.#server.pid));
      if (performance.now() < reportAt) continue;
      const minute = Math.round((reportAt - start) / REPORT_MS);
      onProgress(this.#checkReads(minute, await reads.take(), await this.#reportDelay()));
      if (reportAt === this.#end) break;
      reportAt = Math.min(reportAt + REPORT_MS, this.#end);
    }
    await reads.close();
    await this.#checkEnd();
    await Promise.all(load);
    for (const client of [...this.#streamClients, this.#client]) client.close();
    return { findings: this.#findings, counts: this.#counts, memory: this.#memory };
  }

  get #isOver(): boolean {
    return performance.now() >= this.#end || this.#ended !== undefined ||
      this.#findings.length >= MAX_FINDINGS;
  }

  /** Stores the worlds and activates the plugins. */
  async #setUp(): Promise<void> {
    await this.#put("/home/hot", "read often\n");
    await this.#put("/home/large", "x".repeat(LARGE_BYTES));
    for (let i = 0; i < WORLDS; i++) await this.#put(`/home/s${i}`, "start\n");
    for (const [name, statements] of Object.entries(PLUGINS)) {
      await this.#put(
        `/lib/${name}`,
        `export const routes = ["/${name}"];
export default {
  async fetch(request) {
    ${statements}
  },
};
`,
      );
      await this.#put(`/lib/${name}/state`, "active");
    }
  }

  async #put(path: string, body: string): Promise<void> {
    const headers = { authorization: `Bearer ${APPROVE}` };
    const client = this.#client;
    const response = await fetch(this.#url + path, { method: "PUT", headers, body, client });
    const text = await response.text();
    if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${text}`);
  }

  /** Starts all clients. Each ends soon after the run. */
  #startLoad(streams: number): Promise<void>[] {
    const run = this.#run;
    const load: Promise<void>[] = [];
    for (let i = 0; i < streams; i++) load.push(this.#startStream(i));
    for (let i = 0; i < BAD_CLIENTS; i++) {
      load.push(sendSlowHead(run), sendSlowBody(run));
      load.push(neverRead(run, ["/home/large?raw", "/stream/home/large", "/endless"][i % 3] ?? ""));
      load.push(readSlowly(run, "/home/large?raw", SLOW_BYTES_PER_SECOND));
    }
    load.push(
      this.#atRate(RATES.put, () => this.#putRandom()),
      this.#atRate(RATES.patch, () => this.#patchRandom()),
      this.#atRate(RATES.search, () => this.#ask("search", "/proc/search/home/?q=start&limit=20")),
      this.#atRate(RATES.log, () => this.#ask("log", "/proc/log/home/?limit=20")),
      this.#atRate(
        RATES.changes,
        () => this.#ask("changes", "/proc/changes/home/?after=now&wait=5"),
      ),
      this.#atRate(RATES.plugin, () => this.#ask("plugin", "/steady")),
      this.#atRate(RATES.audit, () => dropAudit(run, this.#randomWorld(), this.#random() * 20)),
      this.#atRate(RATES.crash, () => this.#crash()),
    );
    return load;
  }

  async #startStream(index: number): Promise<void> {
    await pause(1000 * index / STREAMS_OPENED_PER_SECOND);
    const target = `/stream/home/s${index % WORLDS}`;
    if (index % 10 === 0) return await followOverHttp1(this.#run, target);
    const number = Math.floor(index / STREAMS_PER_CONNECTION);
    const client = this.#streamClients[number] ??= this.#createClient();
    while (!this.#isOver) {
      const retryMs = await this.#follow(target, client);
      await pause(retryMs * (1 + this.#random()));
    }
  }

  /** Follows a stream for a while. Returns the pause until the next one. */
  async #follow(target: string, client: Deno.HttpClient): Promise<number> {
    const [shortest, longest] = STREAM_MS;
    const ms = shortest + this.#random() * (longest - shortest);
    try {
      const response = await fetch(this.#url + target, { client });
      this.#note("stream", response.status, findFault("stream", response));
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        return 1000 * Number(response.headers.get("retry-after") ?? 1);
      }
      const reader = response.body.getReader();
      this.#streamsOpen++;
      // A rejected cancel means that the stream has ended.
      const leave = () => void reader.cancel().catch(() => this.#note("stream broken", 0));
      const timer = setTimeout(leave, Math.min(ms, this.#end - performance.now()));
      try {
        while (!(await reader.read()).done);
        this.#note("stream ended", 0);
      } finally {
        clearTimeout(timer);
        this.#streamsOpen--;
      }
    } catch {
      this.#note("stream broken", 0);
    }
    return 1000;
  }

  async #atRate(rate: number, use: () => Promise<unknown>): Promise<void> {
    const open = new Set<Promise<unknown>>();
    while (!this.#isOver) {
      const task = use().finally(() => open.delete(task));
      open.add(task);
      await pause(1000 / rate);
    }
    await Promise.all(open);
  }

  async #putRandom(): Promise<void> {
    const body = "x".repeat(Math.floor(this.#random() * 2000));
    await this.#ask("put", `/home/${this.#randomWorld()}`, "PUT", body);
  }

  async #patchRandom(): Promise<void> {
    await this.#ask("patch", `/home/${this.#randomWorld()}`, "PATCH", '{"append":"more\\n"}');
  }

  /** Crashes the plugin. After several crashes in a row it is activated again. */
  async #crash(): Promise<void> {
    const status = await this.#ask("crash", "/crashing?crash");
    if (status !== 503) return;
    await this.#ask("disable", "/lib/crashing/state", "PUT", "disabled");
    await this.#ask("activate", "/lib/crashing/state", "PUT", "active");
  }

  /** Sends a request and checks its response. Returns its status; 0 if there was none. */
  async #ask(kind: string, path: string, method = "GET", body?: string): Promise<number> {
    this.#requests++;
    const headers = new Headers({ authorization: `Bearer ${APPROVE}` });
    if (method === "PATCH") headers.set("content-type", "application/json");
    try {
      const response = await fetch(this.#url + path, {
        method,
        headers,
        client: this.#client,
        ...(body === undefined ? {} : { body }),
      });
      await response.arrayBuffer();
      this.#note(kind, response.status, findFault(kind, response, kind === "crash"));
      return response.status;
    } catch (error) {
      this.#failures++;
      this.#note(`${kind}: ${error instanceof Error ? error.message.slice(0, 80) : ""}`, 0);
      return 0;
    }
  }

  #note(kind: string, status: number, fault?: string): void {
    const name = status === 0 ? kind : `${kind} ${status}`;
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
    if (fault !== undefined) this.#findings.push(fault);
  }

  /**
   * Checks the hot reads of a minute.
   *
   * @param delay how late the server's event loop was, and why
   * @returns a line of progress
   */
  #checkReads(minute: number, { times, delays, failures }: ReadsReport, delay: string): string {
    const { maxP99Ms } = this.#options;
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
    if (p99 >= maxP99Ms) {
      this.#findings.push(`minute ${minute}: p99 of hot reads is ${p99.toFixed(1)} ms; ${delay}`);
    }
    if (times.length === 0) this.#findings.push(`minute ${minute}: no hot read was answered`);
    for (const failure of failures) {
      const status = Number(/^status (\d+)/.exec(failure)?.[1] ?? 0);
      this.#note(
        `hot read failed: ${failure}`,
        0,
        status >= 500 ? `hot read: ${status}` : undefined,
      );
    }
    return `minute ${minute}: ${times.length} hot reads, p50 ${p50.toFixed(1)} ms, ` +
      `p99 ${p99.toFixed(1)} ms (p99 of the client's own delay ` +
      `${percentile(delays, 0.99).toFixed(1)} ms); ${this.#streamsOpen} streams over HTTP/2; ` +
      `${this.#memory.at(-1)} MiB, ${countDescriptors(this.#server.pid)} descriptors; ` +
      `${this.#findings.length} findings; ${delay}`;
  }

  /**
   * Returns how late the server's event loop was since the last call. It is late because of its own
   * work, or because its thread waited for a processor: clients and server share those.
   */
  async #reportDelay(): Promise<string> {
    try {
      const response = await fetch(`${this.#url}/proc/metrics`, {
        headers: { authorization: `Bearer ${APPROVE}`, accept: "text/plain" },
        client: this.#client,
      });
      const now = parseDelays(await response.text());
      const share = shareAbove(now, this.#delays, MAX_LOOP_DELAY_SECONDS);
      this.#delays = now;
      const seconds = readThreadSeconds(this.#server.pid);
      const [ran, waited] = [seconds.ran - this.#thread.ran, seconds.waited - this.#thread.waited];
      this.#thread = seconds;
      return `event loop of the server: ${(100 * share).toFixed(1)} % of timers over 10 ms late; ` +
        `its thread ran ${ran.toFixed(1)} s and waited ${waited.toFixed(1)} s for a processor`;
    } catch (error) {
      // The other checks find a server that has ended.
      return `event loop of the server: unknown (${error instanceof Error ? error.message : ""})`;
    }
  }

  /** After the run the server stops, and its memory was flat. */
  async #checkEnd(): Promise<void> {
    const findings = this.#findings;
    if (this.#ended !== undefined) {
      findings.push(this.#ended);
      return;
    }
    const warmUpMs = Math.min(WARM_UP_MS, this.#options.seconds * 200);
    const growth = findGrowth(this.#memory.slice(Math.ceil(warmUpMs / SAMPLE_MS)));
    if (growth !== undefined) findings.push(growth);
    if (this.#failures > this.#requests * MAX_FAILED_SHARE) {
      findings.push(`${this.#failures} of ${this.#requests} requests got no response`);
    }
    if (await this.#ask("end", "/home/hot?raw") !== 200) findings.push("no 200 at the end");
    const { code, stderr } = await this.#server.end();
    if (code !== 0) findings.push(`the server ended with exit code ${code}`);
    for (const line of stderr.split("\n")) {
      if (/ failed: |uncaught|panic/i.test(line)) findings.push(line.slice(0, 300));
    }
  }

  #createClient(): Deno.HttpClient {
    return Deno.createHttpClient({ caCerts: [this.#ca], http1: false, http2: true });
  }

  #randomWorld(): string {
    return `s${Math.floor(this.#random() * WORLDS)}`;
  }
}

function residentMiB(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

/** Seconds for which the main thread of a process ran, and for which it waited for a processor. */
function readThreadSeconds(pid: number): { ran: number; waited: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/schedstat`);
  const [ran = 0, waited = 0] = text.split(" ").map((nanoseconds) => Number(nanoseconds) / 1e9);
  return { ran, waited };
}

function countDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "10" },
      streams: { type: "string", default: "5000" },
    },
  });
  if (!(Number(values.minutes) > 0)) throw new Error("--minutes must be a positive number");
  const report = await runSoak({
    seconds: Number(values.minutes) * 60,
    seed: Number(values.seed),
    streams: Number(values.streams),
    maxP99Ms: 10,
    onProgress: (line) => console.log(line),
  });
  console.log(JSON.stringify(report.counts, null, 1));
  console.log(`memory in MiB: ${report.memory.join(" ")}`);
  for (const finding of report.findings) console.log(`FAULT ${finding}`);
  console.log(`seed ${values.seed}: ${report.findings.length} findings`);
  Deno.exit(report.findings.length === 0 ? 0 : 1);
}
