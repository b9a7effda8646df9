/**
 * The shell in which a reader pastes one block after the other: one bash for a whole page, so that
 * what one block sets the next one finds.
 */

import { cleanEnv } from "./program.ts";

/** Most milliseconds a pasted chunk may take. */
const CHUNK_MS = 120_000;

/** One bash that is fed commands. */
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
   * @returns what they wrote and the exit code of the last one
   * @throws {Error} when that takes too long
   */
  async paste(commands: string): Promise<{ code: number; output: string; complaints: string }> {
    const mark = `=== paste ${++this.#pastes} ended with `;
    // Commands read the pasted text themselves unless their input is somewhere else.
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
        if (done) throw new Error(`The shell ended in the midst of:\n${commands}\n${this.#read}`);
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

/** A stream does not end by itself; a reader ends it with Ctrl-C. */
function endless(commands: string): string {
  return commands.replace(/^curl -N ((?:.*\\\n)*.*)$/gm, "curl -sNm 2 $1 || true");
}
