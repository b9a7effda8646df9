/**
 * Makes the versions of an imported world continue after those that its name has used in this data
 * folder: a name never uses a version twice. An imported world with a lower or equal version gets
 * one more version with the same content.
 */

import { latestTime, nextSecond } from "../world/change_time.ts";
import { createChainSigner } from "../world/event_chain.ts";
import type { LastUse } from "../world/change/create_world.ts";
import { WorldFile } from "../world/file/world_file.ts";
import { IMPORT_ACTOR } from "./v5_world.ts";

/** All earlier versions are kept; the server drops those beyond its limit with the next write. */
const HISTORY = { versions: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER };

/**
 * Adds a version to a world that was staged, if its version is not higher than the last one that
 * its name used.
 *
 * @param path path of the world's file; no other process uses it
 * @param last the last use of the name; undefined if it had no world
 * @param key signing key of the data folder
 * @param now RFC 3339 time in UTC with milliseconds
 * @returns false if the world must get a version and cannot, because its chain does not verify under
 * the key
 */
export function continueNumbering(
  name: string,
  path: string,
  last: LastUse | undefined,
  key: string,
  now: string,
): boolean {
  if (last === undefined) return true;
  const sign = createChainSigner(key);
  const file = new WorldFile(name, path, { sign, sync: "full", history: HISTORY });
  try {
    const { version, ext, headers, state } = file.row;
    if (version > last.version) return true;
    if (file.hasOtherKey) return false;
    file.versionFloor = last.version;
    const at = file.timeOf(latestTime(now, nextSecond(last.updatedAt)));
    file.begin();
    file.replace(file.body(), { ext, headers, state }, at, {
      by: IMPORT_ACTOR,
      from_version: version,
    });
    file.commit();
    return true;
  } finally {
    file.close();
  }
}
