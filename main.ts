/**
 * The composition: settings, machine, signals. It decides nothing that another room could decide.
 */

import { ConfigError, readConfig, readEnvironment } from "./lib/config.ts";
import { startMachine } from "./lib/serve.ts";
import { VERSION } from "./lib/version.ts";
import { DataFolderBusy, SecretUnusable } from "./lib/world/data_folder.ts";
import { birthWorlds } from "./worlds/mod.ts";

function log(line: string): void {
  console.error(`${new Date().toISOString()} ${line}`);
}

/** Ends the program with a sentence for the operator. */
function fail(reason: string): never {
  console.error(reason);
  Deno.exit(1);
}

async function serve(): Promise<void> {
  const env = await readEnvironment();
  const config = readConfig(env);
  const running = await startMachine({
    config,
    env,
    birthWorlds,
    storeWorkerUrl: import.meta.resolve("./lib/world/store_worker.ts"),
    log,
    onDeath: (reason) => fail(`The store cannot go on: ${reason}; start the machine again`),
  });
  console.log(`elastik ${VERSION} at ${running.url}, worlds in ${config.data}/`);
  if (running.freshApproveToken !== undefined) {
    console.log(
      `approve token (T3), shown once, kept in ${config.data}/.approve-token: ${running.freshApproveToken}`,
    );
  }
  console.log(`try: curl -X PUT ${running.url}/home/hello -d '<h1>I am alive</h1>'`);
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

if (import.meta.main) {
  try {
    await serve();
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof DataFolderBusy ||
      error instanceof SecretUnusable || error instanceof Deno.errors.AddrInUse ||
      error instanceof TypeError;
    if (!known) throw error;
    fail(error.message);
  }
}
