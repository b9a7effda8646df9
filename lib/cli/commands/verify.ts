/**
 * The command `verify`: checks a whole data folder with the settings and the terminal of this
 * process. `lib/archive/verify_data_folder.ts` has the checks.
 */

import { readEnvironment } from "../../config.ts";
import { createTerminalProgress } from "../progress_bar.ts";
import { assertNoStore, EXPORT_FIRST } from "../store_target.ts";
import { BackupFolder } from "../../archive/backup_folder.ts";
import { runVerify } from "../../archive/verify_data_folder.ts";

/**
 * Checks a data folder that no server holds.
 *
 * @param args the folder or a backup, if it is not the data folder of the settings
 * @returns 0 if all worlds verify, 1 if some do not, 2 if the folder could not be checked
 * @throws {UsageError} if no folder is named and the worlds are in a store
 */
export async function run(args: readonly string[]): Promise<number> {
  const env = await readEnvironment();
  assertNoStore({ store: env("ELASTIK_STORE") }, "verify", args[0], EXPORT_FIRST);
  const named = args[0] ?? env("ELASTIK_DATA") ?? "data";
  const backup = new BackupFolder(named);
  const data = backup.isBackup() ? backup.data : named;
  return runVerify(data, env("ELASTIK_KEY"), {
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: createTerminalProgress("verify", "worlds"),
  });
}
