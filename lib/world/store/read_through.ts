/**
 * Reads worlds that are not in the cache, during concurrent writes, removals and creations. The
 * result is never older than the changes that were acknowledged before the call. A world that it
 * adds to the cache is never older than the changes that are acknowledged at that time.
 */

import type { Catalog } from "./catalog.ts";
import { StoreError, type World, type WorldEntry } from "../store.ts";
import type { WorldCache } from "./world_cache.ts";
import { toWorld } from "./records.ts";
import type { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WorldFiles } from "./world_files.ts";

/** Maximum number of attempts of a read during concurrent changes. */
const MAX_ATTEMPTS = 5;

/** Dependencies of {@link ReadThrough}. */
export interface ReadThroughOptions {
  readonly catalog: Pick<Catalog, "upper" | "remove">;
  readonly cache: Pick<WorldCache, "get" | "set">;
  readonly files: Pick<WorldFiles, "read">;
  readonly unindexed: Pick<UnindexedWorlds, "delete">;
}

interface PendingRead {
  readonly entry: WorldEntry;
  readonly world: Promise<World | undefined>;
}

/** Reads of worlds from disk; concurrent reads of one world share the result. */
export class ReadThrough {
  readonly #options: ReadThroughOptions;
  readonly #pendingReads = new Map<string, PendingRead>();
  #count = 0;

  constructor(options: ReadThroughOptions) {
    this.#options = options;
  }

  /** Number of reads from disk since the start. */
  get count(): number {
    return this.#count;
  }

  /**
   * Reads an upper-layer world from disk.
   *
   * @param entry current catalog entry of the world
   * @returns `undefined` if the world was removed during the read
   * @throws {StoreError} `damaged` if the file is missing or older than the catalog without a change during
   * the read, or cannot be read; `busy` if each attempt meets changes that replace the world
   */
  async read(name: string, entry: WorldEntry): Promise<World | undefined> {
    const shared = this.#pendingReads.get(name);
    // A read that began before the last change is not shared: it could miss that change.
    if (shared !== undefined && shared.entry === entry) return await shared.world;
    this.#count++;
    const pendingRead: PendingRead = { entry, world: this.#read(name) };
    this.#pendingReads.set(name, pendingRead);
    try {
      return await pendingRead.world;
    } finally {
      if (this.#pendingReads.get(name) === pendingRead) this.#pendingReads.delete(name);
    }
  }

  async #read(name: string): Promise<World | undefined> {
    const { catalog, cache, files, unindexed } = this.#options;
    for (let attempt = 1;; attempt++) {
      const before = catalog.upper(name);
      if (before === undefined) return undefined;
      const found = await files.read(name);
      // A write during the read left a newer world in the cache.
      const cached = cache.get(name);
      if (cached !== undefined) return cached;
      const unchanged = catalog.upper(name) === before;
      if (found !== undefined && found.version >= before.version) {
        const world = toWorld(name, found);
        if (unchanged && found.version === before.version) cache.set(world);
        return world;
      }
      // After a crash during its removal, a deleted world can still be listed as unindexed.
      if (found === undefined && unindexed.delete(name)) catalog.remove(name);
      else if (unchanged && (found === undefined || attempt >= MAX_ATTEMPTS)) {
        throw new StoreError(
          "damaged",
          "Cannot read the world: its file is missing or older than its catalog entry",
          name,
        );
      } else if (attempt >= MAX_ATTEMPTS) {
        // A world that is deleted and created all the time was absent for a moment of this read.
        if (found === undefined) return undefined;
        throw new StoreError("busy", "Cannot read the world: it changes too often", name);
      }
    }
  }
}
