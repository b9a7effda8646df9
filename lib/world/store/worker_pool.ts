/**
 * The Workers of a store: one reader for short reads, one for long jobs, one for the indexes, and
 * several writers; each world always belongs to the same writer. They start with their first job,
 * unless the process has few file descriptors: connections could take those of a later start. The
 * writers are closed before the reader, because the reader saves the stamps of the files that the
 * writers close.
 */

import { shardOf } from "../../base/hash.ts";
import type { EarlyWorker } from "../../base/early_worker.ts";
import { DescriptorReserve } from "../file/descriptor_reserve.ts";
import type { WorkerSetup } from "./worker_messages.ts";
import { StoreError } from "../store.ts";
import { WorkerClient, type WorkerEvents, type WorkerStart } from "./worker_client.ts";

/** Options of {@link WorkerPool}. */
export interface WorkerPoolOptions {
  /** URL of the store Worker's module. */
  readonly url: string;
  readonly setup: Omit<WorkerSetup, "role" | "shard">;
  /** Number of writers, at least one. */
  readonly writers: number;
  readonly events: WorkerEvents;
  /** The Worker of the indexes starts after it, and its jobs wait. It must resolve before the end. */
  readonly indexAfter?: Promise<void>;
  /** Whether the Workers start now; by default they start with their first job. */
  readonly startAtOnce?: boolean;
  /** Becomes the reader. */
  readonly reader?: EarlyWorker;
}

/** The Workers of one store. */
export class WorkerPool {
  readonly reader: WorkerClient;
  /** Runs audits and copies, and reads long bodies, so that short reads do not wait for them. */
  readonly longReader: WorkerClient;
  /** Writes and reads the indexes of changes and of searches, and the list of the trash. */
  readonly index: WorkerClient;
  readonly #writers: readonly WorkerClient[];
  readonly #reserve: DescriptorReserve;

  constructor({ startAtOnce = false, writers, ...options }: WorkerPoolOptions) {
    const { url, setup, events, indexAfter, reader } = options;
    const kept = startAtOnce ? 0 : writers + 3;
    const reserve = this.#reserve = new DescriptorReserve(setup.data, kept);
    const start: WorkerStart = {
      onStart: () => reserve.release(),
      onReady: () => reserve.refill(),
    };
    const create = (role: WorkerSetup["role"], shard: number, how: WorkerStart = {}) =>
      new WorkerClient(url, { ...setup, role, shard }, events, { ...start, ...how });
    this.reader = create("reader", 0, reader === undefined ? {} : { early: reader });
    this.longReader = create("reader", 1);
    this.index = create("index", 0, indexAfter === undefined ? {} : { after: indexAfter });
    this.#writers = Array.from({ length: writers }, (_, shard) => create("writer", shard));
    if (!startAtOnce) return;
    const readers = [this.reader, this.longReader, this.index];
    for (const worker of [...readers, ...this.#writers]) worker.start();
  }

  /** Returns the writer of a world. */
  writerFor(name: string): WorkerClient {
    const writer = this.#writers[shardOf(name, this.#writers.length)];
    if (writer === undefined) throw new StoreError("closed", "Cannot write: there are no writers");
    return writer;
  }

  /** Number of changes that failed because their world would be too large. */
  get tooLarge(): number {
    return this.#writers.reduce((sum, { tooLarge }) => sum + tooLarge, 0);
  }

  /** Waits until the writers have completed their jobs and closed their files. */
  async closeWriters(): Promise<void> {
    await Promise.allSettled(this.#writers.map((writer) => writer.close()));
  }

  /** Waits for the readers and terminates all Workers. */
  async close(): Promise<void> {
    const readers = [this.reader, this.longReader, this.index];
    await Promise.allSettled(readers.map((reader) => reader.close()));
    for (const worker of [...this.#writers, ...readers]) worker.terminate();
    this.#reserve.close();
  }
}
