/**
 * Renames a world: the writer of the old name releases the file, the writer of the new name adopts it.
 * Both names must be held by the caller (`WorldFiles.rename`); memory is the caller's concern.
 */

import type { Rename } from "../store.ts";
import type { WriteResult } from "./worker_messages.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** The world as it left its old name, and as it is under the new one. */
export interface RenameResult {
  readonly source: WriteResult;
  readonly target: WriteResult;
}

/**
 * Moves the folder of a world, with its chain and history.
 *
 * @throws {StoreError} `absent` if the old name has no world, `precondition` if it changed or the new name
 *   is taken
 */
export async function renameWorld(
  workers: Pick<WorkerPool, "writerFor">,
  { name, to, by, ext, precondition }: Rename,
): Promise<RenameResult> {
  const source = await workers.writerFor(name).ask<"release">({
    kind: "release",
    name,
    by,
    ...(precondition === undefined ? {} : { precondition }),
  });
  const target = await workers.writerFor(to).ask<"adopt">({
    kind: "adopt",
    name: to,
    from: name,
    by,
    ext,
  });
  return { source, target };
}
