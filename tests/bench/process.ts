import { freePort } from "../support/free_port.ts";
/**
 * Servers for the benchmarks, each in its own process: this server as a user starts it, and a constant
 * `Deno.serve` that answers every request with the same bytes and headers, as the limit of the runtime.
 */

const ROOT = new URL("../../", import.meta.url);

/** A server in its own process. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Current resident memory in bytes. */
  rss(): number;
  /** Seconds of processor time used so far, all threads. */
  cpu(): number;
  /** Milliseconds from the start of the process to its first response. */
  readonly startMs: number;
  stop(signal?: Deno.Signal): Promise<void>;
}

/** Starts this server on a data folder, and waits until it answers `path`. */
export function startServer(
  data: string,
  env: Record<string, string> = {},
  path = "/proc/version",
): Promise<Server> {
  const port = freePort();
  return start(port, path, {
    args: ["run", "-A", "--config", fileOf("deno.json"), fileOf("main.ts")],
    env: { ELASTIK_PORT: String(port), ELASTIK_DATA: data, ...env },
  });
}

/** Starts the constant server. */
export function startConstant(length: number, headers: Record<string, string>): Promise<Server> {
  const port = freePort();
  const code = `const body = new Uint8Array(${length}).fill(65);
    const headers = ${JSON.stringify(headers)};
    Deno.serve({ port: ${port}, hostname: "127.0.0.1", onListen() {} },
      () => new Response(body, { headers }));`;
  return start(port, "/", {
    args: ["run", "-A", `data:application/javascript,${encodeURIComponent(code)}`],
  });
}

/** Starts a program with Deno and waits until it answers. */
export async function start(
  port: number,
  path: string,
  { args, env = {} }: { args: string[]; env?: Record<string, string> },
): Promise<Server> {
  const begin = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env,
    cwd: Deno.env.get("BENCH_DIR") ?? Deno.makeTempDirSync(),
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  const ended = child.status.then(({ code }) => {
    throw new Error(`Cannot measure: the server ended with code ${code}`);
  });
  ended.catch(() => {}); // also a server that is stopped ends
  await Promise.race([untilResponse(url + path), ended]);
  const startMs = performance.now() - begin;
  async function stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await child.status;
  }
  return {
    url,
    pid: child.pid,
    startMs,
    rss: () => residentBytes(child.pid),
    cpu: () => cpuSeconds(child.pid),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

async function untilResponse(url: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    try {
      const answer = await fetch(url);
      await answer.body?.cancel();
      if (answer.status < 500) return;
    } catch {
      // No server listens yet; the next request tries again.
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`Cannot measure: ${url} did not answer within 60 s`);
}

function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

/** Seconds of processor time that a process has used so far, all threads. */
export function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function fileOf(path: string): string {
  return new URL(path, ROOT).pathname;
}
