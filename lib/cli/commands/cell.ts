/**
 * The command `cell`, which this program calls itself by: it becomes the process a plugin lives in. It
 * must load nothing of the server.
 */

import { runCell } from "../../plugin/transport/cell_process.ts";

/** Runs a cell until its server closes it. */
export async function run(): Promise<undefined> {
  await runCell();
}
