/** Checks whether a data folder can be written and read, with a small file of its own. */

import { INCOMING_FOLDER, tryRemove, writeSynced } from "./durable_fs.ts";

const PROBE_FILE = "probe";
const PROBE_TEXT = "elastik\n";

/**
 * Writes, syncs, reads and removes a file in the data folder.
 *
 * @param data path of the data folder
 * @throws what the file system throws, or an error if other bytes are read than were written
 */
export function probeFolder(data: string): void {
  const path = `${data}/${INCOMING_FOLDER}/${PROBE_FILE}`;
  try {
    writeSynced(path, new TextEncoder().encode(PROBE_TEXT));
    if (Deno.readTextFileSync(path) !== PROBE_TEXT) throw new Error("the disk lost written bytes");
  } finally {
    tryRemove(path);
  }
}
