/**
 * Long jobs of the store: audits and copies of worlds, and reads of the log that filter by caller. Short
 * reads never wait for them, and this module decides which of them run.
 *
 * - Callers that ask for the same job share it.
 * - A job stops when its last caller has disconnected. A job without a caller costs nothing.
 * - The number of running and waiting jobs is limited, in total and per client. One client cannot
 *   use every place, and the job of a client that runs none starts first.
 * - A removal or rename interrupts the jobs of its world, so that it does not wait for them. An
 *   interrupted job starts again.
 *
 * What a job does is a parameter. The jobs of the server itself have no client and no limit.
 */

import type { FileState } from "../file/file_state.ts";
import { type JobCaller, StoreError } from "../store.ts";
import type { LongJobCounts } from "../store_counts.ts";

/** Limits of {@link LongJobs}. */
export interface LongJobLimits {
  /** Jobs that run at the same time. One client runs at most one less, and at least one. */
  readonly running: number;
  /** Jobs that can wait. */
  readonly waiting: number;
  /** Waiting jobs of one client. */
  readonly waitingPerClient: number;
}

/** What is done, and for which world. */
export interface LongJob<T> {
  /** Jobs with the same key are the same job. */
  readonly key: string;
  /** Name of the world; see {@link LongJobs.interrupt}. */
  readonly name: string;
  /**
   * State of the world's file before the call. A caller shares a running job only if the file has
   * not changed since the job started; it always shares a job that still waits.
   */
  readonly fileState: FileState;
  /** Does the work. The signal is aborted if the result is no longer needed. */
  start(signal: AbortSignal): Promise<T>;
  /** Called once with the result and the number of callers that will receive it. */
  onResult?(result: T, callers: number): void;
}

/** How often a job is started again after interruptions. */
const MAX_RESTARTS = 3;

interface Pending {
  readonly job: LongJob<unknown>;
  readonly client: string | undefined;
  readonly callers: Set<PromiseWithResolvers<unknown>>;
  fileState: FileState;
  /** Absent while the job waits. */
  controller: AbortController | undefined;
  restarts: number;
}

/** See the module. */
export class LongJobs {
  readonly #limits: LongJobLimits;
  readonly #noun: string;
  readonly #shareable = new Map<string, Pending>();
  readonly #waiting = new Set<Pending>();
  readonly #running = new Set<Pending>();
  #sharedCount = 0;
  #stoppedCount = 0;
  readonly #refused = { total: 0, client: 0 };
  #isClosed = false;

  /** @param noun what the jobs are, in the plural, for messages */
  constructor(limits: LongJobLimits, noun = "audits, copies and filtered logs") {
    this.#limits = limits;
    this.#noun = noun;
  }

  /** Running and waiting jobs now, and what happened since the start. */
  get counts(): LongJobCounts {
    return {
      running: this.#running.size,
      waiting: this.#waiting.size,
      shared: this.#sharedCount,
      stopped: this.#stoppedCount,
      refused: { ...this.#refused },
    };
  }

  /**
   * Runs a job, or waits for the same job if another caller has asked for it.
   *
   * @throws {StoreError} `busy` if too many jobs wait, `closed` after {@link LongJobs.close}, and
   * errors of the job
   * @throws {DOMException} `AbortError` if the signal of the caller is aborted
   */
  async run<T>(job: LongJob<T>, caller: JobCaller = {}): Promise<T> {
    const { signal, client } = caller;
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed();
    const pending = this.#findShareable(job) ?? this.#add(job, client);
    const result = Promise.withResolvers<unknown>();
    pending.callers.add(result);
    const leave = () => this.#leave(pending, result, signal);
    signal?.addEventListener("abort", leave, { once: true });
    this.#startNext();
    try {
      // All jobs of one key have the same type of result.
      return await result.promise as T;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Stops the running jobs of these worlds and lets them start again later. */
  interrupt(names: readonly string[]): void {
    for (const pending of this.#running) {
      if (names.includes(pending.job.name)) pending.controller?.abort(new Interruption());
    }
  }

  /** Stops all jobs; their callers and later ones get the error `closed`. */
  close(): void {
    this.#isClosed = true;
    for (const pending of [...this.#waiting, ...this.#running]) this.#reject(pending, closed());
  }

  #findShareable(job: LongJob<unknown>): Pending | undefined {
    const found = this.#shareable.get(job.key);
    if (found === undefined) return undefined;
    const isWaiting = found.controller === undefined;
    if (!isWaiting && !isSameState(found.fileState, job.fileState)) return undefined;
    // A waiting job reads the file later than now, so its result is new enough for this caller.
    if (isWaiting) found.fileState = job.fileState;
    this.#sharedCount += 1;
    return found;
  }

  #add(job: LongJob<unknown>, client: string | undefined): Pending {
    if (client !== undefined) this.#assertPlace(client);
    const pending: Pending = {
      job,
      client,
      callers: new Set(),
      fileState: job.fileState,
      controller: undefined,
      restarts: 0,
    };
    this.#waiting.add(pending);
    this.#shareable.set(job.key, pending);
    return pending;
  }

  #assertPlace(client: string): void {
    if (this.#canRun(client)) return;
    const { waiting, waitingPerClient } = this.#limits;
    const own = countOf(this.#waiting, client);
    const limit = this.#waiting.size >= waiting
      ? "total"
      : own >= waitingPerClient
      ? "client"
      : undefined;
    if (limit === undefined) return;
    this.#refused[limit] += 1;
    const fault = limit === "total"
      ? `${this.#waiting.size} ${this.#noun} are waiting; at most ${waiting} are allowed`
      : `${own} ${this.#noun} of this client are waiting; at most ${waitingPerClient} are allowed`;
    throw new StoreError("busy", `Cannot run the job: ${fault}`);
  }

  /** Whether a job of a client could start now. */
  #canRun(client: string): boolean {
    const { running } = this.#limits;
    const ofClients = [...this.#running].filter(({ client }) => client !== undefined).length;
    return ofClients < running && countOf(this.#running, client) < Math.max(1, running - 1);
  }

  #startNext(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#waiting.delete(next);
      this.#running.add(next);
      void this.#work(next);
    }
  }

  /** The waiting job that starts next: of the client that runs the fewest, the oldest first. */
  #next(): Pending | undefined {
    let next: Pending | undefined;
    let fewest = Infinity;
    for (const pending of this.#waiting) {
      const { client } = pending;
      // The same job runs for an older state of the file; more callers can join until it ends.
      if (this.#isRunning(pending.job.key)) continue;
      if (client === undefined) return pending;
      const own = countOf(this.#running, client);
      if (own >= fewest || !this.#canRun(client)) continue;
      next = pending;
      fewest = own;
    }
    return next;
  }

  #isRunning(key: string): boolean {
    for (const { job } of this.#running) if (job.key === key) return true;
    return false;
  }

  async #work(pending: Pending): Promise<void> {
    const controller = pending.controller = new AbortController();
    try {
      const result = await pending.job.start(controller.signal);
      this.#forget(pending);
      pending.job.onResult?.(result, pending.callers.size);
      for (const caller of pending.callers) caller.resolve(result);
    } catch (error) {
      this.#running.delete(pending);
      if (this.#restart(pending, controller.signal)) return this.#startNext();
      const isInterrupted = controller.signal.reason instanceof Interruption &&
        error instanceof StoreError && error.code === "busy";
      this.#reject(pending, isInterrupted ? interrupted() : error);
    }
    this.#startNext();
  }

  /** Puts an interrupted job back among the waiting ones; returns whether it did. */
  #restart(pending: Pending, signal: AbortSignal): boolean {
    if (!(signal.reason instanceof Interruption) || pending.callers.size === 0) return false;
    if (this.#isClosed || pending.restarts >= MAX_RESTARTS) return false;
    pending.restarts += 1;
    pending.controller = undefined;
    this.#waiting.add(pending);
    return true;
  }

  #leave(
    pending: Pending,
    caller: PromiseWithResolvers<unknown>,
    signal: AbortSignal | undefined,
  ): void {
    if (!pending.callers.delete(caller)) return;
    caller.reject(signal?.reason);
    if (pending.callers.size > 0) return;
    this.#stoppedCount += 1;
    // A running job keeps its place until the Worker has stopped it.
    this.#waiting.delete(pending);
    if (this.#shareable.get(pending.job.key) === pending) this.#shareable.delete(pending.job.key);
    pending.controller?.abort();
  }

  #reject(pending: Pending, error: unknown): void {
    this.#forget(pending);
    pending.controller?.abort();
    for (const caller of pending.callers) caller.reject(error);
    pending.callers.clear();
  }

  #forget(pending: Pending): void {
    this.#waiting.delete(pending);
    this.#running.delete(pending);
    if (this.#shareable.get(pending.job.key) === pending) this.#shareable.delete(pending.job.key);
  }
}

/** Why a running job is stopped that starts again. */
class Interruption extends Error {
  override readonly name = "Interruption";
}

function isSameState(before: FileState, now: FileState): boolean {
  return before.isSettled && before.text === now.text;
}

function countOf(jobs: Iterable<Pending>, client: string): number {
  let count = 0;
  for (const job of jobs) if (job.client === client) count += 1;
  return count;
}

function interrupted(): StoreError {
  return new StoreError(
    "busy",
    "Cannot complete the job: moves or deletions stopped it every time",
  );
}

function closed(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is shutting down");
}
