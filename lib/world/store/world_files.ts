/**
 * The files of all worlds, as verbs. It owns the Workers, the locks of names, and the list of what a clean
 * shutdown waits for; it keeps nothing of the content of a world. What a result means to memory is
 * applied by the caller in `apply`, which runs on the reply itself: replies come in the order of the
 * commits, and nothing may overtake there.
 */

import { type ChainEvent, type Rename, StoreError } from "../store.ts";
import { KeyedLock } from "./keyed_lock.ts";
import { type RenameResult, renameWorld } from "./rename.ts";
import type { WithoutId } from "./worker_client.ts";
import type {
  CatalogRow,
  JobResults,
  ReadResult,
  SnapshotJob,
  SnapshotResult,
  WriteJob,
  WriteResult,
} from "./worker_messages.ts";
import { WorkerPool, type WorkerPoolOptions } from "./worker_pool.ts";

/** See the module. */
export class WorldFiles {
  readonly #workers: WorkerPool;
  readonly #readLocks = new KeyedLock();
  readonly #writeLocks = new KeyedLock();
  readonly #pending = new Set<Promise<unknown>>();
  #isClosing = false;

  constructor(options: WorkerPoolOptions) {
    this.#workers = new WorkerPool(options);
  }

  /** Whether the store is shutting down; every verb but `close` then fails with `closed`. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** The catalog as it was saved, and the worlds on disk whose rows are missing or stale. */
  scan(): Promise<JobResults["scan"]> {
    return this.#workers.reader.ask<"scan">({ kind: "scan" });
  }

  /** The current version of a world; undefined if it has no file. */
  async read(name: string): Promise<ReadResult | undefined> {
    this.assertOpen();
    return await this.#readLocks.shared(
      [name],
      () => this.track(this.#workers.reader.ask<"read">({ kind: "read", name })),
    );
  }

  /**
   * An earlier version of a world, or the current one by its number.
   *
   * @throws {StoreError} `absent`, `gone`
   */
  async readAt(name: string, version: number): Promise<ReadResult> {
    this.assertOpen();
    return await this.#readLocks.shared(
      [name],
      () => this.track(this.#workers.reader.ask<"readAt">({ kind: "readAt", name, version })),
    );
  }

  /** Catalog rows read from the files of worlds; undefined for a world without a file. */
  async stat(names: readonly string[]): Promise<readonly (CatalogRow | undefined)[]> {
    this.assertOpen();
    return await this.#readLocks.shared(
      names,
      () => this.track(this.#workers.reader.ask<"stat">({ kind: "stat", names })),
    );
  }

  /** Both checks of a world's event chain; undefined if it has no file. */
  async audit(name: string): Promise<JobResults["audit"]> {
    this.assertOpen();
    return await this.#readLocks.shared(
      [name],
      () => this.track(this.#workers.reader.ask<"audit">({ kind: "audit", name })),
    );
  }

  /** Events of a world before an id, newest first; undefined if it has no file. */
  async log(
    name: string,
    before: number,
    limit: number,
  ): Promise<readonly ChainEvent[] | undefined> {
    this.assertOpen();
    return await this.#readLocks.shared(
      [name],
      () => this.track(this.#workers.reader.ask<"log">({ kind: "log", name, before, limit })),
    );
  }

  /** A copy of a world's file, in memory or in the job's file; undefined if the world has no file. */
  async copy(job: Omit<SnapshotJob, "id">): Promise<SnapshotResult | undefined> {
    this.assertOpen();
    return await this.#readLocks.shared(
      [job.name],
      () => this.track(this.#workers.reader.ask<"snapshot">(job)),
    );
  }

  /** Saves catalog rows and forgets others. */
  async saveCatalog(rows: readonly CatalogRow[], gone: readonly string[]): Promise<void> {
    await this.#workers.reader.ask<"save">({ kind: "save", rows, gone });
  }

  /** Saves the names of all empty collections. */
  async saveCollections(collections: readonly string[]): Promise<void> {
    await this.#workers.reader.ask<"mark">({ kind: "mark", collections });
  }

  /**
   * Has the writer of a world commit one change. It waits for a rename from or to the name.
   *
   * @param apply called with the result, in the order of the commits
   */
  submit<T>(job: WithoutId<WriteJob>, apply: (result: WriteResult) => T): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    const moving = this.#writeLocks.pending(job.name);
    if (moving === undefined) return this.track(this.#send(job, apply));
    return this.track(moving.then(() => this.submit(job, apply)));
  }

  /** Whether a rename from or to this name is under way, and what to await. */
  renaming(name: string): Promise<void> | undefined {
    return this.#writeLocks.pending(name);
  }

  /** Has the writer of a world move its file to the trash, when no read has it open. */
  remove<T>(
    job: WithoutId<WriteJob & { kind: "remove" }>,
    apply: (result: WriteResult) => T,
  ): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    return this.track(this.#readLocks.exclusive([job.name], () => this.#send(job, apply)));
  }

  /**
   * Moves a world's file to another name, with its chain and history. No read and no change of either
   * name runs in between.
   *
   * @param isFree whether the new name is free; asked when the names are held
   * @param apply called with both results before either name is released
   * @throws {StoreError} `precondition` if the new name is taken, `absent` if the old one has no world
   */
  rename<T>(
    change: Rename,
    isFree: () => boolean,
    apply: (result: RenameResult) => T,
  ): Promise<T> {
    if (this.#isClosing) return Promise.reject(createClosedError());
    const names = [change.name, change.to];
    return this.track(
      this.#writeLocks.exclusive(names, () =>
        this.#readLocks.exclusive(names, async () => {
          if (!isFree()) {
            throw new StoreError("precondition", "something is there already", change.to);
          }
          return apply(await renameWorld(this.#workers, change));
        })),
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
   * Waits for everything under way, ends the writers, then the reader.
   *
   * @param beforeEnd runs when the writers have closed their files and the reader still answers
   */
  async close(beforeEnd: () => Promise<void>): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#pending);
    await this.#workers.closeWriters();
    await beforeEnd();
    await this.#workers.close();
  }

  /** @throws {StoreError} `closed` if the store is shutting down */
  assertOpen(): void {
    if (this.#isClosing) throw createClosedError();
  }

  #send<T>(job: WithoutId<WriteJob>, apply: (result: WriteResult) => T): Promise<T> {
    return this.#workers.writerFor(job.name).ask<WriteJob["kind"]>(job).then(apply);
  }
}

function createClosedError(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is shutting down");
}
