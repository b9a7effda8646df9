/**
 * What the store keeps in memory of its worlds, and who is told when that changes: catalog, hot worlds,
 * the catalog's copy on disk, watchers. Everything told to it is on disk already. It asks nobody.
 */

import { CACHE_ENTRY_BYTES } from "../../limits.ts";
import { Catalog } from "./catalog.ts";
import { CatalogKeeper } from "./catalog_writer.ts";
import { ChangeHub } from "./change_hub.ts";
import type { CatalogRow, Settled, WriteResult } from "./worker_messages.ts";
import type { Entry, World, Written } from "../store.ts";
import { WorldCache } from "./world_cache.ts";
import { entryOf, upperEntry } from "./records.ts";

/** What a store's memory is made with. */
export interface StoreMemoryOptions {
  readonly lower: ReadonlyMap<string, World>;
  /** Bytes of hot worlds. */
  readonly cacheBytes: number;
  /** Writes catalog rows to disk. */
  readonly save: ConstructorParameters<typeof CatalogKeeper>[0];
  /** Told that all is known of a world, whatever it was before. */
  readonly known: (name: string) => void;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** The memory of one store. */
export class StoreMemory {
  readonly catalog = new Catalog();
  readonly cache: WorldCache;
  readonly hub: ChangeHub;
  readonly keeper: CatalogKeeper;
  readonly #lower: ReadonlyMap<string, World>;
  readonly #known: (name: string) => void;

  constructor({ lower, cacheBytes, save, known, log }: StoreMemoryOptions) {
    this.#lower = lower;
    this.#known = known;
    this.cache = new WorldCache(cacheBytes, CACHE_ENTRY_BYTES);
    this.hub = new ChangeHub((error) => log(`a watcher failed: ${error}`));
    this.keeper = new CatalogKeeper(save);
    for (const world of lower.values()) this.catalog.set(entryOf(world));
  }

  /**
   * A change of a world.
   *
   * @param world the world after it, or `undefined` when its file must be read again
   */
  changed(name: string, by: string, result: WriteResult, world: World | undefined): Written {
    this.#known(name);
    if (world === undefined) this.cache.delete(name);
    else this.cache.set(world);
    const { version, ext, sha256, state, updatedAt, len, created, settled } = result;
    const entry: Entry = { name, version, ext, len, state, updatedAt, layer: "upper" };
    this.catalog.set(entry);
    this.keeper.changed(entry, settled);
    const known = world === undefined ? {} : { world };
    this.hub.tell({ kind: "update", name, version, by, ...known });
    return { version, ext, sha256, state, updatedAt, created };
  }

  /** An upper world that is gone from its name; what it covered is there again. */
  removed(name: string, by: string, { version }: WriteResult): { readonly version: number } {
    this.#known(name);
    this.cache.delete(name);
    this.catalog.remove(name);
    this.keeper.gone(name);
    const lower = this.#lower.get(name);
    if (lower === undefined) this.hub.tell({ kind: "delete", name, version, by });
    else this.hub.tell({ kind: "update", name, version: lower.version, by, world: lower });
    return { version };
  }

  /** The row of a world that nothing was known of. */
  learned(name: string, row: CatalogRow | undefined): void {
    if (row === undefined) {
      this.catalog.remove(name);
      return;
    }
    this.catalog.set(upperEntry(row));
    this.keeper.changed(upperEntry(row), row);
  }

  /** What the files of worlds look like whose handles were closed. */
  settled(worlds: readonly (Settled & { readonly name: string })[]): void {
    for (const { name, mtime, size } of worlds) {
      const entry = this.catalog.upper(name);
      if (entry !== undefined) this.keeper.changed(entry, { mtime, size });
    }
  }
}
