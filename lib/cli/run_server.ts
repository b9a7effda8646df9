/**
 * Runs the server for the command `serve`: reads the settings, starts it, prints its address and
 * handles signals. All other decisions are in `lib/server`. The output of the running server never waits for
 * its reader: `console` would stop the server while a pipe is full.
 */

import type { CommandContext } from "./command.ts";
import { type Config, isInEnvironment, readConfig, readEnvironment } from "../config.ts";
import type { EarlyWorker } from "../base/early_worker.ts";
import { withTimeout } from "../base/timeout.ts";
import { LOG_CLOSE_TIMEOUT_MS } from "../limits.ts";
import { LineWriter } from "../observe/line_writer.ts";
import { ServerLog } from "../observe/server_log.ts";
import { describeStartFailure } from "../server/failed_start.ts";
import { type RunningServer, startServer } from "../server/start.ts";
import { listFixedSettings, type ReloadReport } from "../server/reloader.ts";
import { writeReloadResult } from "../server/reload_result.ts";
import { formatResult } from "./commands/reload.ts";
import { surviveUncaughtErrors } from "../server/uncaught_errors.ts";
import { VERSION } from "../version.ts";
import { parseStoreUrl } from "../world/postgres/store_url.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import { precompressed } from "../../worlds/precompressed.ts";

/**
 * Starts the server, which runs until a signal stops it.
 *
 * @param context how this program was started
 * @param reader the Worker with which the store reads the data folder, if it is started early
 */
export async function runServer(
  { main, single, storeWorkerUrl }: CommandContext,
  reader: EarlyWorker | undefined,
): Promise<undefined> {
  let config: Config | undefined;
  const hangup = new HangupListener();
  try {
    const env = await readEnvironment();
    config = readConfig(env);
    const log = new ServerLog({
      write: (bytes) => Deno.stderr.write(bytes),
      clientLinesPerSecond: config.clientLogLinesPerSecond,
      limit: config.logBufferChars,
      now: Date.now,
      monotonic: () => performance.now(),
    });
    const output = new LineWriter({
      write: (bytes) => Deno.stdout.write(bytes),
      formatDropped: (count) => `dropped ${count} lines\n`,
      onError: (error) => log.write(`cannot write to the standard output: ${error}`),
      delayMs: 0,
    });
    const closeLogs = () => Promise.all([log.close(), output.close()]);
    const running = await startServer({
      config,
      env,
      lowerWorlds,
      precompressed,
      storeWorkerUrl,
      ...(reader === undefined ? {} : { reader }),
      ...(main === undefined ? {} : { main }),
      ...(single === undefined ? {} : { single }),
      log: (line, kind) => log.write(line, kind),
      droppedLogLines: () => log.dropped,
      write: (bytes) => Deno.stdout.write(bytes),
      onLogSettings: (next) => log.setLimits(next.clientLogLinesPerSecond, next.logBufferChars),
      onStoreFailure: (reason) =>
        void closeLogs().then(() => fail(`The store failed: ${reason}; start the server again`)),
    });
    surviveUncaughtErrors(globalThis, (line, kind) => log.write(line, kind));
    // Before the greeting, so that a caller that has read it can stop the server.
    const stop = stopOnSignals(running, closeLogs);
    const { data } = config;
    hangup.handle(
      () => void reload(running, data, (line) => log.write(line)),
      stop,
    );
    const print = config.accessLogFormat === "json"
      ? (line: string) => log.print(line)
      : (line: string) => output.write(`${line}\n`);
    greet(running, config, print);
    return undefined;
  } catch (error) {
    return await fail(describeStartFailure(error, config));
  }
}

/**
 * Prints the address. If the access log is JSON, programs read the standard output, so the greeting
 * goes to the standard error.
 */
function greet(
  { url, newApproveToken }: RunningServer,
  { data, store, token }: Pick<Config, "data" | "store" | "token">,
  print: (line: string) => void,
): void {
  // The text of the address has no password.
  const place = store === undefined ? `${data}/` : String(parseStoreUrl(store));
  print(`elastik ${VERSION} at ${url}, worlds in ${place}`);
  if (newApproveToken !== undefined) {
    print(
      `approve token (T3), shown once, stored in ${data}/.approve-token: ${newApproveToken}`,
    );
  }
  const credential = token === undefined ? "" : ` -H "Authorization: Bearer $ELASTIK_TOKEN"`;
  print(`try: curl -X PUT ${url}/home/hello${credential} -d '<h1>I am alive</h1>'`);
}

/**
 * The first signal lets accepted requests finish; a second one exits at once.
 *
 * @returns the function that a signal calls
 */
function stopOnSignals(running: RunningServer, closeLogs: () => Promise<unknown>): () => void {
  let isStopping = false;
  const stop = () => {
    if (isStopping) Deno.exit(130);
    isStopping = true;
    running.close().then(
      () => closeLogs().then(() => Deno.exit(0)),
      (error) => fail(`Cannot stop cleanly: ${error}`),
    );
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    if (Deno.build.os === "windows" && signal === "SIGTERM") continue;
    Deno.addSignalListener(signal, stop);
  }
  return stop;
}

/**
 * Receives SIGHUP, from the first moment: without a listener the signal would end the process. If it
 * comes because the terminal of the server was closed, the server stops as before.
 */
class HangupListener {
  readonly #hasTerminal = Deno.stdin.isTerminal();
  #isPending = false;
  #act: (() => void) | undefined;

  constructor() {
    if (Deno.build.os === "windows") return;
    Deno.addSignalListener("SIGHUP", () => {
      if (this.#act === undefined) this.#isPending = true;
      else this.#act();
    });
  }

  /** Sets what the signal does, also one that has come already. */
  handle(reload: () => void, stop: () => void): void {
    this.#act = () => this.#hasTerminal && !Deno.stdin.isTerminal() ? stop() : reload();
    if (this.#isPending) this.#act();
  }
}

/** Reads the settings again and reports the result in the log and to the command `reload`. */
async function reload(
  running: RunningServer,
  data: string,
  log: (line: string) => void,
): Promise<void> {
  const startedAt = Date.now();
  let report: ReloadReport;
  try {
    report = await running.reload(readEnvironment);
  } catch (error) {
    report = {
      changed: [],
      faults: [`${describeStartFailure(error, undefined)}; nothing was changed`],
      restart: [],
    };
  }
  const fixed = listFixedSettings(isInEnvironment);
  const result = { ...report, fixed, pid: Deno.pid, startedAt };
  for (const line of [...formatResult(result), ...report.faults]) log(`reload: ${line}`);
  try {
    writeReloadResult(data, result);
  } catch (error) {
    log(`cannot write the result of the reload: ${error}`);
  }
}

/** Prints a message for the operator and exits with code 1, also if it cannot be printed. */
async function fail(reason: string): Promise<never> {
  const printed = writeAll(new TextEncoder().encode(`${reason}\n`));
  await withTimeout(LOG_CLOSE_TIMEOUT_MS, printed);
  Deno.exit(1);
}

/** Writes to the standard error. A closed one is ignored: the exit code still reports the failure. */
async function writeAll(bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stderr.write(bytes.subarray(at));
  } catch {
    return; // there is no other output
  }
}
