/**
 * The main thread's side of one store Worker: sends jobs in batches, matches replies, and says so
 * when the Worker dies. While a Worker is busy, what arrives for it waits here and goes out as one
 * batch, which is what makes one commit of many changes.
 */

import type { FileStamp, Job, JobResults, ReplyBatch, WorkerSetup } from "./worker_messages.ts";
import { StoreError } from "../store.ts";

/** Batches a Worker may have before the next waits: one in work, one at the door. */
const BATCHES_UNDER_WAY = 2;

/** A job before its client has numbered it. */
export type WithoutId<J> = J extends Job ? Omit<J, "id"> : never;

/** What a client tells its owner. */
export interface WorkerEvents {
  onFilesClosed(worlds: readonly (FileStamp & { readonly name: string })[]): void;
  /** The Worker is gone; nothing it was asked will be answered. */
  onExit(reason: string): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: StoreError): void;
}

/** One Worker of the store; its thread starts with its first job, since an idle one costs 12 MB. */
export class WorkerClient {
  readonly #url: string;
  readonly #setup: WorkerSetup;
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #queue: Job[] = [];
  #scheduled = false;
  #underWay = 0;
  #nextId = 1;
  #dead: string | undefined;

  constructor(url: string, setup: WorkerSetup, readonly events: WorkerEvents) {
    this.#url = url;
    this.#setup = setup;
  }

  /** Whether the Worker was ever given a job. */
  get started(): boolean {
    return this.#worker !== undefined || this.#queue.length > 0;
  }

  /**
   * Has the Worker do one job.
   *
   * @throws {StoreError} what the job failed with, or `closed` when the Worker is gone
   */
  ask<K extends Job["kind"]>(job: WithoutId<Extract<Job, { kind: K }>>): Promise<JobResults[K]> {
    if (this.#dead !== undefined) {
      return Promise.reject(
        new StoreError("closed", `Cannot use the store: its Worker ended: ${this.#dead}`),
      );
    }
    const id = this.#nextId++;
    return new Promise<JobResults[K]>((resolve, reject) => {
      // The Worker answers each id with the result of that id's kind; both ends are this program.
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#queue.push({ ...job, id } as unknown as Job);
      if (this.#scheduled) return;
      this.#scheduled = true;
      queueMicrotask(() => this.#flush());
    });
  }

  /** Ends the Worker's thread. Only for a Worker that has answered `close`, or died. */
  terminate(): void {
    this.#dead ??= "it was closed";
    this.#worker?.terminate();
    this.#rejectWaiting();
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#queue.length === 0 || this.#underWay >= BATCHES_UNDER_WAY) return;
    const batch = this.#queue;
    this.#queue = [];
    this.#underWay += 1;
    this.#worker ??= this.#start();
    this.#worker.postMessage(batch);
  }

  #start(): Worker {
    const { role, shard } = this.#setup;
    const worker = new Worker(this.#url, { type: "module", name: `store-${role}-${shard}` });
    worker.onmessage = ({ data }: MessageEvent<ReplyBatch>) => this.#received(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#die(event.message);
    };
    worker.onmessageerror = () => this.#die("a message could not be read");
    worker.postMessage(this.#setup);
    return worker;
  }

  #received({ replies, closedFiles: settled, done }: ReplyBatch): void {
    for (const reply of replies) {
      const waiting = this.#waiting.get(reply.id);
      if (waiting === undefined) continue;
      this.#waiting.delete(reply.id);
      if ("error" in reply) {
        waiting.reject(new StoreError(reply.error.code, reply.error.message));
      } else waiting.resolve(reply.value);
    }
    if (settled.length > 0) this.events.onFilesClosed(settled);
    if (!done) return;
    this.#underWay -= 1;
    this.#flush();
  }

  #die(reason: string): void {
    if (this.#dead !== undefined) return;
    this.#dead = reason;
    this.#rejectWaiting();
    this.events.onExit(reason);
  }

  #rejectWaiting(): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new StoreError("closed", `Cannot use the store: its Worker ended: ${this.#dead}`));
    }
    this.#waiting.clear();
  }
}
