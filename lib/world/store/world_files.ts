/**
 * Operations on the files of all worlds. It owns the Workers, the locks of names and the promises
 * that a clean shutdown waits for. It stores no content of worlds. The caller updates its state in
 * the callback `apply`, which runs directly on the reply: replies arrive in the order of the
 * commits, and the updates must have the same order.
 */

import { CHAIN_EVENTS_PER_READ, MAX_SHORT_READ_BYTES } from "../../limits.ts";
import { type ChainEvent, type JobCaller, type Rename, StoreError, type World } from "../store.ts";
import type { LongJobCounts } from "../store_counts.ts";
import { KeyedLock } from "./keyed_lock.ts";
import { type LongJobLimits, LongJobs } from "./long_jobs.ts";
import { type RenameResult, renameWorld } from "./rename.ts";
import type { ChainEvents } from "../changes.ts";
import type {
  SearchEntry,
  SearchFileCounts,
  SearchPage,
  SearchQuery,
  SearchUpdateResult,
} from "../search.ts";
import type { WithoutId, WorkerClient } from "./worker_client.ts";
import type { LowerWorld, RestoreJob, WriteResult } from "../change/write_job.ts";
import type {
  CatalogRow,
  JobResults,
  Queued,
  ReadResult,
  SearchUpdateJob,
  SnapshotJob,
  SnapshotResult,
  StatResult,
  WriteJob,
} from "./worker_messages.ts";
import { WorkerPool, type WorkerPoolOptions } from "./worker_pool.ts";

/** The files of one store. */
export class WorldFiles {
  readonly #workers: WorkerPool;
  readonly #readLocks = new KeyedLock();
  readonly #writeLocks = new KeyedLock();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #jobs: Pick<LongJobs, "interrupt" | "close">;
  readonly #longReads: LongJobs;
  #tickets = 0;
  #isClosing = false;

  /**
   * @param options options of the Workers
   * @param jobs the audits and copies that are running; a removal or rename does not wait for them
   * @param longReads limits of the reads of long bodies
   */
  constructor(
    options: WorkerPoolOptions,
    jobs: Pick<LongJobs, "interrupt" | "close">,
    longReads: LongJobLimits,
  ) {
    this.#workers = new WorkerPool(options);
    this.#jobs = jobs;
    this.#longReads = new LongJobs(longReads);
  }

  /** Number of changes that failed because their world would be too large. */
  get tooLarge(): number {
    return this.#workers.tooLarge;
  }

  /** Reads of long bodies. */
  get longReads(): LongJobCounts {
    return this.#longReads.counts;
  }

  /** Number of short reads that have not been answered yet. */
  get queuedReads(): number {
    return this.#workers.reader.pendingCount;
  }

  /** Whether the store is shutting down; all methods except `close` then fail with `closed`. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Reads the valid rows of the catalog file, and the names of worlds without one. */
  scan(): Promise<JobResults["scan"]> {
    return this.#workers.reader.run<"scan">({ kind: "scan" });
  }

  /**
   * Reads the current version of a world; undefined if it has no file. A long body is read by the
   * Worker for long jobs, so that short reads do not wait for it.
   *
   * @throws {StoreError} `busy` if too many reads of long bodies are waiting
   */
  async read(name: string): Promise<ReadResult | undefined> {
    const { reader, longReader } = this.#workers;
    return await this.#readInTwoSteps(
      name,
      `read ${name}`,
      {}, // callers share the reads of one world, see ReadThrough
      () => reader.run<"read">({ kind: "read", name, maxBytes: MAX_SHORT_READ_BYTES }),
      () => longReader.run<"read">({ kind: "read", name }),
    );
  }

  /**
   * Reads a version of a world by number; see {@link WorldFiles.read} for long files.
   *
   * @throws {StoreError} `absent` if the world never had it, `gone` if it is no longer kept, `busy`
   * if too many reads of long files are waiting
   */
  async readAt(name: string, version: number, caller: JobCaller): Promise<ReadResult> {
    const { reader, longReader } = this.#workers;
    return await this.#readInTwoSteps(
      name,
      `read ${version} ${name}`,
      caller,
      () => reader.run<"readAt">({ kind: "readAt", name, version, maxBytes: MAX_SHORT_READ_BYTES }),
      () => longReader.run<"readAt">({ kind: "readAt", name, version }),
    );
  }

  /**
   * Compares two text versions in the Worker for long jobs.
   *
   * @throws {StoreError} `busy` if too many reads of long bodies are waiting
   */
  async diff(before: World, after: World, caller: JobCaller): Promise<string> {
    this.assertOpen();
    const toText = ({ name, version, body }: World) => ({ name, note: `version ${version}`, body });
    return await this.#longReads.run<string>({
      key: `diff ${before.version} ${after.version} ${after.name}`,
      name: after.name,
      fileState: { text: "", isSettled: false },
      start: () =>
        this.track(this.#workers.longReader.run<"diff">({
          kind: "diff",
          before: toText(before),
          after: toText(after),
        })),
    }, { client: "", ...caller });
  }

  async #readInTwoSteps<T>(
    name: string,
    key: string,
    caller: JobCaller,
    readShort: () => Promise<T | "long">,
    readLong: () => Promise<T | "long">,
  ): Promise<T> {
    this.assertOpen();
    const found = await this.#readLocks.shared([name], () => this.track(readShort()));
    if (found !== "long") return found;
    return await this.#longReads.run<T>({
      key,
      name,
      // A running read is not shared, because the file can have changed since it started.
      fileState: { text: "", isSettled: false },
      start: (signal) =>
        this.#readLocks.shared([name], async () => {
          if (signal.aborted) throw createStoppedError();
          const long = await this.track(readLong());
          if (long === "long") throw new StoreError("damaged", "Cannot read the world", name);
          return long;
        }),
    }, { client: "", ...caller });
  }

  /** Reads the catalog rows of worlds from their files. */
  async stat(names: readonly string[]): Promise<readonly StatResult[]> {
    this.assertOpen();
    return await this.#readLocks.shared(
      names,
      () => this.track(this.#workers.reader.run<"stat">({ kind: "stat", names })),
    );
  }

  /** Returns for each world whether another key signed its chain. */
  async haveOtherKey(names: readonly string[]): Promise<readonly boolean[]> {
    this.assertOpen();
    return await this.#readLocks.shared(
      names,
      () => this.track(this.#workers.reader.run<"otherKey">({ kind: "otherKey", names })),
    );
  }

  /**
   * Audits a world; undefined if it has no file.
   *
   * @param signal stops the audit, which then fails with `busy`
   */
  async audit(name: string, signal: AbortSignal): Promise<JobResults["audit"]> {
    return await this.#runLongJob(
      [name],
      signal,
      this.#workers.longReader,
      (ticket, worker) => worker.run<"audit">({ kind: "audit", name, ticket }),
    );
  }

  /**
   * Reads at most `limit` events with an id below `before`, newest first; undefined without a file.
   */
  async log(
    name: string,
    before: number,
    limit: number,
  ): Promise<readonly ChainEvent[] | undefined> {
    this.assertOpen();
    return await this.#readLocks.shared(
      [name],
      () => this.track(this.#workers.reader.run<"log">({ kind: "log", name, before, limit })),
    );
  }

  /** Reads events after an id, oldest first, for the change index; undefined without a file. */
  async chain(name: string, after: number): Promise<ChainEvents | undefined> {
    this.assertOpen();
    const { reader } = this.#workers;
    const job = { kind: "chain", name, after, limit: CHAIN_EVENTS_PER_READ } as const;
    return await this.#readLocks.shared([name], () => this.track(reader.run<"chain">(job)));
  }

  /** The Worker of the indexes. */
  get index(): WorkerClient {
    return this.#workers.index;
  }

  /**
   * Copies a world to memory or to the file of the job; undefined if the world has no file.
   *
   * @param signal stops the copy, which then fails with `busy`
   */
  async copy(
    job: Omit<SnapshotJob, "id" | "ticket">,
    signal: AbortSignal,
  ): Promise<SnapshotResult | undefined> {
    return await this.#runLongJob(
      [job.name],
      signal,
      this.#workers.longReader,
      (ticket, worker) => worker.run<"snapshot">({ ...job, ticket }),
    );
  }

  /** Brings worlds up to date in the search index; the Worker reads those whose content is not sent. */
  async updateSearch(entries: readonly SearchEntry[]): Promise<SearchUpdateResult> {
    this.assertOpen();
    return await this.#readLocks.shared(
      entries.map(({ name }) => name),
      () => this.#runSearchJob<"updateSearch">({ kind: "updateSearch", entries }),
    );
  }

  /** Runs a job that changes the search index and reads no world. */
  async changeSearch(
    job: WithoutId<Exclude<SearchUpdateJob, { kind: "updateSearch" }>>,
  ): Promise<SearchFileCounts> {
    this.assertOpen();
    return await this.#runSearchJob(job);
  }

  /**
   * Searches in the search index.
   *
   * @param signal stops the search, which then fails with `busy`
   */
  async runSearch(query: SearchQuery, signal: AbortSignal): Promise<SearchPage> {
    return await this.#runLongJob(
      [],
      signal,
      this.#workers.index,
      (ticket, worker) => worker.run<"search">({ kind: "search", query, ticket }),
    );
  }

  #runSearchJob<K extends SearchUpdateJob["kind"]>(
    job: WithoutId<Extract<SearchUpdateJob, { kind: K }>>,
  ): Promise<JobResults[K]> {
    return this.track(this.#workers.index.run<K>(job));
  }

  /** Checks whether the data folder can be read and written. */
  async probe(): Promise<void> {
    this.assertOpen();
    await this.track(this.#workers.reader.run<"probe">({ kind: "probe" }));
  }

  /** Saves rows in the catalog file and drops others. */
  async saveCatalog(rows: readonly CatalogRow[], removed: readonly string[]): Promise<void> {
    await this.#workers.reader.run<"save">({ kind: "save", rows, removed });
  }

  /** Saves the names of all empty collections. */
  async saveCollections(collections: readonly string[]): Promise<void> {
    await this.#workers.reader.run<"mark">({ kind: "mark", collections });
  }

  /**
   * Commits one change of a world, after a running rename from or to its name.
   *
   * @param apply called with the result, in the order of the commits
   */
  submit<T>(job: WithoutId<WriteJob>, apply: (result: WriteResult) => T): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    const renaming = this.#writeLocks.pending(job.name);
    if (renaming === undefined) return this.track(this.#send(job, apply));
    return this.track(renaming.then(() => this.submit(job, apply)));
  }

  /**
   * Has the appended bytes of a world folded into its row. A failure costs nothing: every read joins
   * them, and the next change or start tries again.
   */
  fold(name: string): void {
    this.submit({ kind: "fold", name, by: "" }, () => {}).catch(() => {
      // Safe to ignore: see above.
    });
  }

  /**
   * Returns a promise that resolves after a running rename from or to this name; else undefined.
   */
  renaming(name: string): Promise<void> | undefined {
    return this.#writeLocks.pending(name);
  }

  /** Moves a world to the trash after all running reads of it. */
  remove<T>(
    job: WithoutId<WriteJob & { kind: "remove" }>,
    apply: (result: WriteResult) => T,
  ): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    this.#jobs.interrupt([job.name]);
    return this.track(this.#readLocks.exclusive([job.name], () => this.#send(job, apply)));
  }

  /**
   * Renames a world with its chain and history. No read and no change of either name runs at the
   * same time.
   *
   * @param lower the lower-layer world of the new name, if there is one
   * @param restricted whether only T3 can read the old name
   * @param isFree returns whether the new name is free; called when both names are locked
   * @param apply called with both results before the names are unlocked
   * @throws {StoreError} `precondition` if the new name has a world, `absent` if the old name has
   * none
   */
  rename<T>(
    change: Rename,
    lower: LowerWorld | undefined,
    isFree: () => boolean,
    apply: (result: RenameResult) => T,
    restricted = false,
  ): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    const names = [change.name, change.to];
    return this.track(
      this.#writeLocks.exclusive(names, () => {
        this.#jobs.interrupt(names);
        return this.#readLocks.exclusive(names, async () => {
          if (!change.replace && !isFree()) {
            throw new StoreError(
              "precondition",
              "Cannot move the world: a world with the new name exists",
              change.to,
            );
          }
          return apply(await renameWorld(this.#workers, lower, change, restricted));
        });
      }),
    );
  }

  /**
   * Moves a world from the trash to a name without a world. No read and no change of the name runs at
   * the same time.
   *
   * @param apply called with the result before the name is unlocked
   */
  restore<T>(job: WithoutId<Queued<RestoreJob>>, apply: (result: WriteResult) => T): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    return this.track(
      this.#writeLocks.exclusive(
        [job.name],
        () => this.#readLocks.exclusive([job.name], () => this.#send(job, apply)),
      ),
    );
  }

  /** Adds a promise that a clean shutdown waits for. */
  track<T>(promise: Promise<T>): Promise<T> {
    this.#pending.add(promise);
    const done = () => void this.#pending.delete(promise);
    promise.then(done, done);
    return promise;
  }

  /**
   * Waits for running operations, then closes the writers, then the reader.
   *
   * @param beforeEnd called after the writers have closed their files, before the reader is closed
   */
  async close(beforeEnd: () => Promise<void>): Promise<void> {
    this.#isClosing = true;
    this.#jobs.close();
    this.#longReads.close();
    await Promise.allSettled(this.#pending);
    await this.#workers.closeWriters();
    await beforeEnd();
    await this.#workers.close();
  }

  /** @throws {StoreError} `closed` if the store is shutting down */
  assertOpen(): void {
    if (this.#isClosing) throw createClosedError();
  }

  /** Runs a job in a Worker, and cancels it there when the signal is aborted. */
  #runLongJob<T>(
    names: readonly string[],
    signal: AbortSignal,
    worker: WorkerClient,
    run: (ticket: number, worker: WorkerClient) => Promise<T>,
  ): Promise<T> {
    this.assertOpen();
    return this.#readLocks.shared(names, async () => {
      if (signal.aborted) throw createStoppedError();
      const ticket = this.#tickets++;
      const cancel = () =>
        // The Worker has stopped if this fails, and with it the job.
        void worker.run<"cancel">({ kind: "cancel", ticket }).catch(() => {});
      signal.addEventListener("abort", cancel, { once: true });
      try {
        return await this.track(run(ticket, worker));
      } finally {
        signal.removeEventListener("abort", cancel);
      }
    });
  }

  #send<T>(job: WithoutId<WriteJob>, apply: (result: WriteResult) => T): Promise<T> {
    return this.#workers.writerFor(job.name).run<WriteJob["kind"]>(job).then(apply);
  }
}

function createStoppedError(): StoreError {
  return new StoreError("busy", "Cannot complete the job: it was stopped");
}

function createClosedError(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is shutting down");
}
