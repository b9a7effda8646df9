/**
 * The main-thread side of one store Worker: sends jobs in batches, matches replies to jobs, and
 * reports when the Worker stops. While the Worker is busy, new jobs are queued and then sent as one
 * batch; a writer commits the changes of one world in a batch together.
 */

import type { EarlyWorker } from "../../base/early_worker.ts";
import { MAX_WORKER_BATCHES } from "../../limits.ts";
import type { FileStamp } from "../change/write_job.ts";
import type { Job, JobResults, ReplyBatch, WorkerSetup } from "./worker_messages.ts";
import { StoreError } from "../store.ts";

/** A job without the id that the client assigns. */
export type WithoutId<J> = J extends Job ? Omit<J, "id"> : never;

/** Callbacks of a {@link WorkerClient}. */
export interface WorkerEvents {
  /** Worlds whose files the Worker has closed. */
  onFilesClosed(worlds: readonly (FileStamp & { readonly name: string })[]): void;
  /** The data folder is not the one that this process has locked. */
  onDetached?(fault: string): void;
  /** A job was refused because another key signed the chain of the world. */
  onOtherKey?(world: string): void;
  /** The Worker stopped; its pending jobs fail. */
  onExit(reason: string): void;
}

/** How and when a Worker starts. */
export interface WorkerStart {
  /** Jobs wait for it, so that the Worker does not delay what is more important. */
  readonly after?: Promise<void>;
  /** A Worker of the same module that has been started. */
  readonly early?: EarlyWorker;
  /** Called in the turn of the start, directly before it. */
  readonly onStart?: () => void;
  /** Called with the first reply: the Worker has loaded its modules. */
  readonly onReady?: () => void;
}

interface PendingJob {
  resolve(value: unknown): void;
  reject(error: StoreError): void;
}

/** One store Worker. It starts with its first job, because an idle Worker needs 12 MB. */
export class WorkerClient {
  readonly #url: string;
  readonly #setup: WorkerSetup;
  #worker: Worker | undefined;
  readonly #pending = new Map<number, PendingJob>();
  #queue: Job[] = [];
  #scheduled = false;
  #pendingBatches = 0;
  #tooLarge = 0;
  #nextId = 1;
  #stopReason: string | undefined;
  #isClosing = false;
  readonly #start: WorkerStart;
  #isHeld: boolean;
  #isReady = false;

  constructor(
    url: string,
    setup: WorkerSetup,
    readonly events: WorkerEvents,
    start: WorkerStart = {},
  ) {
    this.#url = url;
    this.#setup = setup;
    this.#start = start;
    this.#isHeld = start.after !== undefined;
    start.after?.then(() => {
      this.#isHeld = false;
      this.#flush();
    });
  }

  /** Number of jobs that failed because their world would be too large. */
  get tooLarge(): number {
    return this.#tooLarge;
  }

  /** Number of jobs without a reply. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Whether the Worker has received a job. */
  get started(): boolean {
    return this.#worker !== undefined || this.#queue.length > 0;
  }

  /** Starts the Worker, if it has not started. */
  start(): void {
    this.#worker ??= this.#createWorker();
  }

  /**
   * Runs one job in the Worker.
   *
   * @throws {StoreError} the error of the job, or `closed` if the Worker has stopped or closes its files
   */
  run<K extends Job["kind"]>(job: WithoutId<Extract<Job, { kind: K }>>): Promise<JobResults[K]> {
    if (this.#stopReason !== undefined) {
      return Promise.reject(
        new StoreError("closed", `Cannot use the store: its Worker stopped: ${this.#stopReason}`),
      );
    }
    // A later job would open files again, and write in a folder that is not locked any more.
    if (this.#isClosing) {
      return Promise.reject(
        new StoreError("closed", "Cannot use the store: its Worker is closing its files"),
      );
    }
    const id = this.#nextId++;
    return new Promise<JobResults[K]>((resolve, reject) => {
      // Both sides of the protocol are this program, so a reply has the result type of its job.
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#queue.push({ ...job, id } as unknown as Job);
      if (this.#scheduled) return;
      this.#scheduled = true;
      queueMicrotask(() => this.#flush());
    });
  }

  /**
   * Waits until the Worker has completed its jobs and closed its files. Later jobs fail; a Worker that
   * has not started does not start any more.
   *
   * @throws {StoreError} `closed` if the Worker has stopped
   */
  async close(): Promise<void> {
    const closed = this.started ? this.run<"close">({ kind: "close" }) : undefined;
    this.#isClosing = true;
    await closed;
  }

  /** Terminates the Worker. It must have replied to `close`, or have stopped. */
  terminate(): void {
    this.#stopReason ??= "it was closed";
    this.#worker?.terminate();
    this.#rejectPending();
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#isHeld || this.#stopReason !== undefined) return;
    if (this.#queue.length === 0 || this.#pendingBatches >= MAX_WORKER_BATCHES) return;
    const batch = this.#queue;
    this.#queue = [];
    this.#pendingBatches += 1;
    this.start();
    this.#worker?.postMessage(batch);
  }

  #createWorker(): Worker {
    const { role, shard } = this.#setup;
    this.#start.onStart?.();
    const name = `store-${role}-${shard}`;
    const worker = this.#start.early?.take((reason) => this.#onStop(reason)) ??
      new Worker(this.#url, { type: "module", name });
    worker.onmessage = ({ data }: MessageEvent<ReplyBatch>) => this.#onReplies(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#onStop(event.message);
    };
    worker.onmessageerror = () => this.#onStop("a message could not be read");
    worker.postMessage(this.#setup);
    return worker;
  }

  #onReplies({ replies, closedFiles, done }: ReplyBatch): void {
    if (!this.#isReady) {
      this.#isReady = true;
      this.#start.onReady?.();
    }
    for (const reply of replies) {
      const pending = this.#pending.get(reply.id);
      if (pending === undefined) continue;
      this.#pending.delete(reply.id);
      if ("error" in reply) {
        const { code, message, world = "", bytes } = reply.error;
        if (code === "too-large") this.#tooLarge += 1;
        if (code === "detached") this.events.onDetached?.(message);
        if (code === "other-key") this.events.onOtherKey?.(world);
        pending.reject(
          new StoreError(code, message, code === "in-use" ? reply.error.world : undefined, bytes),
        );
      } else pending.resolve(reply.value);
    }
    if (closedFiles.length > 0) this.events.onFilesClosed(closedFiles);
    if (!done) return;
    this.#pendingBatches -= 1;
    this.#flush();
  }

  #onStop(reason: string): void {
    if (this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    this.#rejectPending();
    this.events.onExit(reason);
  }

  #rejectPending(): void {
    for (const { reject } of this.#pending.values()) {
      reject(
        new StoreError("closed", `Cannot use the store: its Worker stopped: ${this.#stopReason}`),
      );
    }
    this.#pending.clear();
  }
}
