/**
 * Reads of worlds that are not in memory, while others write, remove and create them. What it gives is
 * never older than what had been acknowledged when it was asked, and what it leaves in the cache is
 * never older than what is acknowledged now.
 */

import type { Catalog } from "./catalog.ts";
import { StoreError, type World, type WorldEntry } from "../store.ts";
import type { WorldCache } from "./world_cache.ts";
import { toWorld } from "./records.ts";
import type { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WorldFiles } from "./world_files.ts";

/** Times a read is repeated when changes overtake it. */
const TRIES = 5;

/** What a read through needs. */
export interface ReadThroughOptions {
  readonly catalog: Pick<Catalog, "upper" | "remove">;
  readonly cache: Pick<WorldCache, "get" | "set">;
  readonly files: Pick<WorldFiles, "read">;
  readonly unindexed: Pick<UnindexedWorlds, "delete">;
}

interface Reading {
  readonly entry: WorldEntry;
  readonly world: Promise<World | undefined>;
}

/** Cold reads under way. */
export class ReadThrough {
  readonly #options: ReadThroughOptions;
  readonly #readings = new Map<string, Reading>();
  #count = 0;

  constructor(options: ReadThroughOptions) {
    this.#options = options;
  }

  /** Reads that went to disk since the beginning. */
  get count(): number {
    return this.#count;
  }

  /**
   * Reads an upper world.
   *
   * @param entry the catalog's entry of it
   * @returns `undefined` when it was removed meanwhile
   * @throws {StoreError} `damaged`
   */
  async read(name: string, entry: WorldEntry): Promise<World | undefined> {
    const shared = this.#readings.get(name);
    // A reading from before the last change would hide that change from whoever made it.
    if (shared !== undefined && shared.entry === entry) return await shared.world;
    this.#count++;
    const reading: Reading = { entry, world: this.#read(name) };
    this.#readings.set(name, reading);
    try {
      return await reading.world;
    } finally {
      if (this.#readings.get(name) === reading) this.#readings.delete(name);
    }
  }

  async #read(name: string): Promise<World | undefined> {
    const { catalog, cache, files, unindexed } = this.#options;
    for (let tries = 0; tries < TRIES; tries++) {
      const before = catalog.upper(name);
      if (before === undefined) return undefined;
      const found = await files.read(name);
      // A write may have been acknowledged meanwhile; its world is newer than what was read.
      const hot = cache.get(name);
      if (hot !== undefined) return hot;
      const unchanged = catalog.upper(name) === before;
      if (found === undefined) {
        // The row of a world that a crash caught on its way to the trash has not been read yet.
        if (unindexed.delete(name)) catalog.remove(name);
        else if (unchanged) break;
        continue;
      }
      if (found.version < before.version) continue;
      const world = toWorld(name, found);
      if (unchanged && found.version === before.version) cache.set(world);
      return world;
    }
    throw new StoreError(
      "damaged",
      "Cannot read the world: its file is gone, or older than its row",
      name,
    );
  }
}
