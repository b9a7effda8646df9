/**
 * The way of a world from one name to another: its writer lets it go, the other name's writer takes it,
 * and nobody reads or changes either name meanwhile. It moves files and leaves memory to the store.
 */

import type { Catalog } from "./catalog.ts";
import type { Looks } from "./read_locks.ts";
import type { WriteResult } from "./worker_messages.ts";
import { type Rename, StoreError } from "../store.ts";
import type { StoreWorkers } from "./worker_pool.ts";
import type { Transits } from "./write_locks.ts";

/** Who takes part. */
export interface RenameParties {
  readonly workers: Pick<StoreWorkers, "writerOf">;
  readonly catalog: Pick<Catalog, "get">;
  readonly looks: Looks;
  readonly transits: Transits;
}

/** The world as it left its old name, and as it came to the new one. */
export interface Renamed {
  readonly left: WriteResult;
  readonly arrived: WriteResult;
}

/**
 * Moves a world's folder, its chain and its history with it.
 *
 * @param settle called with both results before anybody else may touch either name
 * @throws {StoreError} `precondition` when something is at the new name, `absent` when nothing is at
 *   the old one
 */
export function renameWorld<T>(
  { workers, catalog, looks, transits }: RenameParties,
  { name, to, by, ext, precondition }: Rename,
  settle: (renamed: Renamed) => T,
): Promise<T> {
  const claimed = precondition === undefined ? {} : { precondition };
  async function travel(): Promise<T> {
    if (catalog.get(to) !== undefined) {
      throw new StoreError("precondition", "something is there already", to);
    }
    const left = await workers.writerOf(name).ask<"release">({
      kind: "release",
      name,
      by,
      ...claimed,
    });
    const arrived = await workers.writerOf(to).ask<"adopt">({
      kind: "adopt",
      name: to,
      from: name,
      by,
      ext,
    });
    return settle({ left, arrived });
  }
  return transits.hold(
    [name, to],
    () => looks.remove(name, () => looks.remove(to, travel)),
  );
}
