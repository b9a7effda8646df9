/**
 * The threads of a store: one that reads and some that write, each world always by the same one. They
 * start with their first job and end in order: the writers first, whose files tell the last rows.
 */

import { shardOf } from "../../base/hash.ts";
import type { Job, WorkerSetup } from "./worker_messages.ts";
import { StoreError } from "../store.ts";
import { WorkerClient, type WorkerEvents } from "./worker_client.ts";

/** How the threads are made. */
export interface WorkerPoolOptions {
  /** URL of the store Worker's module. */
  readonly url: string;
  readonly setup: Omit<WorkerSetup, "role" | "shard">;
  /** Number of writers, at least one. */
  readonly writers: number;
  readonly events: WorkerEvents;
}

/** The threads of one store. */
export class WorkerPool {
  readonly reader: WorkerClient;
  readonly #writers: readonly WorkerClient[];

  constructor({ url, setup, writers, events }: WorkerPoolOptions) {
    this.reader = new WorkerClient(url, { ...setup, role: "reader", shard: 0 }, events);
    this.#writers = Array.from(
      { length: writers },
      (_, shard) => new WorkerClient(url, { ...setup, role: "writer", shard }, events),
    );
  }

  /** The writer of a world. */
  writerFor(name: string): WorkerClient {
    const writer = this.#writers[shardOf(name, this.#writers.length)];
    if (writer === undefined) throw new StoreError("closed", "Cannot write: there are no writers");
    return writer;
  }

  /** Has the writers finish what they were given and close their files. */
  async closeWriters(): Promise<void> {
    await Promise.allSettled(this.#writers.map(askToClose));
  }

  /** Has the reader finish too, and ends all threads. */
  async close(): Promise<void> {
    await Promise.allSettled([askToClose(this.reader)]);
    for (const worker of [...this.#writers, this.reader]) worker.terminate();
  }
}

async function askToClose(worker: WorkerClient): Promise<void> {
  const close: Omit<Extract<Job, { kind: "close" }>, "id"> = { kind: "close" };
  if (worker.started) await worker.ask<"close">(close);
}
