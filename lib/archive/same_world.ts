/**
 * Whether two files hold the same version of a world. Their chains may differ, since each is signed with
 * its machine's key, and an approval that one machine gave is not the other's. It only looks.
 */

import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../base/hash.ts";
import * as sql from "../world/file/sql.ts";
import { withStillFile } from "../world/file/offline_file.ts";
import { asBytes } from "../world/file/world_file.ts";

/**
 * Compares version, bytes, extension and metadata.
 *
 * @param path a world's file, which nobody changes meanwhile
 * @param image the other as bytes
 * @param scratchFolder names an empty folder for a copy, when one is needed
 */
export function sameWorld(
  path: string,
  image: Uint8Array<ArrayBuffer>,
  scratchFolder: () => string,
): boolean {
  const other = new DatabaseSync(":memory:");
  try {
    // Memory knows no write-ahead log.
    const plain = image.slice();
    plain[18] = plain[19] = 1;
    other.deserialize(plain);
    const mark = markOf(other);
    return mark !== undefined && mark === withStillFile(path, scratchFolder, markOf);
  } finally {
    other.close();
  }
}

function markOf(db: DatabaseSync): string | undefined {
  const row = db.prepare(sql.SELECT_STAGE).get();
  if (row === undefined) return undefined;
  const { version, ext, headers } = row;
  return JSON.stringify([version, ext, headers, sha256Hex(asBytes(row.stage_html))]);
}
