/**
 * Renames a world on disk: the writer of the old name releases the file, and the writer of the new
 * name adopts it. The caller (`WorldFiles.rename`) must hold both names exclusively and must update
 * the state in memory. It does not wait for a world that another process has locked, because both
 * names are held.
 */

import type { Rename } from "../store.ts";
import type { LowerWorld, WriteResult } from "../change/write_job.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** The world under its old name before the rename, and under its new name after it. */
export interface RenameResult {
  readonly source: WriteResult;
  readonly target: WriteResult;
}

/**
 * Moves a world: renames its folder with chain and history, or copies its bytes to the new name.
 *
 * @param lower the lower-layer world of the new name
 * @param restricted whether only T3 can read the old name
 * @throws {StoreError} `absent` if the old name has no world; `precondition` if the precondition
 * fails or the new name has a world that is not to be replaced
 */
export async function renameWorld(
  workers: Pick<WorkerPool, "writerFor">,
  lower: LowerWorld | undefined,
  change: Rename,
  restricted = false,
): Promise<RenameResult> {
  const { name, to, by, ext, precondition, maxBytes } = change;
  const { replace = false, contentOnly = false, state = "" } = change;
  const source = await workers.writerFor(name).run<"release">({
    kind: "release",
    name,
    by,
    lockWaitMs: 0,
    ...(precondition === undefined ? {} : { precondition }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  const target = await workers.writerFor(to).run<"adopt">({
    kind: "adopt",
    name: to,
    from: name,
    source: { version: source.version, updatedAt: source.updatedAt },
    by,
    lockWaitMs: 0,
    ext,
    replace,
    contentOnly,
    state,
    restricted,
    ...(lower === undefined ? {} : { lower }),
  });
  return { source, target };
}
