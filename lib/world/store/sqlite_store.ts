/**
 * The store: the implementation of `Store` with one SQLite file (`universe.db`) per world.
 *
 * - A read is answered from the cache, otherwise by the reader Worker. Each world belongs to one of
 *   several writer Workers, which commit its changes.
 * - A change is committed to disk with its event, then applied to cache and catalog, then sent to
 *   watchers, and only then acknowledged. It must never be visible before it is on disk.
 * - Names are looked up in the catalog. Names of the lower layer are answered from memory.
 *
 * This module connects catalog, cache, files and watchers. It contains no SQL and no HTTP.
 */

import { CACHE_BYTES, LOCK_WAIT_MS } from "../../limits.ts";
import { ChangeIndex } from "./change_index.ts";
import { readPage } from "./change_scan.ts";
import type { ChangePage, ChangeQuery, KeyedEvent, Within } from "../changes.ts";
import { NameListeners } from "./change_hub.ts";
import type { SearchPage, SearchQuery } from "../search.ts";
import { SearchIndex } from "./search_index.ts";
import {
  DEFAULT_LONG_JOBS,
  DEFAULT_LONG_READS,
  DEFAULT_SEARCHES,
  NO_REDACTION,
  type SqliteStoreOptions,
  toWorkerSetup,
} from "./sqlite_store_options.ts";
import { Audits } from "./audits.ts";
import type { Catalog } from "./catalog.ts";
import { placeGradually } from "./catalog_places.ts";
import { LockWaits } from "./lock_waits.ts";
import { FolderReport } from "./folder_report.ts";
import { FolderWatch } from "./folder_watch.ts";
import { LocalCoordination } from "../local_coordination.ts";
import { LongJobs } from "./long_jobs.ts";
import { ReadThrough } from "./read_through.ts";
import { EmptyCollections } from "./empty_collections.ts";
import type { DataFolder } from "../file/data_folder.ts";
import { recordFormat } from "../file/folder_format.ts";
import { auditLower, createNoCopyError, createNoVersionError, logLower } from "../lower_layer.ts";
import { GrowingChanges } from "./growing_changes.ts";
import type { CatalogRow } from "./worker_messages.ts";
import { SnapshotFiles } from "./snapshot_files.ts";
import * as plans from "./write_plan.ts";
import {
  type Append,
  type AuditResult,
  type ChainEvent,
  type Change,
  type ChangeResult,
  type Child,
  type EventNote,
  type JobCaller,
  type ListPage,
  type Patch,
  type Published,
  type Put,
  type Removal,
  type RemovalResult,
  type Rename,
  type Restore,
  type Snapshot,
  type Store,
  StoreError,
  type Transition,
  type World,
  type WorldEntry,
} from "../store.ts";
import type { StoreCounts } from "../store_counts.ts";
import type { StoreHealth } from "../store_health.ts";
import type { MadeCollection, QuotaState } from "../quota.ts";
import type { TrashEntry, TrashPage, TrashQuery } from "../trash.ts";
import { Quotas } from "./quotas.ts";
import { recoverNames } from "./recover_names.ts";
import { StoreMoves } from "./store_moves.ts";
import { StoreState } from "./store_state.ts";
import { TrashKeeper } from "./trash_keeper.ts";
import { WorldFiles } from "./world_files.ts";
import { UnindexedWorlds } from "./unindexed_worlds.ts";
import type { WorldCache } from "./world_cache.ts";
import { OtherKeyReport } from "./other_key_report.ts";
import { toChangeResult, toKnownWorlds, toUpperEntry, toWorld, unindexedEntry } from "./records.ts";

/**
 * Opens a store and reads its catalog. Worlds without a valid catalog row are read in the
 * background.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  recordFormat(options.folder.path);
  const store = new SqliteStore({ ...options, lower: recoverNames(options) });
  await store.scan();
  return store;
}

class SqliteStore implements Store {
  readonly isShared = false; // a data folder has one server
  readonly coordination = new LocalCoordination();
  readonly readable = true;
  readonly position = undefined;
  readonly #folder: DataFolder;
  readonly #lower: Map<string, World>;
  readonly #files: WorldFiles;
  readonly #state: StoreState;
  readonly #catalog: Catalog;
  readonly #cache: WorldCache;
  readonly #readThrough: ReadThrough;
  readonly #index: ChangeIndex;
  readonly #followers: NameListeners<Published>;
  readonly #search: SearchIndex;
  readonly #unindexed: UnindexedWorlds;
  readonly #collections: EmptyCollections;
  readonly #longJobs: LongJobs;
  readonly #audits: Audits;
  readonly #snapshots: SnapshotFiles;
  readonly #watch: FolderWatch;
  readonly #log: (line: string) => void;
  readonly #waits: LockWaits;
  readonly #report: FolderReport;
  readonly #trash: TrashKeeper;
  readonly #quotas: Quotas;
  readonly #moves: StoreMoves;
  readonly #growing: GrowingChanges;
  #notes = 0;
  readonly #otherKey: OtherKeyReport;
  readonly #isRestricted: (name: string) => boolean;
  #closing: Promise<void> | undefined;
  #stopPlacing = () => {};

  constructor(options: SqliteStoreOptions) {
    const { folder } = options;
    // After a report of a lost data folder the server stops; what fails then has the same reason.
    const log = (line: string) => this.#watch.hasReported ? undefined : options.log?.(line);
    this.#report = new FolderReport(log);
    this.#otherKey = new OtherKeyReport(log);
    this.#folder = folder;
    this.#log = log;
    const isRestricted = this.#isRestricted = options.isRestricted ?? (() => false);
    const lower = this.#lower = new Map(options.lower);
    const jobs = this.#longJobs = new LongJobs(options.longJobs ?? DEFAULT_LONG_JOBS);
    this.#watch = new FolderWatch(folder.identity, (fault) => options.onDetached?.(fault));
    this.#waits = new LockWaits(options.lockWaitMs ?? LOCK_WAIT_MS);
    this.#files = new WorldFiles(
      {
        url: options.workerUrl,
        setup: toWorkerSetup(options),
        writers: options.writers ?? 2,
        startAtOnce: options.startAtOnce ?? false,
        ...(options.indexAfter === undefined ? {} : { indexAfter: options.indexAfter }),
        ...(options.reader === undefined ? {} : { reader: options.reader }),
        events: {
          onFilesClosed: (worlds) => this.#state.applyFileStamps(worlds),
          onOtherKey: (name) => this.#otherKey.recordRefusal(name),
          onExit: (reason) => options.onWorkerExit?.(reason),
          onDetached: (fault) => this.#watch.report(fault),
        },
      },
      jobs,
      options.longReads ?? DEFAULT_LONG_READS,
    );
    const files = this.#files;
    this.#trash = new TrashKeeper({
      worker: files.index,
      isRestricted,
      ...(options.trashMs === undefined ? {} : { keepMs: options.trashMs }),
      now: Date.now,
      monotonic: () => performance.now(),
      track: (promise) => files.track(promise),
      onAdded: (world) => this.#quotas.recordTrash(world),
      onTaken: (world) => this.#quotas.trash.recordTaken(world),
      log,
    });
    const unindexed = this.#unindexed = new UnindexedWorlds(files);
    const followers = this.#followers = new NameListeners<Published>(
      (error) => log(`a follower failed: ${error}`),
    );
    const index = this.#index = new ChangeIndex({
      key: options.key,
      worker: files.index,
      readChain: (name, after) => files.chain(name, after),
      isRestricted,
      onPublished: (published) => followers.notify(published),
      worlds: () => toKnownWorlds(this.#catalog, unindexed),
      log,
    });
    this.#state = new StoreState({
      onEvents: (name, events, ended, change) => {
        index.record(name, events, ended, change);
        if (change !== undefined) this.#search.record(name);
      },
      beforeSave: () => index.settled(),
      lower,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
      files,
      unindexed,
      log,
    });
    const { catalog, cache } = this.#state;
    this.#catalog = catalog;
    this.#cache = cache;
    this.#readThrough = new ReadThrough({ catalog, cache, files, unindexed });
    this.#search = new SearchIndex({
      files,
      stat: (name) => catalog.get(name),
      walk: () => catalog.walk(""),
      peek: (name) => catalog.upper(name) === undefined ? lower.get(name) : cache.peek(name),
      read: (name) => this.read(name),
      isRestricted: options.isRestricted ?? (() => false),
      ...options.redaction ?? NO_REDACTION,
      limits: options.searches ?? DEFAULT_SEARCHES,
      lockWaitMs: options.lockWaitMs ?? LOCK_WAIT_MS,
      log,
    });
    const quotas = this.#quotas = new Quotas({
      upper: (name) => catalog.upper(name),
      uppers: () => catalog.uppers(),
      lowerLength: (name) => lower.get(name)?.body.length ?? 0,
      marks: () => catalog.markedCollections(),
      read: (name) => this.read(name),
      ...(options.attached === undefined ? {} : { attached: options.attached }),
      readTrash: () => this.#trash.readAll(),
      indexed: () => unindexed.size === 0 ? undefined : this.walk(""),
      log,
    });
    this.#state.hub.watch("/", (change) => quotas.record(change.name, change));
    this.#growing = new GrowingChanges({ quotas, lower, submit: (plan) => this.#submit(plan) });
    this.#moves = new StoreMoves({
      files,
      lower,
      isRestricted,
      state: this.#state,
      waits: this.#waits,
      trash: this.#trash.counter,
      quotas,
      orForget: (change, running) => this.#orForget(change, running),
    });
    this.#collections = new EmptyCollections(catalog, files);
    this.#audits = new Audits({ data: folder.path, files, jobs });
    this.#snapshots = new SnapshotFiles(folder.path, files, jobs, options.snapshots);
  }

  get listingRevision(): number {
    return this.#catalog.revision;
  }

  get seq(): number {
    return this.#state.hub.seq;
  }

  get counts(): StoreCounts {
    const { hits, bytes } = this.#cache;
    const { count } = this.#readThrough;
    return {
      cacheHits: hits,
      cacheBytes: bytes,
      diskReads: count,
      notes: this.#notes,
      lockFailures: this.#waits.failures,
      tooLarge: this.#files.tooLarge,
      queuedReads: this.#files.queuedReads,
      longJobs: this.#longJobs.counts,
      refusedOtherKey: this.#otherKey.refused,
      longReads: this.#files.longReads,
      snapshots: this.#snapshots.counts,
      search: this.#search.counts,
      trash: this.#trash.counter.counts,
      quotas: this.#quotas.counts,
    };
  }

  /** Reads the catalog; worlds without a valid row are indexed in the background. */
  async scan(): Promise<void> {
    const { rows, unindexed, ignored } = await this.#files.scan();
    for (const row of rows) this.#catalog.add(toUpperEntry(row));
    for (const name of unindexed) {
      this.#unindexed.add(name);
      this.#catalog.add(unindexedEntry(name));
    }
    this.#stopPlacing = placeGradually(this.#catalog);
    this.#report.reportIgnored(ignored);
    this.#collections.load(this.#folder.path, this.#log);
    await this.#quotas.start();
    const names = [...rows.map(({ name }) => name), ...unindexed];
    // Not awaited: the check only reports. A failure means that the store is closing.
    this.#files.track(this.#otherKey.checkSample(names, this.#files)).catch(() => {});
    this.#files.track(this.#unindexed.indexAll(this.#applyRow));
    this.#search.start();
    const indexed = this.#index.start();
    this.#inIndex(indexed);
    // After the index has read the chains in the trash that it lacks.
    void this.#trash.run(indexed);
  }

  async refresh(): Promise<void> {}

  async reached(): Promise<void> {}

  peek(name: string): World | undefined {
    return this.#cache.get(name);
  }

  async read(name: string): Promise<World | undefined> {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    return await this.#waits.run("read", [name], () => this.#readUncached(name));
  }

  async #readUncached(name: string): Promise<World | undefined> {
    const entry = this.#catalog.upper(name);
    if (entry === undefined) return this.#lower.get(name);
    return await this.#readThrough.read(name, entry) ?? this.#lower.get(name);
  }

  async readAt(name: string, version: number, caller: JobCaller = {}): Promise<World> {
    const lower = this.#lower.get(name);
    if (version === 0 && lower !== undefined) return lower;
    if (this.#catalog.upper(name) === undefined) throw createNoVersionError(name, version);
    const read = () => this.#files.readAt(name, version, caller);
    return toWorld(name, await this.#waits.run("read", [name], read));
  }

  async diff(before: World, after: World, caller: JobCaller = {}): Promise<string> {
    return await this.#files.diff(before, after, caller);
  }

  put(change: Put): Promise<ChangeResult> {
    return this.#growing.put(change);
  }

  append(change: Append): Promise<ChangeResult> {
    return this.#growing.append(change);
  }

  patch(change: Patch): Promise<ChangeResult> {
    return this.#growing.patch(change);
  }

  transition(change: Transition): Promise<ChangeResult> {
    return this.#submit(plans.planTransition(change, this.#lower.get(change.name)));
  }

  async note(change: EventNote): Promise<void> {
    const { name, by, type, payload, precondition } = change;
    const condition = precondition === undefined ? {} : { precondition };
    const job = { kind: "note", name, by, type, payload, ...condition } as const;
    const noted = this.#waits.submit((wait) =>
      this.#files.submit(plans.withWait(job, wait), (result) => {
        this.#notes++;
        this.#state.applyNote(name, result);
      })
    );
    await this.#orForget(change, noted);
  }

  remove(change: Removal): Promise<RemovalResult> {
    return this.#moves.remove(change);
  }

  rename(change: Rename): Promise<ChangeResult> {
    return this.#moves.rename(change);
  }

  restore(change: Restore): Promise<ChangeResult> {
    return this.#moves.restore(change);
  }

  listTrash(query: TrashQuery): Promise<TrashPage> {
    return this.#trash.page(query);
  }

  findTrash(id: string): Promise<readonly TrashEntry[]> {
    return this.#trash.ofId(id);
  }

  expunge(id: string): Promise<readonly TrashEntry[]> {
    return this.#trash.expunge(id);
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

  async list(name: string, page?: ListPage): Promise<readonly Child[]> {
    const found = this.#catalog.list(name, page);
    if (this.#unindexed.size === 0) return found;
    const names = found.flatMap(({ entry }) => entry === undefined ? [] : [entry.name]);
    await this.#unindexed.index(names, this.#applyRow);
    return this.#catalog.list(name, page);
  }

  async walk(name: string): Promise<readonly WorldEntry[]> {
    const found = this.#catalog.walk(name);
    if (this.#unindexed.size === 0) return found;
    await this.#unindexed.index(found.map((entry) => entry.name), this.#applyRow);
    return this.#catalog.walk(name);
  }

  async entries(
    parts: readonly Within[],
    after: string,
    limit: number,
  ): Promise<readonly WorldEntry[]> {
    const readPage = () => this.#catalog.page(parts, after, limit, this.#isRestricted);
    const found = readPage();
    if (this.#unindexed.size === 0) return found;
    await this.#unindexed.index(found.map((entry) => entry.name), this.#applyRow);
    return readPage();
  }

  count(): number {
    return this.#catalog.size;
  }

  async markCollection(
    name: string,
    present: boolean,
    made?: MadeCollection,
  ): Promise<boolean> {
    this.#files.assertOpen();
    const mark = async () => {
      const isChanged = await this.#files.track(this.#collections.mark(name, present));
      this.#quotas.recordMark(name, present);
      return isChanged;
    };
    return await (made === undefined ? mark() : this.#quotas.mark({ name, ...made }, mark));
  }

  fileSizes(names: readonly string[]): Promise<readonly number[]> {
    return this.#files.track(this.#files.index.run<"fileSizes">({ kind: "fileSizes", names }));
  }

  quotas(name: string, by: string): readonly QuotaState[] {
    return this.#quotas.statesFor(name, by);
  }

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#state.hub.watch(name, listener);
  }

  follow(name: string, listener: (published: Published) => void): () => void {
    return this.#followers.add(name, listener);
  }

  async changes(query: ChangeQuery, caller: JobCaller = {}): Promise<ChangePage> {
    this.#files.assertOpen();
    return await this.#files.track(readPage(this.#index, this.#longJobs, query, caller));
  }

  async search(query: SearchQuery, caller: JobCaller = {}): Promise<SearchPage> {
    this.#files.assertOpen();
    return await this.#search.search(query, caller);
  }

  async keyed(key: string, name: string): Promise<readonly KeyedEvent[]> {
    this.#files.assertOpen();
    // Also reads the worlds whose newest events are not known yet.
    if (this.#unindexed.size > 0) await this.walk(name);
    return await this.#files.track(this.#index.keyed(key, name));
  }

  async audit(name: string, caller: JobCaller = {}): Promise<AuditResult> {
    const isUpper = this.#catalog.upper(name) !== undefined;
    const result = isUpper
      ? await this.#waits.run("audit", [name], () => this.#audits.audit(name, caller))
      : undefined;
    return result ?? auditLower(name, this.#lower.get(name));
  }

  async log(
    name: string,
    page: { before?: number; limit: number },
  ): Promise<readonly ChainEvent[]> {
    const before = page.before ?? Number.MAX_SAFE_INTEGER;
    const isUpper = this.#catalog.upper(name) !== undefined;
    const read = () => this.#files.log(name, before, page.limit);
    const events = isUpper ? await this.#waits.run("read", [name], read) : undefined;
    return events ?? logLower(name, this.#lower.get(name));
  }

  async snapshot(name: string, key?: string, caller: JobCaller = {}): Promise<Snapshot> {
    const isUpper = this.#catalog.upper(name) !== undefined;
    const copyWorld = () => this.#snapshots.create(name, key, caller);
    const copy = isUpper ? await this.#waits.run("audit", [name], copyWorld) : undefined;
    if (copy === undefined) throw createNoCopyError(name, this.#lower.get(name));
    return copy;
  }

  checkHealth(): Promise<void> {
    return this.#files.probe();
  }

  health(): StoreHealth {
    return { engine: "sqlite", readable: true };
  }

  close(): Promise<void> {
    this.#stopPlacing();
    this.#unindexed.stop();
    this.#index.stop();
    this.#search.stop();
    this.#trash.stop();
    this.#watch.stop();
    this.#waits.close();
    return this.#closing ??= this.#files.close(() => this.#state.catalogWriter.flush())
      .then(() => this.#folder.release());
  }

  /** Commits a change, applies it to the state in memory, and returns its result. */
  #submit({ job, nextWorld }: plans.WritePlan): Promise<ChangeResult> {
    const { name, by } = job;
    const known = this.#catalog.upper(name)?.version;
    const change = known === undefined ? job : { ...job, known };
    const submitted = this.#waits.submit((wait) =>
      this.#files.submit(plans.withWait(change, wait), (result) => {
        // A patch that changed nothing.
        if (result.events.length === 0) return toChangeResult(result);
        const world = nextWorld(result, this.#cache.peek(name));
        return this.#state.applyChange(name, by, result, world);
      })
    );
    return this.#orForget(job, submitted);
  }

  /**
   * Waits for a change. A world that is in the catalog and not on disk was removed outside the server:
   * the change fails, and the world is no longer listed and read.
   */
  async #orForget<T>({ name, by }: { name: string; by: string }, change: Promise<T>): Promise<T> {
    const before = this.#catalog.upper(name);
    try {
      return await change;
    } catch (error) {
      const isGone = error instanceof StoreError && error.code === "absent";
      // Another entry means that the world was created again in the meantime.
      if (isGone && before !== undefined && this.#catalog.upper(name) === before) {
        this.#state.applyRemoval(name, by, { ...before, events: [] });
      }
      throw error;
    }
  }

  readonly #applyRow = (name: string, row: CatalogRow | undefined): void => {
    this.#state.applyRow(name, row);
    this.#quotas.record(name);
    this.#search.record(name);
    if (row?.state === "damaged") this.#report.reportDamaged(name);
    if (row?.hasPieces) this.#files.fold(name);
    const added = row === undefined
      ? this.#index.completeDeleted(name)
      : this.#index.check([{ name, event: row.head, at: row.headAt }]);
    this.#inIndex(added);
  };

  /** Completes the change index in the background; a failure is reported and costs no answer. */
  #inIndex(work: Promise<void>): void {
    this.#files.track(work).catch((error) => {
      if (!this.#files.isClosing) this.#log(`cannot complete the index of changes: ${error}`);
    });
  }
}
