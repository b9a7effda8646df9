/**
 * The state of the store in memory: catalog, cache and watchers, and the writer of the catalog
 * file. Its methods apply changes that are already on disk. It starts no reads or writes of worlds.
 */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { shownAgain } from "../lower_layer.ts";
import { Catalog } from "./catalog.ts";
import { CatalogWriter } from "./catalog_writer.ts";
import { ChangeHub } from "./change_hub.ts";
import type { FileStamp, WriteResult } from "../change/write_job.ts";
import type { CatalogRow } from "./worker_messages.ts";
import type { ChangeIndex } from "./change_index.ts";
import type { CommittedEvent } from "../changes.ts";
import type { ChangeResult, World } from "../store.ts";
import { WorldCache } from "./world_cache.ts";
import { toChangeResult, toEntry, toUpperEntry } from "./records.ts";
import type { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WorldFiles } from "./world_files.ts";

/** Options of {@link StoreState}. */
export interface StoreStateOptions {
  /** The lower-layer worlds; their times change when an upper-layer world is removed. */
  readonly lower: Map<string, World>;
  /** Maximum size of the cache in bytes. */
  readonly cacheBytes: number;
  readonly files: Pick<WorldFiles, "saveCatalog">;
  /** Names that are removed when their worlds change, because their entries are then known. */
  readonly unindexed: Pick<UnindexedWorlds, "delete">;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
  /** Receives the events of each change; see `ChangeIndex.record`. */
  readonly onEvents: ChangeIndex["record"];
  /** Awaited before the catalog is saved. */
  readonly beforeSave: () => Promise<void>;
}

/** The state of one store in memory. */
export class StoreState {
  readonly catalog = new Catalog();
  readonly cache: WorldCache;
  readonly hub: ChangeHub;
  readonly catalogWriter: CatalogWriter;
  readonly #lower: Map<string, World>;
  readonly #unindexed: Pick<UnindexedWorlds, "delete">;
  readonly #onEvents: ChangeIndex["record"];

  constructor(options: StoreStateOptions) {
    const { lower, cacheBytes, files, unindexed, log, onEvents, beforeSave } = options;
    this.#onEvents = onEvents;
    this.#lower = lower;
    this.#unindexed = unindexed;
    this.cache = new WorldCache(cacheBytes, MAX_CACHE_ENTRY_BYTES);
    this.hub = new ChangeHub((error) => log(`a watcher failed: ${error}`));
    this.catalogWriter = new CatalogWriter(files, beforeSave);
    for (const world of lower.values()) this.catalog.set(toEntry(world));
  }

  /**
   * Applies a committed change of a world and notifies its watchers.
   *
   * @param by the caller, as in the event
   * @param world the world after the change, or `undefined` if its file must be read again
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
    const { version, ext, state, updatedAt, len, fileStamp, events } = result;
    const head = headOf(events);
    const entry = { name, version, ext, len, state, updatedAt, by, ...head };
    this.catalog.set(toUpperEntry(entry));
    this.catalogWriter.recordChange(toUpperEntry(entry), fileStamp);
    const optionalWorld = world === undefined ? {} : { world };
    const change = this.hub.publish({ kind: "update", name, version, by, ...optionalWorld });
    this.#onEvents(name, events, false, change);
    return toChangeResult(result);
  }

  /**
   * Applies the removal of an upper-layer world; the lower-layer world of its name is visible
   * again, with a later `Last-Modified` than the removed world had.
   */
  applyRemoval(
    name: string,
    by: string,
    { version, updatedAt, events }: Pick<WriteResult, "version" | "updatedAt" | "events">,
  ): void {
    this.#unindexed.delete(name);
    this.cache.delete(name);
    this.catalog.remove(name);
    this.catalogWriter.recordRemoval(name);
    const before = this.#lower.get(name);
    if (before === undefined) {
      this.#onEvents(name, events, true, this.hub.publish({ kind: "delete", name, version, by }));
      return;
    }
    const lower = shownAgain(before, updatedAt);
    this.#lower.set(name, lower);
    this.catalog.set(toEntry(lower));
    const shown = { kind: "update", name, version: lower.version, by, world: lower } as const;
    this.#onEvents(name, events, true, this.hub.publish(shown));
  }

  /** Applies events that were appended without a change of the world. */
  applyNote(name: string, { events }: Pick<WriteResult, "events">): void {
    const entry = this.catalog.upper(name);
    if (entry !== undefined) {
      const noted = { ...entry, ...headOf(events) };
      this.catalog.setHead(noted);
      this.catalogWriter.recordChange(noted);
    }
    this.#onEvents(name, events, false);
  }

  /** Applies the row of a world that was not indexed; `undefined` if it has no file. */
  applyRow(name: string, row: CatalogRow | undefined): void {
    if (row === undefined) {
      this.catalog.remove(name);
      return;
    }
    this.catalog.set(toUpperEntry(row));
    this.catalogWriter.recordChange(toUpperEntry(row), row);
  }

  /** Records the stamps of closed files in the catalog file. */
  applyFileStamps(worlds: readonly (FileStamp & { readonly name: string })[]): void {
    for (const { name, mtime, size } of worlds) {
      const entry = this.catalog.upper(name);
      if (entry !== undefined) this.catalogWriter.recordChange(entry, { mtime, size });
    }
  }
}

/** The fields of a catalog entry that describe the newest event. */
function headOf(events: readonly CommittedEvent[]): { head: number; headAt: string } {
  const last = events.at(-1);
  return { head: last?.id ?? 0, headAt: last?.timestamp ?? "" };
}
