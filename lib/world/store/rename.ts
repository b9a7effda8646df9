/**
 * The way of a world from one name to another: its writer lets it go, the other name's writer takes it,
 * and nobody reads or changes either name meanwhile. It moves files and leaves memory to the store.
 */

import type { Catalog } from "./catalog.ts";
import type { ReadLocks } from "./read_locks.ts";
import type { WriteResult } from "./worker_messages.ts";
import { type Rename, StoreError } from "../store.ts";
import type { WorkerPool } from "./worker_pool.ts";
import type { WriteLocks } from "./write_locks.ts";

/** Who takes part. */
export interface RenameDeps {
  readonly workers: Pick<WorkerPool, "writerFor">;
  readonly catalog: Pick<Catalog, "get">;
  readonly looks: ReadLocks;
  readonly transits: WriteLocks;
}

/** The world as it left its old name, and as it came to the new one. */
export interface RenameResult {
  readonly source: WriteResult;
  readonly target: WriteResult;
}

/**
 * Moves a world's folder, its chain and its history with it.
 *
 * @param settle called with both results before anybody else may touch either name
 * @throws {StoreError} `precondition` when something is at the new name, `absent` when nothing is at
 *   the old one
 */
export function renameWorld<T>(
  { workers, catalog, looks, transits }: RenameDeps,
  { name, to, by, ext, precondition }: Rename,
  settle: (renamed: RenameResult) => T,
): Promise<T> {
  const claimed = precondition === undefined ? {} : { precondition };
  async function travel(): Promise<T> {
    if (catalog.get(to) !== undefined) {
      throw new StoreError("precondition", "something is there already", to);
    }
    const left = await workers.writerFor(name).ask<"release">({
      kind: "release",
      name,
      by,
      ...claimed,
    });
    const arrived = await workers.writerFor(to).ask<"adopt">({
      kind: "adopt",
      name: to,
      from: name,
      by,
      ext,
    });
    return settle({ source: left, target: arrived });
  }
  return transits.exclusive(
    [name, to],
    () => looks.exclusive(name, () => looks.exclusive(to, travel)),
  );
}
