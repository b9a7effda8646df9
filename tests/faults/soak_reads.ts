/**
 * Hot reads of the soak, measured in a process of their own, so that the other load does not delay
 * the measurement.
 */

/** What the process needs. */
export interface ReadsOptions {
  readonly port: number;
  /** The certificate of the server in PEM format. */
  readonly ca: string;
  readonly connections: number;
  /** Requests per second, of all connections together. */
  readonly rate: number;
  readonly path: string;
}

/** What the process has measured since its last report. */
export interface ReadsReport {
  /** Milliseconds from the planned time of a request to the end of its response. */
  readonly times: readonly number[];
  /** How late the timers of the process fired, in milliseconds: delays that are not the server's. */
  readonly delays: readonly number[];
  /** Responses other than 200, and errors of connections. */
  readonly failures: readonly string[];
}

/** A process that reads. */
export class SoakReads {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #rest = "";

  /** Starts the process. */
  constructor(options: ReadsOptions) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--no-lock",
        new URL("./soak_reads_process.ts", import.meta.url).pathname,
        JSON.stringify(options),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#requests = this.#process.stdin.getWriter();
  }

  /** Returns what the process has measured since the last call. */
  async take(): Promise<ReadsReport> {
    await this.#requests.write(new TextEncoder().encode("\n"));
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return JSON.parse(line);
      }
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("the process that reads has ended");
      this.#rest += value;
    }
  }

  /** Ends the process. */
  async close(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#requests.abort().catch(() => {}); // the process has ended
    await this.#lines.cancel();
    await this.#process.status;
  }
}
