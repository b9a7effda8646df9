/** Runs a command that has no end of its own, such as `dev`, and waits for what it prints. */

import { cleanEnv, type StartOptions } from "../project/program.ts";

/** Most milliseconds until an expected text is printed. */
const MAX_WAIT_MS = 60_000;

/** A command that runs. */
export interface LiveCommand {
  /** Everything that it printed so far, on both streams. */
  output(): string;
  /**
   * Waits until its output since the last call matches.
   *
   * @returns the match
   * @throws {Error} with its output, if it ends or prints nothing of the kind
   */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  /** Writes to its standard input. */
  type(text: string): Promise<void>;
  /** Sends Ctrl-C, unless it has ended, and waits for the exit code. */
  interrupt(): Promise<number>;
}

/** Starts a command. Its standard input stays open. */
export function startCommand({ command, args, cwd, env }: StartOptions): LiveCommand {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env: cleanEnv(env),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const typed = child.stdin.getWriter();
  let written = "";
  let seen = 0;
  let hasEnded = false;
  let wake: () => void = () => {};
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      written += text;
      wake();
    }
  };
  const outputs = Promise.all([read(child.stdout), read(child.stderr)]);
  const ended = child.status.then(async ({ code }) => {
    await outputs;
    hasEnded = true;
    await typed.close().catch(() => {}); // the pipe has ended with the command
    wake();
    return code;
  });
  return {
    output: () => written,
    async until(pattern) {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        wake();
      }, MAX_WAIT_MS);
      try {
        for (;;) {
          const found = pattern.exec(written.slice(seen));
          if (found !== null) {
            seen += found.index + found[0].length;
            return found;
          }
          if (hasEnded || isLate) throw new Error(`Expected ${pattern} after:\n${written}`);
          await new Promise<void>((resolve) => wake = resolve);
        }
      } finally {
        clearTimeout(timer);
      }
    },
    type(text) {
      return typed.write(new TextEncoder().encode(text));
    },
    interrupt() {
      try {
        child.kill("SIGINT");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
      return ended;
    },
  };
}
