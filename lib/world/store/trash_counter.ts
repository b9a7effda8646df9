/**
 * What both engines know of their trash in memory: the figures, the lock of each id, and all entries page
 * by page. The caller supplies the pages.
 */

import { MAX_TRASH_PAGE_ENTRIES } from "../../limits.ts";
import type { TrashCounts, TrashEntry, TrashPage, TrashQuery } from "../trash.ts";
import { KeyedLock } from "./keyed_lock.ts";
import type { CountedTrash } from "./trash_quotas.ts";

/** What is told of each world that moved to the trash, and of each that left it. */
export interface TrashListeners {
  readonly onAdded?: (world: CountedTrash) => void;
  readonly onTaken?: (world: Pick<CountedTrash, "id" | "name">) => void;
}

/** See the module. */
export class TrashCounter {
  readonly #listeners: TrashListeners;
  readonly #locks = new KeyedLock();
  #entries = 0;
  #bytes = 0;
  #expired = 0;

  constructor(listeners: TrashListeners) {
    this.#listeners = listeners;
  }

  /** Figures about the trash. */
  get counts(): TrashCounts {
    return { entries: this.#entries, bytes: this.#bytes, expired: this.#expired };
  }

  /** Replaces the figures by those of the store. */
  setSize(size: { readonly entries: number; readonly bytes: number }): void {
    this.#entries = size.entries;
    this.#bytes = size.bytes;
  }

  /** Runs an operation on an id; no other operation on it runs at the same time. */
  use<T>(id: string, operation: () => Promise<T>): Promise<T> {
    return this.#locks.exclusive([id], operation);
  }

  /** Counts a world that moved to the trash. */
  recordAdded(world: CountedTrash): void {
    this.#entries += 1;
    this.#bytes += world.bytes;
    this.#listeners.onAdded?.(world);
  }

  /** Counts worlds that left the trash. */
  recordTaken(worlds: readonly Pick<CountedTrash, "id" | "name">[], bytes: number): void {
    this.#entries = Math.max(0, this.#entries - worlds.length);
    this.#bytes = Math.max(0, this.#bytes - bytes);
    for (const world of worlds) this.#listeners.onTaken?.(world);
  }

  /** Counts worlds that were deleted for good because their time was over. */
  recordExpired(count: number): void {
    this.#expired += count;
  }
}

/**
 * Reads all of the trash, page by page.
 *
 * @param isStopping whether no further page must be read
 */
export async function* readTrashPages(
  readPage: (query: TrashQuery) => Promise<TrashPage>,
  isStopping: () => boolean,
): AsyncGenerator<readonly TrashEntry[]> {
  // All worlds, also those that only T3 can read.
  const within = [{ part: "below", name: "", restricted: true }] as const;
  let query: TrashQuery = { within, limit: MAX_TRASH_PAGE_ENTRIES };
  for (let more = true; more && !isStopping();) {
    const page = await readPage(query);
    yield page.entries;
    const after = page.entries.at(-1);
    more = page.more && after !== undefined;
    if (after !== undefined) query = { ...query, after };
  }
}
