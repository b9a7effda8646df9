/**
 * Starts the server of a test as a process from another file than the checkout, so that the tests over
 * HTTP can run against the bundle: `TEST_PROGRAM=$PWD/dist/elastik.js deno test -A tests/routes`. Such a
 * test can observe its server only over HTTP and by the output of the process.
 */

import type { RunningServer } from "../../lib/server/start.ts";
import { startProgram } from "../project/program.ts";

/** Environment variable with the absolute path of the program to test instead of the checkout. */
export const TEST_PROGRAM = "TEST_PROGRAM";

/**
 * Starts the program as a server.
 *
 * @param log receives the lines that the server writes for its operator
 */
export async function startServerProcess(
  program: string,
  settings: Readonly<Record<string, string | undefined>>,
  log: string[],
): Promise<Omit<RunningServer, "reload" | "booted">> {
  const env = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]]
  );
  const started = await startProgram({
    command: Deno.execPath(),
    // The file contains everything that the program needs.
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
      const text = logTextOf(line);
      if (text !== undefined) log.push(text);
    },
  });
  const newToken = /^approve token .*: ([0-9a-f]{64})$/m.exec(started.output())?.[1];
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const { code } = await started.stop();
    if (code !== 0) {
      throw new Error(`The server ended with exit code ${code}:\n${started.output()}`);
    }
  };
  return {
    url: started.url,
    ...(newToken === undefined ? {} : { newApproveToken: newToken }),
    close: () => ended ??= end(),
  };
}

/**
 * Returns the text of a log line, `2026-01-02T03:04:05.678Z text`, or undefined for another line. The
 * lines at the start, which show the approve token, have no time.
 */
function logTextOf(line: string): string | undefined {
  return /^\d{4}-\d\d-\d\dT\S+Z (.*)$/.exec(line)?.[1];
}
