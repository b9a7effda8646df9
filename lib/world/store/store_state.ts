/**
 * What the store keeps in memory of its worlds, and who is told when that changes: catalog, hot worlds,
 * the catalog's copy on disk, watchers. Everything told to it is on disk already. It asks nobody.
 */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { Catalog } from "./catalog.ts";
import { CatalogWriter } from "./catalog_writer.ts";
import { ChangeHub } from "./change_hub.ts";
import type { CatalogRow, FileStamp, WriteResult } from "./worker_messages.ts";
import type { ChangeResult, World, WorldEntry } from "../store.ts";
import { WorldCache } from "./world_cache.ts";
import { toEntry, toUpperEntry } from "./records.ts";
import type { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WorldFiles } from "./world_files.ts";

/** What a store's memory is made with. */
export interface StoreStateOptions {
  readonly lower: ReadonlyMap<string, World>;
  /** Bytes of hot worlds. */
  readonly cacheBytes: number;
  readonly files: Pick<WorldFiles, "saveCatalog">;
  /** Loses the names of worlds of which everything is known. */
  readonly unindexed: Pick<UnindexedWorlds, "delete">;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** The memory of one store. */
export class StoreState {
  readonly catalog = new Catalog();
  readonly cache: WorldCache;
  readonly hub: ChangeHub;
  readonly catalogWriter: CatalogWriter;
  readonly #lower: ReadonlyMap<string, World>;
  readonly #unindexed: Pick<UnindexedWorlds, "delete">;

  constructor({ lower, cacheBytes, files, unindexed, log }: StoreStateOptions) {
    this.#lower = lower;
    this.#unindexed = unindexed;
    this.cache = new WorldCache(cacheBytes, MAX_CACHE_ENTRY_BYTES);
    this.hub = new ChangeHub((error) => log(`a watcher failed: ${error}`));
    this.catalogWriter = new CatalogWriter(files);
    for (const world of lower.values()) this.catalog.set(toEntry(world));
  }

  /**
   * A change of a world.
   *
   * @param world the world after it, or `undefined` when its file must be read again
   */
  applyChange(
    name: string,
    by: string,
    result: WriteResult,
    world: World | undefined,
  ): ChangeResult {
    this.#unindexed.delete(name);
    if (world === undefined) this.cache.delete(name);
    else this.cache.set(world);
    const { version, ext, sha256, state, updatedAt, len, created, fileStamp: settled } = result;
    const entry: WorldEntry = { name, version, ext, len, state, updatedAt, layer: "upper" };
    this.catalog.set(entry);
    this.catalogWriter.changed(entry, settled);
    const known = world === undefined ? {} : { world };
    this.hub.publish({ kind: "update", name, version, by, ...known });
    return { version, ext, sha256, state, updatedAt, created };
  }

  /** An upper world that is gone from its name; what it covered is there again. */
  applyRemoval(name: string, by: string, { version }: WriteResult): { readonly version: number } {
    this.#unindexed.delete(name);
    this.cache.delete(name);
    this.catalog.remove(name);
    this.catalogWriter.gone(name);
    const lower = this.#lower.get(name);
    if (lower === undefined) this.hub.publish({ kind: "delete", name, version, by });
    else this.hub.publish({ kind: "update", name, version: lower.version, by, world: lower });
    return { version };
  }

  /** The row of a world that nothing was known of. */
  applyRow(name: string, row: CatalogRow | undefined): void {
    if (row === undefined) {
      this.catalog.remove(name);
      return;
    }
    this.catalog.set(toUpperEntry(row));
    this.catalogWriter.changed(toUpperEntry(row), row);
  }

  /** What the files of worlds look like whose handles were closed. */
  applyFileStamps(worlds: readonly (FileStamp & { readonly name: string })[]): void {
    for (const { name, mtime, size } of worlds) {
      const entry = this.catalog.upper(name);
      if (entry !== undefined) this.catalogWriter.changed(entry, { mtime, size });
    }
  }
}
