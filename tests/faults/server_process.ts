/**
 * A server in its own process, started as a user starts it, for tests that kill it. The test must end
 * it; the test runner reports a process that is left.
 */

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const NEWLINE = "\n";

/** How a server is started. */
export interface ServerOptions {
  readonly data: string;
  /** Settings in addition to the folder and the port. */
  readonly env?: Readonly<Record<string, string>>;
  /** Program to start instead of `main.ts` of the checkout. */
  readonly main?: string;
  /** Command that runs the server, such as one that enters a namespace. */
  readonly through?: readonly string[];
}

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  /** Its standard error. */
  readonly stderr: string;
}

/** A server process that listens. */
export class ServerProcess {
  readonly ended: Promise<ProcessEnd>;

  private constructor(
    readonly url: string,
    readonly pid: number,
    ended: Promise<ProcessEnd>,
  ) {
    this.ended = ended;
  }

  /**
   * Starts a server and waits until it listens.
   *
   * @throws {Error} with its standard error if the process ends before that
   */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const { url, pid, ended } = spawnServer(options);
    const first = await Promise.race([url, ended]);
    if (typeof first === "string") return new ServerProcess(first, pid, ended);
    throw new Error(`The server did not start (exit code ${first.code}): ${first.stderr}`);
  }

  /** Sends a signal and waits for the end. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<ProcessEnd> {
    try {
      Deno.kill(this.pid, signal);
    } catch {
      // The process has ended already; `ended` reports how.
    }
    return await this.ended;
  }

  /** Sends a request to the server. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, init);
  }

  /** Sends a request and returns status and body. */
  async ask(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
    const response = await this.fetch(path, init);
    return { status: response.status, text: await response.text() };
  }
}

/** Runs a server that is expected to end without a signal. */
export function runServer(options: ServerOptions): Promise<ProcessEnd> {
  return spawnServer(options).ended;
}

function spawnServer({ data, env = {}, main = MAIN, through = [] }: ServerOptions): {
  url: Promise<string>;
  pid: number;
  ended: Promise<ProcessEnd>;
} {
  const words = [...through, Deno.execPath(), "run", "-A", "--no-check", main];
  const child = new Deno.Command(words[0] ?? "", {
    args: words.slice(1),
    clearEnv: true,
    env: { ...inherited(), ELASTIK_DATA: data, ELASTIK_PORT: "0", ...env },
    // Not the checkout: its `.env` would be read.
    cwd: new URL(".", `file://${data}`).pathname,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const url = Promise.withResolvers<string>();
  const reading = readLines(child.stdout, (line) => {
    const found = /^elastik \S+ at (https?:\/\/\S+),/.exec(line);
    if (found?.[1] !== undefined) url.resolve(found[1]);
  });
  const errors = new Response(child.stderr).text();
  async function finish(): Promise<ProcessEnd> {
    const [{ code, signal }, stderr] = await Promise.all([child.status, errors, reading]);
    return { code, signal, stderr };
  }
  return { url: url.promise, pid: child.pid, ended: finish() };
}

/** Environment that a Deno process needs to find its cache, without settings of the server. */
export function inherited(): Record<string, string> {
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  return Object.fromEntries(kept);
}

/** Calls `take` with each line of a stream. */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(NEWLINE);
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  }
}

/** The approve token that the server generated, as `Authorization`. */
export function approval(data: string): Record<string, string> {
  return { authorization: `Bearer ${Deno.readTextFileSync(`${data}/.approve-token`).trim()}` };
}
