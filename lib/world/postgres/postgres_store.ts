/**
 * The store of a cluster node: the implementation of `Store` over one PostgreSQL database, which any
 * number of nodes share.
 *
 * - Memory has the same as on one computer: catalog, cache and watchers. It is kept by the own changes and
 *   by the change feed, and answers only while the lease holds.
 * - A change is committed in the database with its event, then applied to memory, then acknowledged. If
 *   changes of other nodes come before it, they are followed first.
 * - What is refused because of memory is refused only after memory was brought up to date.
 *
 * This module connects the parts. It contains no SQL and no HTTP.
 */

import { versions } from "node:process";
import { CACHE_BYTES, MAX_SHORT_READ_BYTES, MAX_WORLD_BYTES } from "../../limits.ts";
import {
  DATABASE_PATIENCE_MS,
  FEED_POLL_MS,
  FEED_POLL_ONLY_MS,
  LEASE_MS,
} from "../../cluster_limits.ts";
import { CursorCodec } from "../change_cursor.ts";
import type { ChangePage, ChangeQuery, KeyedEvent, Within } from "../changes.ts";
import { createChainSigner } from "../event_chain.ts";
import { auditLower, createNoCopyError, createNoVersionError, logLower } from "../lower_layer.ts";
import type { MadeCollection, QuotaState } from "../quota.ts";
import type { SearchPage, SearchQuery } from "../search.ts";
import type {
  Append,
  AuditResult,
  ChainEvent,
  Change,
  ChangeResult,
  Child,
  EventNote,
  JobCaller,
  ListPage,
  Patch,
  Published,
  Put,
  ReadOptions,
  Removal,
  RemovalResult,
  Rename,
  Restore,
  Snapshot,
  Store,
  Transition,
  World,
  WorldEntry,
} from "../store.ts";
import type { StoreHealth } from "../store_health.ts";
import type { StoreCounts } from "../store_counts.ts";
import { createTrashId } from "../file/durable_fs.ts";
import { LongJobs } from "../store/long_jobs.ts";
import { OtherKeyReport } from "../store/other_key_report.ts";
import { Quotas } from "../store/quotas.ts";
import { toWorld } from "../store/records.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_LONG_JOBS,
  DEFAULT_LONG_READS,
  DEFAULT_SEARCHES,
  NO_REDACTION,
} from "../store/sqlite_store_options.ts";
import type { TrashEntry, TrashPage, TrashQuery } from "../trash.ts";
import { ChangeFeed, type RoundKind } from "./change_feed.ts";
import { ChangeQueries } from "./change_query.ts";
import { WorldChains } from "./chain.ts";
import { ClusterState } from "./cluster_state.ts";
import { ClusterWrites } from "./cluster_writes.ts";
import { DatabaseCoordination } from "./database_coordination.ts";
import { DatabaseFeed } from "./database_feed.ts";
import { DatabaseLocks } from "./database_locks.ts";
import { DiffWorker } from "./diff_worker.ts";
import { JudgedCalls } from "./judged_calls.ts";
import { Lease } from "./lease.ts";
import { createClosedError, type Link } from "./link.ts";
import { MachineWatch } from "./machine_watch.ts";
import type { PostgresStoreOptions } from "./postgres_store_options.ts";
import { type StoredWorld, WorldReads } from "./reads.ts";
import { PostgresSearch } from "./search_store.ts";
import { WorldCopies } from "./snapshot.ts";
import { TrashQueries } from "./trash_query.ts";
import { Upkeep } from "./upkeep.ts";
import { WorldLoader } from "./world_loader.ts";
import { WriteQueue } from "./write_queue.ts";

/** What is opened before the store. */
export interface PostgresStoreParts {
  readonly link: Link;
  /** A folder of this process only. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

/** The store of one node. */
export class PostgresStore implements Store {
  readonly isShared = true;
  readonly locks: DatabaseLocks;
  /** Identifies this process: another one can have the name of the node later. */
  readonly #start = crypto.randomUUID();
  readonly #options: PostgresStoreOptions;
  readonly #link: Link;
  readonly #folder: string;
  readonly #log: (line: string) => void;
  readonly #lease = new Lease({ monotonic: () => performance.now(), wall: () => Date.now() });
  readonly #state: ClusterState;
  readonly #feed: ChangeFeed;
  readonly #machine: MachineWatch;
  readonly #source: DatabaseFeed;
  readonly #loader: WorldLoader;
  readonly #reads: WorldReads;
  readonly #logs: WorldChains;
  readonly #chains: WorldChains;
  readonly #queue: WriteQueue;
  readonly #writes: ClusterWrites;
  readonly #calls: JudgedCalls;
  readonly #changes: ChangeQueries;
  readonly #search: PostgresSearch;
  readonly #trash: TrashQueries;
  readonly #copies: WorldCopies;
  readonly #quotas: Quotas;
  readonly coordination: DatabaseCoordination;
  readonly #diffs: DiffWorker;
  readonly #upkeep: Upkeep;
  readonly #otherKey: OtherKeyReport;
  readonly #longJobs: LongJobs;
  readonly #longReads: LongJobs;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #isRestricted: (name: string) => boolean;
  readonly #staleMs: number;
  #closing: Promise<void> | undefined;

  constructor(options: PostgresStoreOptions, { link, folder, log }: PostgresStoreParts) {
    this.#options = options;
    this.#link = link;
    this.#folder = folder;
    this.#log = log;
    const machine = this.#machine = new MachineWatch({ ...options, link });
    // The numbers of an earlier primary can be used again by this one, for other locks and accounts.
    const judged = {
      guard: () => ({
        guard: this.locks.version,
        authority: machine.judgedBy(this.#feed.isCurrent ? this.#state.authority : -1),
      }),
      onGuardRaised: () => this.locks.read(),
      onAuthorityRaised: () => this.#follow("publish"),
    };
    const calls = this.#calls = new JudgedCalls({ link, ...judged });
    this.locks = new DatabaseLocks(link, calls);
    this.#otherKey = new OtherKeyReport(log);
    this.#staleMs = options.staleMs ?? 0;
    const isRestricted = this.#isRestricted = options.isRestricted ?? (() => false);
    const history = options.history ?? DEFAULT_HISTORY;
    const sign = createChainSigner(options.key, options.retiredKeys);
    const codec = new CursorCodec(options.key, options.retiredKeys);
    const [read, long, write] = [link.lend("read"), link.lend("long"), link.lend("write")];
    const jobs = this.#longJobs = new LongJobs(options.longJobs ?? DEFAULT_LONG_JOBS);
    this.#longReads = new LongJobs(options.longReads ?? DEFAULT_LONG_READS);
    const state = this.#state = new ClusterState({
      lower: options.lower,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
      codec,
      onTrashed: (step) => this.#trash.recordTrashed(step),
      onRestored: (world) => this.#quotas.trash.recordTaken(world),
      onExpunged: (id) => this.#quotas.trash.recordExpunged(id),
      onTrashUnknown: () => this.#quotas.trash.readAgain(),
      onLocks: () => this.#readLocks(),
      onMark: (name, present) => this.#quotas.recordMark(name, present),
      log,
    });
    const source = this.#source = new DatabaseFeed(link);
    const feed = this.#feed = new ChangeFeed({
      source,
      state,
      lease: this.#lease,
      pollMs: options.feed === "poll" ? FEED_POLL_ONLY_MS : FEED_POLL_MS,
      onRound: () => {
        this.locks.catchUp();
        machine.wake(state.authority);
      },
      log,
    });
    this.#reads = new WorldReads(read, { keepVersions: history.versions });
    this.#loader = new WorldLoader({ state, feed, read: (name) => this.#readStored(name) });
    this.#logs = new WorldChains({ sessions: read, sign, jobs });
    this.#chains = new WorldChains({ sessions: long, sign, jobs });
    this.#copies = new WorldCopies({
      sessions: long,
      sign,
      folder,
      jobs,
      keepVersions: history.versions,
      ...(options.snapshots === undefined ? {} : { limits: options.snapshots }),
    });
    this.#changes = new ChangeQueries({
      ...{ read, write, codec, jobs },
      publish: () => source.publish(),
    });
    this.#trash = new TrashQueries({
      ...{ read, write, calls },
      ...(options.trashMs === undefined ? {} : { keepMs: options.trashMs }),
      ...{ now: Date.now, monotonic: () => performance.now() },
      onAdded: (world) => this.#quotas.recordTrash(world),
      onTaken: (world) => this.#quotas.trash.recordTaken(world),
      log,
    });
    const quotas = this.#quotas = new Quotas({
      upper: (name) => state.catalog.upper(name),
      uppers: () => state.catalog.uppers(),
      lowerLength: (name) => state.lower.get(name)?.body.length ?? 0,
      marks: () => state.catalog.markedCollections(),
      read: (name) => this.read(name),
      ...(options.attached === undefined ? {} : { attached: options.attached }),
      readTrash: () => this.#trash.readAll(),
      readDeleted: ({ id, name: was }) => this.#reads.readDeleted(id, was),
      indexed: () => undefined,
      log,
    });
    state.hub.watch("/", (change) => {
      quotas.record(change.name, change);
      this.#search.recordChange();
    });
    this.#search = new PostgresSearch({
      read: long,
      write,
      publish: () => source.publish(),
      stat: (name) => state.catalog.get(name),
      lower: state.lower,
      isRestricted,
      redact: (options.redaction ?? NO_REDACTION).redact,
      unicode: versions.unicode ?? "",
      limits: options.searches ?? DEFAULT_SEARCHES,
      log,
    });
    let batches = 0;
    this.#queue = new WriteQueue({
      link,
      stage: {
        sign,
        history,
        maxWorldBytes: options.maxWorldBytes ?? MAX_WORLD_BYTES,
        isRestricted,
        now: () => new Date().toISOString(),
        createTrashId: () => createTrashId(new Date().toISOString()),
      },
      headOf: (name) => state.headOf(name),
      ...judged,
      afterCommit: () => feed.wake("publish"),
      newBatch: () => `${options.node}.${this.#start}.${++batches}`,
      monotonic: () => performance.now(),
      patienceMs: options.patienceMs ?? DATABASE_PATIENCE_MS,
    });
    this.#writes = new ClusterWrites({
      state,
      feed,
      queue: this.#queue,
      quotas,
      trash: this.#trash.counter,
      otherKey: this.#otherKey,
      isRestricted,
    });
    this.#diffs = new DiffWorker({
      url: options.workerUrl,
      early: options.reader,
      folder,
      onExit: (reason) => options.onWorkerExit?.(reason),
    });
    this.#upkeep = new Upkeep(link);
    const health = () => this.health();
    this.coordination = new DatabaseCoordination({ ...options, link, health, log });
  }

  /** Reads all heads, and follows from then on. */
  async start(): Promise<void> {
    await this.locks.read();
    await this.#feed.start();
    await this.#quotas.start();
    this.#trash.start();
    this.#search.start();
    this.coordination.start();
    this.#upkeep.start();
  }

  async #follow(kind: RoundKind): Promise<void> {
    await this.#feed.round(kind);
    await this.#machine.follow(this.#state.authority);
  }

  #readLocks(): void {
    // Safe to ignore: a batch that was judged by older locks is refused, and they are read again.
    this.locks.read().catch(() => {});
  }

  /** The database announces a number of the feed. */
  announce(seq: number): void {
    this.#feed.announce(seq);
  }

  /** Another server is the primary now. */
  changePrimary(): void {
    this.#queue.forgetAll();
    // Safe to ignore: the next read reads all of them.
    this.locks.readAll().catch(() => {});
    this.#feed.wake("refresh");
  }

  get readable(): boolean {
    return this.#machine.isUsable && this.#lease.age < LEASE_MS + this.#staleMs;
  }

  refresh(): Promise<void> {
    // Requests must not wait one after another for a database that is known to be lost.
    if (this.#feed.fault !== undefined && !this.#lease.isHeld) {
      return Promise.reject(this.#feed.fault);
    }
    return this.#accept(async () => {
      await this.#follow("refresh");
      await this.locks.whenCurrent();
    });
  }

  health(): StoreHealth {
    const { host, port } = this.#link.primary;
    return {
      engine: "postgres",
      readable: this.readable,
      cluster: {
        primary: `${host}:${port}`,
        timeline: this.#link.timeline,
        leaseAgeMs: this.#lease.age,
        ...(this.readable && !this.#lease.isHeld ? { isStale: true } : {}),
        ...(this.#link.commitsWait ? { commitsWait: true } : {}),
        feedLagMs: this.#feed.lagMs,
        sessions: this.#link.sessions,
      },
    };
  }

  /** The process only: a number of changes would show that there were changes of hidden worlds. */
  get position(): string {
    return this.#start;
  }

  async reached(position: string): Promise<void> {
    // Memory has what this process has acknowledged.
    if (position !== this.#start) await this.refresh();
  }

  get listingRevision(): number {
    return this.#state.catalog.revision;
  }

  get seq(): number {
    return this.#state.hub.seq;
  }

  get counts(): StoreCounts {
    const { hits, bytes } = this.#state.cache;
    const { notes, tooLarge } = this.#writes.counts;
    return {
      cacheHits: hits,
      cacheBytes: bytes,
      diskReads: this.#loader.count,
      notes,
      lockFailures: 0,
      tooLarge,
      queuedReads: 0,
      longJobs: this.#longJobs.counts,
      refusedOtherKey: this.#otherKey.refused,
      longReads: this.#longReads.counts,
      snapshots: this.#copies.counts,
      search: this.#search.counts,
      trash: this.#trash.counter.counts,
      quotas: this.#quotas.counts,
    };
  }

  peek(name: string): World | undefined {
    return this.readable ? this.#state.cache.get(name) : undefined;
  }

  async read(name: string, { fresh = false }: ReadOptions = {}): Promise<World | undefined> {
    if (fresh || !this.readable) await this.refresh();
    const cached = this.#state.cache.get(name);
    if (cached !== undefined) return cached;
    const isUpper = this.#state.catalog.upper(name) !== undefined;
    const found = isUpper ? await this.#accept(() => this.#loader.load(name)) : undefined;
    return found ?? this.#state.lower.get(name);
  }

  async readAt(name: string, version: number, caller: JobCaller = {}): Promise<World> {
    if (!this.readable) await this.refresh();
    const lower = this.#state.lower.get(name);
    if (version === 0 && lower !== undefined) return lower;
    const entry = this.#state.catalog.upper(name);
    if (entry === undefined) throw createNoVersionError(name, version);
    const read = () => this.#accept(() => this.#reads.readAt(name, version));
    const found =
      await (entry.len <= MAX_SHORT_READ_BYTES
        ? read()
        : this.#runLongRead(`read ${version} ${name}`, name, read, caller));
    return toWorld(name, found);
  }

  async diff(before: World, after: World, caller: JobCaller = {}): Promise<string> {
    const key = `diff ${before.version} ${after.version} ${after.name}`;
    const compare = () => this.#accept(() => this.#diffs.compare(before, after));
    return await this.#runLongRead(key, after.name, compare, caller);
  }

  put(change: Put): Promise<ChangeResult> {
    return this.#accept(() => this.#writes.put(change));
  }

  append(change: Append): Promise<ChangeResult> {
    return this.#accept(() => this.#writes.append(change));
  }

  patch(change: Patch): Promise<ChangeResult> {
    return this.#accept(() => this.#writes.patch(change));
  }

  transition(change: Transition): Promise<ChangeResult> {
    return this.#accept(() => this.#writes.transition(change));
  }

  note(change: EventNote): Promise<void> {
    return this.#accept(() => this.#writes.note(change));
  }

  remove(change: Removal): Promise<RemovalResult> {
    return this.#accept(() => this.#writes.remove(change));
  }

  rename(change: Rename): Promise<ChangeResult> {
    return this.#accept(() => this.#writes.rename(change));
  }

  restore(change: Restore): Promise<ChangeResult> {
    return this.#accept(() => this.#writes.restore(change));
  }

  listTrash(query: TrashQuery): Promise<TrashPage> {
    return this.#accept(() => this.#trash.page(query));
  }

  findTrash(id: string): Promise<readonly TrashEntry[]> {
    return this.#accept(() => this.#trash.ofId(id));
  }

  expunge(id: string): Promise<readonly TrashEntry[]> {
    return this.#accept(() => this.#trash.expunge(id));
  }

  stat(name: string): WorldEntry | undefined {
    return this.#state.catalog.get(name);
  }

  isCollection(name: string): boolean {
    return this.#state.catalog.isCollection(name);
  }

  changedAt(name: string): string | undefined {
    return this.#state.catalog.changedAt(name);
  }

  list(name: string, page?: ListPage): Promise<readonly Child[]> {
    return Promise.resolve(this.#state.catalog.list(name, page));
  }

  walk(name: string): Promise<readonly WorldEntry[]> {
    return Promise.resolve(this.#state.catalog.walk(name));
  }

  entries(parts: readonly Within[], after: string, limit: number): Promise<readonly WorldEntry[]> {
    return Promise.resolve(this.#state.catalog.page(parts, after, limit, this.#isRestricted));
  }

  count(): number {
    return this.#state.catalog.size;
  }

  markCollection(name: string, present: boolean, made?: MadeCollection) {
    const mark = async () => {
      const isChanged = await this.#source.mark(name, present, this.#calls);
      // Its row of the feed marks it in memory, now or later: the mark is durable.
      await this.#feed.round("publish").catch(() => {});
      return isChanged;
    };
    const run = made === undefined ? mark : () => this.#quotas.mark({ name, ...made }, mark);
    return this.#accept(run);
  }

  fileSizes(names: readonly string[]): Promise<readonly number[]> {
    return this.#accept(() => this.#reads.fileSizes(names));
  }

  quotas(name: string, by: string): readonly QuotaState[] {
    return this.#quotas.statesFor(name, by);
  }

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#state.hub.watch(name, listener);
  }

  follow(name: string, listener: (published: Published) => void): () => void {
    return this.#state.followers.add(name, listener);
  }

  changes(query: ChangeQuery, caller: JobCaller = {}): Promise<ChangePage> {
    return this.#accept(() => this.#changes.changes(query, caller));
  }

  search(query: SearchQuery, caller: JobCaller = {}): Promise<SearchPage> {
    return this.#accept(() => this.#search.search(query, caller));
  }

  keyed(key: string): Promise<readonly KeyedEvent[]> {
    return this.#accept(() => this.#changes.keyed(key));
  }

  async audit(name: string, caller: JobCaller = {}): Promise<AuditResult> {
    const result = this.#state.catalog.upper(name) === undefined
      ? undefined
      : await this.#accept(() => this.#chains.audit(name, caller));
    return result ?? auditLower(name, this.#state.lower.get(name));
  }

  async log(
    name: string,
    { before = Number.MAX_SAFE_INTEGER, limit }: { before?: number; limit: number },
  ): Promise<readonly ChainEvent[]> {
    const events = this.#state.catalog.upper(name) === undefined
      ? undefined
      : await this.#accept(() => this.#logs.log(name, before, limit));
    return events ?? logLower(name, this.#state.lower.get(name));
  }

  async snapshot(name: string, key?: string, caller: JobCaller = {}): Promise<Snapshot> {
    const copy = this.#state.catalog.upper(name) === undefined
      ? undefined
      : await this.#accept(() => this.#copies.create(name, key, caller));
    if (copy === undefined) throw createNoCopyError(name, this.#state.lower.get(name));
    return copy;
  }

  async checkHealth(): Promise<void> {
    if (this.#closing !== undefined) throw createClosedError();
    if (!this.#lease.isHeld) await this.refresh();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#longJobs.close();
    this.#longReads.close();
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
    await this.#queue.close();
    // Nothing that is left to do is worth the wait for a database that is lost.
    if (!this.#lease.isHeld) this.#link.close();
    const background = [this.#trash, this.#search, this.coordination, this.#upkeep];
    await Promise.all(background.map((work) => work.stop()));
    await this.#feed.stop();
    this.#link.close();
    await this.#diffs.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  /** Reads a world that is not in memory; a long one within the limits of long reads. */
  async #readStored(name: string): Promise<StoredWorld | undefined> {
    const len = this.#state.catalog.upper(name)?.len ?? 0;
    if (len <= MAX_SHORT_READ_BYTES) return await this.#reads.read(name);
    return await this.#runLongRead(`read ${name}`, name, () => this.#reads.read(name), {});
  }

  #runLongRead<T>(
    key: string,
    name: string,
    start: () => Promise<T>,
    caller: JobCaller,
  ): Promise<T> {
    // A running read is not shared, because the world can have changed since it started.
    const fileState = { text: "", isSettled: false };
    return this.#longReads.run<T>({ key, name, fileState, start }, { client: "", ...caller });
  }

  /** Starts an operation, which a clean shutdown waits for; a store that is closing refuses it. */
  #accept<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(createClosedError());
    const running = operation();
    this.#pending.add(running);
    const done = () => void this.#pending.delete(running);
    running.then(done, done);
    return running;
  }
}
