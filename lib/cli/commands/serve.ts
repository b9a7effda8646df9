/**
 * The command `serve`. The Worker that reads the data folder loads its modules on another processor,
 * while this thread loads those of the server.
 */

import { EarlyWorker } from "../../base/early_worker.ts";
import type { CommandContext } from "../command.ts";

/** Starts the server, which runs until a signal stops it. */
export async function run(
  _words: readonly string[],
  context: CommandContext,
): Promise<number | undefined> {
  const reader = new EarlyWorker(context.storeWorkerUrl, "store-reader-0");
  const { runServer } = await import("../run_server.ts");
  return await runServer(context, reader);
}
