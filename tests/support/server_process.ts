/**
 * The machine of a test as a process of its own, started from another file than the checkout: the whole
 * HTTP suite can so be put to the bundle, `MACHINE_PROGRAM=dist/elastik.js deno test -A tests/routes`.
 * What a test knows of its machine it then knows over HTTP and from what the process says.
 */

import type { RunningServer } from "../../lib/server/start.ts";
import { startProgram } from "../project/program.ts";

/** Names the program to test in place of the checkout, as an absolute path. */
export const MACHINE_PROGRAM = "MACHINE_PROGRAM";

/** Starts it; `log` is given the lines that it writes for its operator. */
export async function startServerProcess(
  program: string,
  settings: Readonly<Record<string, string | undefined>>,
  log: string[],
): Promise<RunningServer> {
  const env = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]]
  );
  const started = await startProgram({
    command: Deno.execPath(),
    // All that it needs is in the one file.
    args: [
      "run",
      "-A",
      "--no-config",
      "--no-remote",
      "--no-npm",
      "--unstable-worker-options",
      program,
    ],
    cwd: settings.ELASTIK_DATA?.replace(/\/[^/]*$/, "") ?? ".",
    env: Object.fromEntries(env),
    onLine(line) {
      const words = wordsOf(line);
      if (words !== undefined) log.push(words);
    },
  });
  const fresh = /^approve token .*: ([0-9a-f]{64})$/m.exec(started.output())?.[1];
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const { code } = await started.stop();
    if (code !== 0) throw new Error(`The machine ended with ${code}:\n${started.output()}`);
  };
  return {
    url: started.url,
    ...(fresh === undefined ? {} : { newApproveToken: fresh }),
    close: () => ended ??= end(),
  };
}

/** A line for the operator, `2026-01-02T03:04:05.678Z words`; the greeting, which shows a token, is none. */
function wordsOf(line: string): string | undefined {
  return /^\d{4}-\d\d-\d\dT\S+Z (.*)$/.exec(line)?.[1];
}
