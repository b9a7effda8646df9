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
  const { storeWorkerUrl: url } = context;
  const reader = mayRead(url) ? new EarlyWorker(url, "store-reader-0") : undefined;
  const { runServer } = await import("../run_server.ts");
  return await runServer(context, reader);
}

/**
 * Whether this process may load a module. Deno 2.9.6 prints the error of a Worker that may not, also if
 * it is handled, and the start reports a missing permission in one sentence.
 */
function mayRead(url: string): boolean {
  if (!url.startsWith("file:")) return true;
  return Deno.permissions.querySync({ name: "read", path: new URL(url) }).state === "granted";
}
