/**
 * The Workers of a store: one reader for short reads, one for long jobs, and several writers; each
 * world always belongs to the same writer. They start with their first job. The writers are closed before the reader, because the
 * reader saves the stamps of the files that the writers close.
 */

import { shardOf } from "../../base/hash.ts";
import type { Job, WorkerSetup } from "./worker_messages.ts";
import { StoreError } from "../store.ts";
import { WorkerClient, type WorkerEvents } from "./worker_client.ts";

/** Options of {@link WorkerPool}. */
export interface WorkerPoolOptions {
  /** URL of the store Worker's module. */
  readonly url: string;
  readonly setup: Omit<WorkerSetup, "role" | "shard">;
  /** Number of writers, at least one. */
  readonly writers: number;
  readonly events: WorkerEvents;
}

/** The Workers of one store. */
export class WorkerPool {
  readonly reader: WorkerClient;
  /** Runs audits and copies, so that short reads do not wait for them. */
  readonly longReader: WorkerClient;
  /** Writes and reads the change index. */
  readonly index: WorkerClient;
  readonly #writers: readonly WorkerClient[];

  constructor({ url, setup, writers, events }: WorkerPoolOptions) {
    this.reader = new WorkerClient(url, { ...setup, role: "reader", shard: 0 }, events);
    this.longReader = new WorkerClient(url, { ...setup, role: "reader", shard: 1 }, events);
    this.index = new WorkerClient(url, { ...setup, role: "index", shard: 0 }, events);
    this.#writers = Array.from(
      { length: writers },
      (_, shard) => new WorkerClient(url, { ...setup, role: "writer", shard }, events),
    );
  }

  /** Starts all Workers now instead of each with its first job. */
  start(): void {
    for (const worker of [this.reader, this.longReader, this.index, ...this.#writers]) {
      worker.start();
    }
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
    await Promise.allSettled(this.#writers.map(closeWorker));
  }

  /** Waits for the readers and terminates all Workers. */
  async close(): Promise<void> {
    const readers = [this.reader, this.longReader, this.index];
    await Promise.allSettled(readers.map(closeWorker));
    for (const worker of [...this.#writers, ...readers]) worker.terminate();
  }
}

async function closeWorker(worker: WorkerClient): Promise<void> {
  const close: Omit<Extract<Job, { kind: "close" }>, "id"> = { kind: "close" };
  if (worker.started) await worker.run<"close">(close);
}
