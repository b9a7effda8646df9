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

/** Size of the trash of a store. */
export type TrashSize = Pick<TrashCounts, "entries" | "bytes">;

/** See the module. */
export class TrashCounter {
  readonly #listeners: TrashListeners;
  readonly #locks = new KeyedLock();
  #entries = 0;
  #bytes = 0;
  #expired = 0;
  /** How many changes of the trash were counted. */
  #changes = 0;
  /** Changes that run: the store can have them already. */
  #running = 0;
  #isMeasured = false;

  constructor(listeners: TrashListeners) {
    this.#listeners = listeners;
  }

  /** Figures about the trash. */
  get counts(): TrashCounts {
    return { entries: this.#entries, bytes: this.#bytes, expired: this.#expired };
  }

  /**
   * Replaces the figures by those of the store. If the trash changes at the same time, nothing tells which
   * of the changes they contain.
   *
   * @param read reads the size of the store
   * @param otherwise what happens then: `keep` takes the figures of the store only if there were none yet
   * @returns whether the trash did not change at the same time
   */
  async measure(
    read: () => Promise<TrashSize>,
    otherwise: "keep" | "replace",
  ): Promise<boolean> {
    const changes = this.#changes;
    const { entries, bytes } = await read();
    const isExact = this.#running === 0 && this.#changes === changes;
    if (isExact || !this.#isMeasured || otherwise === "replace") {
      [this.#entries, this.#bytes] = [entries, bytes];
    }
    this.#isMeasured = true;
    return isExact;
  }

  /** Runs a change of the trash; see {@link TrashCounter.measure}. */
  async change<T>(run: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await run();
    } finally {
      this.#running -= 1;
    }
  }

  /** Runs a change of an id in the trash; no other one of this id runs at the same time. */
  use<T>(id: string, run: () => Promise<T>): Promise<T> {
    return this.change(() => this.#locks.exclusive([id], run));
  }

  /** Counts a world that moved to the trash. */
  recordAdded(world: CountedTrash): void {
    this.#changes += 1;
    this.#entries += 1;
    this.#bytes += world.bytes;
    this.#listeners.onAdded?.(world);
  }

  /** Counts worlds that left the trash. */
  recordTaken(worlds: readonly Pick<CountedTrash, "id" | "name">[], bytes: number): void {
    this.#changes += 1;
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
