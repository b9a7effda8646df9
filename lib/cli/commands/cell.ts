/**
 * The command `cell`, which only this program uses: it becomes the process of a plugin. It must
 * load no code of the server.
 */

import { runCell } from "../../plugin/transport/cell_process.ts";

/** Runs a cell until the server closes it. */
export async function run(): Promise<undefined> {
  await runCell();
}
