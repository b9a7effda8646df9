/**
 * The command `serve`: settings, machine, signals, and the first words to whoever started it. It
 * composes the rooms and decides nothing that one of them could decide.
 */

import type { CommandContext } from "../command.ts";
import { type Config, ConfigError, readConfig, readEnvironment } from "../../config.ts";
import { type Running, startMachine } from "../../server/start.ts";
import { VERSION } from "../../version.ts";
import { DataFolderBusy, SecretUnusable } from "../../world/file/data_folder.ts";
import { birthWorlds } from "../../../worlds/mod.ts";

/** Starts the machine; it stays up until a signal ends it. */
export async function run(
  _args: readonly string[],
  { storeWorkerUrl, main, single }: CommandContext,
): Promise<number | undefined> {
  const env = await readEnvironment();
  let config: Config | undefined;
  try {
    config = readConfig(env);
    const running = await startMachine({
      config,
      env,
      birthWorlds,
      storeWorkerUrl,
      ...(main === undefined ? {} : { main }),
      ...(single === undefined ? {} : { single }),
      log,
      write: (bytes) => Deno.stdout.write(bytes),
      onDeath: (reason) => fail(`The store cannot go on: ${reason}; start the machine again`),
    });
    // First, so that whoever reads the greeting can stop what greeted.
    stopOnSignals(running);
    greet(running, config.data, config.log === "json" ? console.error : console.log);
    return undefined;
  } catch (error) {
    if (config !== undefined && error instanceof Deno.errors.AddrInUse) {
      const { host, port } = config;
      fail(`Cannot listen on ${host}:${port}: another program does; set ELASTIK_PORT to another`);
    }
    const known = error instanceof ConfigError || error instanceof DataFolderBusy ||
      error instanceof SecretUnusable || error instanceof Deno.errors.NotCapable ||
      error instanceof TypeError;
    if (!known) throw error;
    fail(error.message);
  }
}

/** Where the standard output is a program's to read, the greeting goes beside it. */
function greet(
  { url, freshApproveToken }: Running,
  data: string,
  say: (line: string) => void,
): void {
  say(`elastik ${VERSION} at ${url}, worlds in ${data}/`);
  if (freshApproveToken !== undefined) {
    say(
      `approve token (T3), shown once, kept in ${data}/.approve-token: ${freshApproveToken}`,
    );
  }
  say(`try: curl -X PUT ${url}/home/hello -d '<h1>I am alive</h1>'`);
}

/** The first signal lets what was accepted finish; a second one does not wait. */
function stopOnSignals(running: Running): void {
  let asked = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    if (Deno.build.os === "windows" && signal === "SIGTERM") continue;
    Deno.addSignalListener(signal, () => {
      if (asked) Deno.exit(130);
      asked = true;
      running.close().then(() => Deno.exit(0), (error) => fail(`The stop failed: ${error}`));
    });
  }
}

function log(line: string): void {
  console.error(`${new Date().toISOString()} ${line}`);
}

/** Ends the program with a sentence for the operator. */
function fail(reason: string): never {
  console.error(reason);
  Deno.exit(1);
}
