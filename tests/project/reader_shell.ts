/**
 * The terminals of a reader: one bash for a whole page, so that later blocks have the variables of
 * earlier ones, and one bash for each stream that a page opens.
 */

import { cleanEnv } from "./program.ts";

/** Most milliseconds that a pasted chunk may take. */
const CHUNK_MS = 120_000;
/** Most milliseconds until a stream has shown the documented output. */
const STREAM_MS = 60_000;

/** One bash that receives commands. */
export class ReaderShell {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<void>;
  #complaints = "";
  #read = "";
  #pastes = 0;

  constructor(cwd: string, env: Readonly<Record<string, string>>) {
    this.#child = new Deno.Command("bash", {
      args: ["--noprofile", "--norc"],
      cwd,
      env: cleanEnv(env),
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdout = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stderr = this.#gather();
  }

  /**
   * Pastes commands and waits until the last of them has ended.
   *
   * @returns their standard output, their standard error and the exit code of the last one
   * @throws {Error} if that takes longer than {@link CHUNK_MS}
   */
  async paste(commands: string): Promise<{ code: number; output: string; complaints: string }> {
    const mark = `=== paste ${++this.#pastes} ended with `;
    // Without this redirection a command could read the rest of the pasted text.
    const script = `{\n${endless(commands)}\n} < /dev/null\nprintf '\\n${mark}%s\\n' "$?"\n`;
    await this.#stdin.write(new TextEncoder().encode(script));
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), CHUNK_MS);
    try {
      for (;;) {
        const end = this.#read.indexOf(`\n${mark}`);
        const code = end < 0 ? undefined : /^(\d+)\n/.exec(this.#read.slice(end + mark.length + 1));
        if (code) {
          const output = this.#read.slice(0, end);
          this.#read = this.#read.slice(end + mark.length + 1 + code[0].length);
          const complaints = this.#complaints;
          this.#complaints = "";
          return { code: Number(code[1]), output, complaints };
        }
        const { done, value } = await this.#stdout.read();
        if (done) throw new Error(`The shell ended during:\n${commands}\n${this.#read}`);
        this.#read += value;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#stdin.close();
    await this.#child.status;
    await this.#stdout.cancel();
    await this.#stderr;
  }

  async #gather(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#complaints += text;
    }
  }
}

/** A second terminal in which one command runs until it is closed. */
export class StreamTerminal {
  readonly #child: Deno.ChildProcess;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  #output = "";

  constructor(command: string, cwd: string, env: Readonly<Record<string, string>>) {
    this.#child = new Deno.Command("bash", {
      args: ["--noprofile", "--norc", "-c", `exec ${command}`],
      cwd,
      env: cleanEnv(env),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#stdout = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Reads until the output satisfies a condition, the command ends, or {@link STREAM_MS} have passed.
   *
   * @returns all output so far
   */
  async until(holds: (output: string) => boolean): Promise<string> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STREAM_MS);
    try {
      while (!holds(this.#output)) {
        const { done, value } = await this.#stdout.read();
        if (done) break;
        this.#output += value;
      }
      return this.#output;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await this.#stdout.cancel();
    await this.#child.status;
  }
}

/** A stream among other commands ends with its answer; one that does not is ended after a minute. */
function endless(commands: string): string {
  return commands.replace(/^curl -N ((?:.*\\\n)*.*)$/gm, "curl -sNm 60 $1 || true");
}
