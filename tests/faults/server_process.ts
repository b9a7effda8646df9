/**
 * A server in a process of its own, started as a user starts it, for tests that kill it. The caller
 * ends it; whoever forgets is told by the test runner.
 */

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const NEWLINE = "\n";

/** How a server is started. */
export interface ServerOptions {
  readonly data: string;
  /** Settings beside the folder and the port. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program to start instead of the checkout's. */
  readonly main?: string;
  /** A command that runs the server, such as one that enters a namespace. */
  readonly through?: readonly string[];
}

/** What a process came to. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  /** Everything it said on standard error. */
  readonly stderr: string;
}

/** A server process that has told where it listens. */
export class ServerProcess {
  readonly ended: Promise<Ended>;

  private constructor(
    readonly url: string,
    readonly pid: number,
    ended: Promise<Ended>,
  ) {
    this.ended = ended;
  }

  /**
   * Starts a server and waits until it listens.
   *
   * @throws {Error} with what the process said, when it ends before that
   */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const { url, pid, ended } = spawnServer(options);
    const first = await Promise.race([url, ended]);
    if (typeof first === "string") return new ServerProcess(first, pid, ended);
    throw new Error(`The server did not start (exit code ${first.code}): ${first.stderr}`);
  }

  /** Sends a signal and waits for the end. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<Ended> {
    try {
      Deno.kill(this.pid, signal);
    } catch {
      // It is gone already, and `ended` says how.
    }
    return await this.ended;
  }

  /** A request to the server. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, init);
  }

  /** Status and body of a request. */
  async ask(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
    const response = await this.fetch(path, init);
    return { status: response.status, text: await response.text() };
  }
}

/** Runs a server that is expected to end by itself. */
export function runServer(options: ServerOptions): Promise<Ended> {
  return spawnServer(options).ended;
}

function spawnServer({ data, env = {}, main = MAIN, through = [] }: ServerOptions): {
  url: Promise<string>;
  pid: number;
  ended: Promise<Ended>;
} {
  const words = [...through, Deno.execPath(), "run", "-A", "--no-check", main];
  const child = new Deno.Command(words[0] ?? "", {
    args: words.slice(1),
    clearEnv: true,
    env: { ...inherited(), ELASTIK_DATA: data, ELASTIK_PORT: "0", ...env },
    // Not the checkout, whose `.env` would be read.
    cwd: new URL(".", `file://${data}`).pathname,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const url = Promise.withResolvers<string>();
  const reading = readLines(child.stdout, (line) => {
    const found = /^elastik \S+ at (http:\/\/\S+),/.exec(line);
    if (found?.[1] !== undefined) url.resolve(found[1]);
  });
  const said = new Response(child.stderr).text();
  async function finish(): Promise<Ended> {
    const [{ code, signal }, stderr] = await Promise.all([child.status, said, reading]);
    return { code, signal, stderr };
  }
  return { url: url.promise, pid: child.pid, ended: finish() };
}

/** What a Deno process needs to find its cache; nothing that would configure a machine. */
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

/** The approve token a server made for itself, as `Authorization`. */
export function approval(data: string): Record<string, string> {
  return { authorization: `Bearer ${Deno.readTextFileSync(`${data}/.approve-token`).trim()}` };
}
