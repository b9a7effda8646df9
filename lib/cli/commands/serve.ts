/**
 * The command `serve`: reads the settings, starts the server, prints its address and handles
 * signals. All other decisions are in `lib/server`.
 */

import type { CommandContext } from "../command.ts";
import { type Config, ConfigError, readConfig, readEnvironment } from "../../config.ts";
import { type RunningServer, startServer } from "../../server/start.ts";
import { VERSION } from "../../version.ts";
import { DataFolderBusy, InvalidSecret } from "../../world/file/data_folder.ts";
import { lowerWorlds } from "../../../worlds/mod.ts";

/** Starts the server, which runs until a signal stops it. */
export async function run(
  _args: readonly string[],
  { storeWorkerUrl, main, single }: CommandContext,
): Promise<number | undefined> {
  const env = await readEnvironment();
  let config: Config | undefined;
  try {
    config = readConfig(env);
    const running = await startServer({
      config,
      env,
      lowerWorlds,
      storeWorkerUrl,
      ...(main === undefined ? {} : { main }),
      ...(single === undefined ? {} : { single }),
      log,
      write: (bytes) => Deno.stdout.write(bytes),
      onStoreFailure: (reason) => fail(`The store failed: ${reason}; start the server again`),
    });
    // Before the greeting, so that a caller that has read it can stop the server.
    stopOnSignals(running);
    greet(running, config.data, config.accessLogFormat === "json" ? console.error : console.log);
    return undefined;
  } catch (error) {
    if (config !== undefined && error instanceof Deno.errors.AddrInUse) {
      const { host, port } = config;
      fail(
        `Cannot listen on ${host}:${port}: another program uses this port; set ELASTIK_PORT to a free one`,
      );
    }
    const isExpected = error instanceof ConfigError || error instanceof DataFolderBusy ||
      error instanceof InvalidSecret || error instanceof Deno.errors.NotCapable ||
      error instanceof TypeError;
    if (!isExpected) throw error;
    fail(error.message);
  }
}

/**
 * Prints the address. If the access log is JSON, programs read the standard output, so the greeting
 * goes to the standard error.
 */
function greet(
  { url, newApproveToken }: RunningServer,
  data: string,
  print: (line: string) => void,
): void {
  print(`elastik ${VERSION} at ${url}, worlds in ${data}/`);
  if (newApproveToken !== undefined) {
    print(
      `approve token (T3), shown once, stored in ${data}/.approve-token: ${newApproveToken}`,
    );
  }
  print(`try: curl -X PUT ${url}/home/hello -d '<h1>I am alive</h1>'`);
}

/** The first signal lets accepted requests finish; a second one exits at once. */
function stopOnSignals(running: RunningServer): void {
  let isStopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    if (Deno.build.os === "windows" && signal === "SIGTERM") continue;
    Deno.addSignalListener(signal, () => {
      if (isStopping) Deno.exit(130);
      isStopping = true;
      running.close().then(() => Deno.exit(0), (error) => fail(`Cannot stop cleanly: ${error}`));
    });
  }
}

function log(line: string): void {
  console.error(`${new Date().toISOString()} ${line}`);
}

/** Prints a message for the operator and exits with code 1. */
function fail(reason: string): never {
  console.error(reason);
  Deno.exit(1);
}
