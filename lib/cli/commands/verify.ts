/**
 * The command `verify`: the check of a whole data folder, with the settings and the terminal of
 * whoever calls it. What is checked is decided in `lib/archive/verify_data_folder.ts`.
 */

import { readEnvironment } from "../../config.ts";
import { terminalProgress } from "../progress_bar.ts";
import { runVerify } from "../../archive/verify_data_folder.ts";

/**
 * Checks a data folder that no server holds.
 *
 * @param args the folder, if it is not the one that the settings name
 * @returns 0 all hold, 1 some do not, 2 the folder could not be checked
 */
export async function run(args: readonly string[]): Promise<number> {
  const env = await readEnvironment();
  return runVerify(args[0] ?? env("ELASTIK_DATA") ?? "data", env("ELASTIK_KEY"), {
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: terminalProgress("verify", "worlds"),
  });
}
