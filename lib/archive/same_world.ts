/**
 * Checks whether two files contain the same version of a world. Their event chains may differ,
 * because each server signs with its own key, and so may the approval of a plugin. It only reads.
 */

import { setJournalFormat } from "../world/sqlite_header.ts";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../base/hash.ts";
import { withOfflineFile } from "../world/file/offline_file.ts";
import { readStage, rowsOf, toBytes } from "../world/file/read_stage.ts";

/**
 * Compares version, bytes, extension and metadata.
 *
 * @param path file of a world that no process changes
 * @param image content of the other file
 * @param scratchFolder returns an empty folder for a copy, if one is needed
 */
export function isSameWorld(
  path: string,
  image: Uint8Array<ArrayBuffer>,
  scratchFolder: () => string,
): boolean {
  const other = new DatabaseSync(":memory:");
  try {
    const copy = image.slice();
    setJournalFormat(copy, "rollback");
    other.deserialize(copy);
    const fingerprint = fingerprintOf(other);
    return fingerprint !== undefined &&
      fingerprint === withOfflineFile(path, scratchFolder, fingerprintOf);
  } finally {
    other.close();
  }
}

function fingerprintOf(db: DatabaseSync): string | undefined {
  const row = readStage(rowsOf(db));
  if (row === undefined) return undefined;
  const { version, ext, headers } = row;
  return JSON.stringify([version, ext, headers, sha256Hex(toBytes(row.stage_html))]);
}
