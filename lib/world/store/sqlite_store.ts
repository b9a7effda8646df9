/**
 * The store of SQLite files: one `universe.db` a world, written by Workers, read from memory where
 * it can be. This file joins catalog, cache, Workers and watchers so that a change is on disk before
 * anyone hears of it. It knows no SQL and no HTTP.
 */

import {
  CACHE_BYTES,
  HISTORY_BYTES,
  HISTORY_VERSIONS,
  MAX_OPEN_WORLDS_PER_WORKER,
  MAX_WORLD_BYTES,
} from "../../limits.ts";
import type { Catalog } from "./catalog.ts";
import { ReadThrough } from "./read_through.ts";
import { EmptyCollections } from "./empty_collections.ts";
import type { DataFolder } from "../file/data_folder.ts";
import { ReadLocks } from "./read_locks.ts";
import { lowerAuditResult } from "../lower_layer.ts";
import type { WriteJob, WriteResult } from "./worker_messages.ts";
import { renameWorld } from "./rename.ts";
import { SnapshotFiles } from "./snapshot_files.ts";
import { planAppend, planPut, planTransition, type WritePlan } from "./write_plan.ts";
import {
  type Append,
  type AuditResult,
  type ChainEvent,
  type Change,
  type ChangeResult,
  type Child,
  type EventNote,
  type Put,
  type Removal,
  type Rename,
  type Snapshot,
  type Store,
  type StoreCounts,
  StoreError,
  type Transition,
  type World,
  type WorldEntry,
} from "../store.ts";
import { StoreState } from "./store_state.ts";
import { WorkerPool } from "./worker_pool.ts";
import { WriteLocks } from "./write_locks.ts";
import { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WithoutId } from "./worker_client.ts";
import type { WorldCache } from "./world_cache.ts";
import { toUpperEntry, toWorld, unindexedEntry } from "./records.ts";

/** How a store is opened. */
export interface SqliteStoreOptions {
  readonly folder: DataFolder;
  /** The signing key of the event chain. */
  readonly key: string;
  /** The worlds of the read-only layer below. */
  readonly lower: ReadonlyMap<string, World>;
  /** URL of the store Worker's module. */
  readonly workerUrl: string;
  readonly writers?: number;
  readonly sync?: "full" | "normal";
  readonly history?: { readonly versions: number; readonly bytes: number };
  readonly maxWorldBytes?: number;
  readonly cacheBytes?: number;
  readonly handles?: number;
  /** Called once if a Worker dies; the store answers `closed` from then on. */
  readonly onWorkerExit?: (reason: string) => void;
  /** Writes a line for the operator. */
  readonly log?: (line: string) => void;
}

/** Opens the store and learns which worlds there are. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const store = new SqliteStore(options);
  await store.scan();
  return store;
}

class SqliteStore implements Store {
  readonly #folder: DataFolder;
  readonly #lower: ReadonlyMap<string, World>;
  readonly #workers: WorkerPool;
  readonly #memory: StoreState;
  readonly #catalog: Catalog;
  readonly #cache: WorldCache;
  readonly #looks = new ReadLocks();
  readonly #transits = new WriteLocks();
  readonly #coldReads: ReadThrough;
  #notes = 0;
  readonly #unknown: UnindexedWorlds;
  readonly #marks: EmptyCollections;
  readonly #snapshots: SnapshotFiles;
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(options: SqliteStoreOptions) {
    this.#folder = options.folder;
    this.#lower = options.lower;
    this.#workers = new WorkerPool({
      url: options.workerUrl,
      setup: {
        data: options.folder.path,
        key: options.key,
        sync: options.sync ?? "full",
        history: options.history ?? { versions: HISTORY_VERSIONS, bytes: HISTORY_BYTES },
        maxWorldBytes: options.maxWorldBytes ?? MAX_WORLD_BYTES,
        handles: options.handles ?? MAX_OPEN_WORLDS_PER_WORKER,
      },
      writers: options.writers ?? 2,
      events: {
        onFilesClosed: (worlds) => this.#memory.applyFileStamps(worlds),
        onExit: (reason) => options.onWorkerExit?.(reason),
      },
    });
    this.#memory = new StoreState({
      lower: options.lower,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
      save: (rows, gone) => this.#workers.reader.ask<"save">({ kind: "save", rows, gone }),
      onIndexed: (name) => void this.#unknown.delete(name),
      log: (line) => options.log?.(line),
    });
    this.#catalog = this.#memory.catalog;
    this.#cache = this.#memory.cache;
    this.#unknown = new UnindexedWorlds({
      stat: (names) =>
        this.#look(names, () => this.#workers.reader.ask<"stat">({ kind: "stat", names })),
      onRow: (name, row) => this.#memory.applyRow(name, row),
      stopped: () => this.#closing !== undefined,
    });
    this.#coldReads = new ReadThrough({
      catalog: this.#catalog,
      cache: this.#cache,
      look: (name) =>
        this.#look([name], () => this.#workers.reader.ask<"read">({ kind: "read", name })),
      wasUnknown: (name) => this.#unknown.delete(name),
    });
    this.#marks = new EmptyCollections(
      this.#catalog,
      (collections) => this.#workers.reader.ask<"mark">({ kind: "mark", collections }),
    );
    this.#snapshots = new SnapshotFiles(
      options.folder.path,
      (job) => this.#look([job.name], () => this.#workers.reader.ask<"snapshot">(job)),
    );
  }

  get seq(): number {
    return this.#memory.hub.seq;
  }

  get counts(): StoreCounts {
    const { hits, bytes } = this.#cache;
    const { count } = this.#coldReads;
    return { cacheHits: hits, cacheBytes: bytes, diskReads: count, notes: this.#notes };
  }

  /** Learns the worlds on disk; those whose rows are stale are looked into in the background. */
  async scan(): Promise<void> {
    const { rows, unindexed: unknown } = await this.#workers.reader.ask<"scan">({ kind: "scan" });
    for (const row of rows) this.#catalog.set(toUpperEntry(row));
    for (const name of unknown) {
      this.#unknown.add(name);
      this.#catalog.set(unindexedEntry(name));
    }
    this.#marks.load(this.#folder.path);
    this.#track(this.#unknown.indexAll());
  }

  peek(name: string): World | undefined {
    return this.#cache.get(name);
  }

  async read(name: string): Promise<World | undefined> {
    const hot = this.#cache.get(name);
    if (hot !== undefined) return hot;
    const entry = this.#catalog.upper(name);
    if (entry === undefined) return this.#lower.get(name);
    return await this.#coldReads.read(name, entry) ?? this.#lower.get(name);
  }

  async readAt(name: string, version: number): Promise<World> {
    const lower = this.#lower.get(name);
    if (version === 0 && lower !== undefined) return lower;
    if (this.#catalog.upper(name) === undefined) {
      throw new StoreError("absent", `there is no version ${version}: nothing is here`, name);
    }
    const found = await this.#look(
      [name],
      () => this.#workers.reader.ask<"readAt">({ kind: "readAt", name, version }),
    );
    return toWorld(name, found);
  }

  put(change: Put): Promise<ChangeResult> {
    return this.#change(planPut(change, this.#lower.get(change.name)));
  }

  append(change: Append): Promise<ChangeResult> {
    return this.#change(planAppend(change, this.#lower.get(change.name)));
  }

  transition(change: Transition): Promise<ChangeResult> {
    return this.#change(planTransition(change, this.#lower.get(change.name)));
  }

  async note(change: EventNote): Promise<void> {
    const { name, by, type, payload, precondition } = change;
    await this.#ask({
      kind: "note",
      name,
      by,
      type,
      payload,
      ...(precondition === undefined ? {} : { precondition }),
    }, () => void this.#notes++);
  }

  async remove(change: Removal): Promise<{ readonly version: number }> {
    const { name, by, precondition } = change;
    const moving = this.#transits.pending(name);
    if (moving !== undefined) {
      await moving;
      return await this.remove(change);
    }
    this.#mustBeUpper(name);
    this.#mustBeOpen();
    return await this.#track(
      this.#looks.exclusive(name, () =>
        this.#send({
          kind: "remove",
          name,
          by,
          ...(precondition === undefined ? {} : { precondition }),
        }, (result) => this.#memory.applyRemoval(name, by, result))),
    );
  }

  async rename(change: Rename): Promise<ChangeResult> {
    const { name, to, by } = change;
    this.#mustBeUpper(name);
    this.#mustBeOpen();
    const parties = {
      workers: this.#workers,
      catalog: this.#catalog,
      looks: this.#looks,
      transits: this.#transits,
    };
    return await this.#track(renameWorld(parties, change, ({ source: left, target: arrived }) => {
      const written = this.#memory.applyChange(to, by, { ...arrived, created: true }, undefined);
      this.#memory.applyRemoval(name, by, left);
      return written;
    }));
  }

  stat(name: string): WorldEntry | undefined {
    return this.#catalog.get(name);
  }

  isCollection(name: string): boolean {
    return this.#catalog.isCollection(name);
  }

  changedAt(name: string): string | undefined {
    return this.#catalog.changedAt(name);
  }

  async list(name: string): Promise<readonly Child[]> {
    const found = this.#catalog.list(name);
    if (this.#unknown.size === 0) return found;
    await this.#unknown.index(
      found.flatMap(({ entry }) => entry === undefined ? [] : [entry.name]),
    );
    return this.#catalog.list(name);
  }

  async walk(name: string): Promise<readonly WorldEntry[]> {
    const found = this.#catalog.walk(name);
    if (this.#unknown.size === 0) return found;
    await this.#unknown.index(found.map((entry) => entry.name));
    return this.#catalog.walk(name);
  }

  count(): number {
    return this.#catalog.size;
  }

  markCollection(name: string, present: boolean): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    return this.#track(this.#marks.mark(name, present));
  }

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#memory.hub.watch(name, listener);
  }

  async audit(name: string): Promise<AuditResult> {
    const verdict = await this.#lookUpper(
      name,
      () => this.#workers.reader.ask<"audit">({ kind: "audit", name }),
    );
    if (verdict !== undefined) return verdict;
    const lower = this.#lower.get(name);
    if (lower === undefined) throw new StoreError("absent", "nothing is here", name);
    return lowerAuditResult(lower);
  }

  async log(
    name: string,
    page: { before?: number; limit: number },
  ): Promise<readonly ChainEvent[]> {
    const before = page.before ?? Number.MAX_SAFE_INTEGER;
    const found = await this.#lookUpper(
      name,
      () => this.#workers.reader.ask<"log">({ kind: "log", name, before, limit: page.limit }),
    );
    if (found !== undefined) return found;
    if (this.#lower.has(name)) return [];
    throw new StoreError("absent", "nothing is here", name);
  }

  async snapshot(name: string, key?: string): Promise<Snapshot> {
    const upper = this.#catalog.upper(name) !== undefined;
    const found = upper ? await this.#snapshots.create(name, key) : undefined;
    if (found !== undefined) return found;
    const why = this.#lower.has(name)
      ? "it came with the program and has no file"
      : "nothing is here";
    throw new StoreError("absent", why, name);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    await this.#workers.closeWriters();
    await this.#memory.catalogWriter.flush();
    await this.#workers.close();
    this.#folder.release();
  }

  /** One change: to disk, then into memory, then to the watchers, then to whoever asked. */
  #change({ job, nextWorld: after }: WritePlan): Promise<ChangeResult> {
    const { name, by } = job;
    return this.#ask(
      job,
      (result) => this.#memory.applyChange(name, by, result, after(result, this.#cache.peek(name))),
    );
  }

  /**
   * Has a writer do one job. What its answer means to memory happens in `settle`, which hangs on the
   * answer itself: answers come in the order of the commits, and nothing may overtake there.
   */
  #ask<T>(job: WithoutId<WriteJob>, settle: (result: WriteResult) => T): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    const moving = this.#transits.pending(job.name);
    if (moving === undefined) return this.#track(this.#send(job, settle));
    return this.#track(moving.then(() => this.#ask(job, settle)));
  }

  #send<T>(job: WithoutId<WriteJob>, settle: (result: WriteResult) => T): Promise<T> {
    return this.#workers.writerFor(job.name).ask<WriteJob["kind"]>(job).then(settle);
  }

  /** Runs a look at the file of an upper world; `undefined` where there is none. */
  async #lookUpper<T>(name: string, look: () => Promise<T>): Promise<T | undefined> {
    return this.#catalog.upper(name) === undefined ? undefined : await this.#look([name], look);
  }

  /** Runs a look at worlds' files, not while one of them is being moved. */
  async #look<T>(names: readonly string[], look: () => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    return await this.#looks.shared(names, () => this.#track(look()));
  }

  #mustBeUpper(name: string): void {
    if (this.#catalog.upper(name) !== undefined) return;
    throw this.#lower.has(name)
      ? new StoreError("lower", "the world belongs to the read-only lower layer", name)
      : new StoreError("absent", "nothing is here", name);
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }

  /** Remembers what a clean shutdown waits for. */
  #track<T>(promise: Promise<T>): Promise<T> {
    this.#pending.add(promise);
    const done = () => void this.#pending.delete(promise);
    promise.then(done, done);
    return promise;
  }
}

function closed(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is shutting down");
}
