/**
 * The changes of a node on their way to the database: a queue for each name, and a few batches under way
 * at the same time. Everything that waits goes into the next batch, so that batches grow with the load. The
 * next one waits for the end of a quick one, unless there are few changes or many. A name is in one batch at
 * a time, and its changes are made in the order in which they were submitted.
 *
 * A change of one world travels with others. One that has two names, or that takes routes, travels in a
 * batch of its own, because it is all or nothing.
 */

import { setImmediate } from "node:timers";
import {
  CONTENDED_COUNT,
  CONTENDED_MS,
  FEW_CHANGES,
  MAX_BATCH_BYTES,
  MAX_BATCH_WORLDS,
  MAX_CHUNK_BYTES,
  MIN_FURTHER_WORLDS,
  SLOW_BATCH_MS,
  WRITE_LANES,
} from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import { currentWriteChecks, type WriteChecks } from "../write_checks.ts";
import { BatchRun, type BatchRunOptions, isUploaded } from "./batch_run.ts";
import { ContentIds } from "./content.ts";
import { NameCache } from "./name_cache.ts";
import type { Committed, Judged, QueuedJob, QueuedUnit } from "./queued_job.ts";
import { keyOf, type StoreJob } from "./stage_batch.ts";

/** What a queue needs of its node. */
export interface WriteQueueOptions
  extends Omit<BatchRunOptions, "names" | "contents" | "onContended"> {
  /** How long a change may take, in milliseconds. */
  readonly patienceMs: number;
  /** Returns the numbers of the guard by which changes are judged now. */
  readonly guard: () => Judged;
  /** Batches under way at the same time. */
  readonly lanes?: number;
  /** How long a batch takes before it counts as slow, in milliseconds. */
  readonly slowBatchMs?: number;
}

/** How a change is submitted. */
export interface SubmitOptions {
  /**
   * Judges it right before it is sent; see {@link QueuedJob.judge}. By default it runs the checks of the
   * request.
   */
  readonly judge?: () => Judged;
}

/** A change that waits. */
interface Entry extends QueuedJob {
  readonly names: readonly string[];
  /** Whether its batch has no other change. */
  readonly isAlone: boolean;
  /** Whether it ends what its name has in a batch. */
  readonly isLast: boolean;
  readonly bytes: number;
  /** Whether its bytes are uploaded, if that is needed. */
  isReady: boolean;
}

/** Figures of a queue since its start. */
export interface WriteCounts {
  /** Changes that have not been settled. */
  readonly waiting: number;
  readonly batches: number;
  /** Worlds that another node had changed in between. */
  readonly contended: number;
}

/** The changes of one node. */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #run: BatchRun;
  readonly #names = new NameCache();
  readonly #queues = new Map<string, Entry[]>();
  /** Names that are in a batch. */
  readonly #busy = new Set<string>();
  /** When another node last changed a world in between, and how often within a short time, by its name. */
  readonly #contended = new Map<string, { readonly at: number; readonly count: number }>();
  readonly #pending = new Set<Promise<unknown>>();
  #free: number;
  /** Batches under way that are not slow yet. */
  #quick = 0;
  #isKicked = false;
  #isClosed = false;
  #waiting = 0;
  #batches = 0;
  #contentions = 0;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
    this.#free = options.lanes ?? WRITE_LANES;
    this.#run = new BatchRun({
      ...options,
      names: this.#names,
      contents: new ContentIds(),
      onContended: (names) => this.#markContended(names),
    });
  }

  get counts(): WriteCounts {
    return {
      waiting: this.#waiting,
      batches: this.#batches,
      contended: this.#contentions,
    };
  }

  /** Forgets what is known of a name: another node has changed it. */
  forget(name: string): void {
    this.#names.drop(name);
  }

  /** Forgets all names, after a change of the primary. */
  forgetAll(): void {
    this.#names.clear();
  }

  /**
   * Commits a change.
   *
   * @param apply called when the change is on disk, in the order of the commits of its worlds
   * @returns what `apply` returned
   * @throws {StoreError} why the change was refused; `unreachable` if nothing was sent in time, `unknown`
   * if the change may have happened
   */
  async submit<T>(
    job: StoreJob,
    apply: (committed: Committed) => T,
    options: SubmitOptions = {},
  ): Promise<T> {
    if (this.#isClosed) throw new StoreError("closed", "Cannot use the store: it is shutting down");
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const checks = currentWriteChecks();
    this.#pending.add(promise);
    this.#waiting += 1;
    try {
      this.#add(job, options, (committed) => {
        checks?.recordEffect();
        try {
          resolve(apply(committed));
        } catch (error) {
          reject(error);
        }
      }, reject);
      return await promise;
    } finally {
      this.#pending.delete(promise);
      this.#waiting -= 1;
    }
  }

  /** Refuses new changes and waits for those that were accepted. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }

  #add(
    job: StoreJob,
    { judge }: SubmitOptions,
    settle: (committed: Committed) => void,
    fail: (error: unknown) => void,
  ): void {
    const checks = currentWriteChecks();
    const names = job.kind === "rename" || job.kind === "restore"
      ? [...new Set([job.name, job.from])]
      : [job.name];
    const isLong = isUploaded(job);
    const entry: Entry = {
      job,
      until: this.#options.monotonic() + this.#options.patienceMs,
      guard: { guard: 0, authority: 0 },
      pending: () => checks?.pending,
      judge: judge ?? this.#judgeOf(checks),
      settle,
      fail,
      names,
      isAlone: job.kind === "rename" || job.kind === "restore" || job.claims !== undefined,
      isLast: job.kind === "remove",
      bytes: "body" in job ? Math.min(job.body.length, MAX_CHUNK_BYTES) : 0,
      isReady: !isLong,
    };
    for (const name of names) {
      const queue = this.#queues.get(name);
      if (queue === undefined) this.#queues.set(name, [entry]);
      else queue.push(entry);
    }
    if (isLong) void this.#upload(entry);
    else this.#kick();
  }

  /** Returns how a change of a request is judged. */
  #judgeOf(checks: WriteChecks | undefined): () => Judged {
    const { guard } = this.#options;
    if (checks === undefined) return guard;
    return () => {
      checks.run();
      return checks.pending === undefined ? guard() : { ...guard(), authority: -1 };
    };
  }

  /** Uploads long bytes before their batch, so that no other change waits for them. */
  async #upload(entry: Entry): Promise<void> {
    try {
      await this.#run.upload(entry.job);
    } catch {
      // The batch tries again, and tells the caller if the database cannot be reached.
    }
    entry.isReady = true;
    this.#kick();
  }

  #kick(): void {
    if (this.#isKicked || this.#free === 0) return;
    this.#isKicked = true;
    // Never a timer, which would wait for milliseconds. What is submitted in this turn joins the batch.
    setImmediate(() => {
      this.#isKicked = false;
      while (this.#free > 0 && this.#isFurtherWanted() && this.#start());
    });
  }

  /** Whether a batch begins while others are under way. */
  #isFurtherWanted(): boolean {
    if (this.#quick === 0 || this.#waiting <= FEW_CHANGES) return true;
    let waiting = 0;
    for (const [name, [head]] of this.#queues) {
      if (head === undefined || this.#busy.has(name) || !head.isReady) continue;
      waiting += 1;
      if (waiting >= MIN_FURTHER_WORLDS) return true;
    }
    return false;
  }

  /** Starts a batch with what waits. Returns whether there was anything. */
  #start(): boolean {
    const { units, isContended } = this.#take();
    if (units.length === 0) return false;
    const names = units.flatMap((unit) => unit.names);
    for (const name of names) this.#busy.add(name);
    this.#free -= 1;
    this.#batches += 1;
    this.#quick += 1;
    let isQuick = true;
    const endQuick = () => {
      if (isQuick) this.#quick -= 1;
      isQuick = false;
      this.#kick();
    };
    const timer = setTimeout(endQuick, this.#options.slowBatchMs ?? SLOW_BATCH_MS);
    const run = this.#run.run(units, isContended).finally(() => {
      clearTimeout(timer);
      endQuick();
      this.#pending.delete(run);
      for (const name of names) this.#busy.delete(name);
      this.#free += 1;
      this.#kick();
    });
    this.#pending.add(run);
    return true;
  }

  #take(): { units: QueuedUnit[]; isContended: boolean } {
    const units: QueuedUnit[] = [];
    let isContended = false;
    let bytes = 0;
    // What is left of a name goes behind the others, where this loop would find it again.
    const taken = new Set<string>();
    for (const [name, queue] of this.#queues) {
      const [head] = queue;
      if (head === undefined || this.#busy.has(name) || !head.isReady || taken.has(name)) continue;
      const isHot = this.#isContended(name);
      if (units.length > 0 && (head.isAlone || isHot !== isContended)) continue;
      if (head.isAlone) {
        if (!this.#isFirst(head)) continue;
        for (const own of head.names) this.#shift(own, 1);
        return { units: [{ names: head.names, jobs: [head] }], isContended: isHot };
      }
      isContended = isHot;
      const jobs: Entry[] = [];
      const keys = new Set<string>();
      for (const entry of queue) {
        // Another try of a request is refused because of the event of the first one.
        const key = keyOf(entry.job);
        if (key !== undefined && keys.has(key)) break;
        if (key !== undefined) keys.add(key);
        const isOther = entry.isAlone || !entry.isReady || entry.isLast && jobs.length > 0;
        if (isOther || jobs.length > 0 && bytes + entry.bytes > MAX_BATCH_BYTES) break;
        jobs.push(entry);
        bytes += entry.bytes;
        if (entry.isLast) break;
      }
      this.#shift(name, jobs.length);
      units.push({ names: [name], jobs });
      taken.add(name);
      if (units.length >= MAX_BATCH_WORLDS || bytes >= MAX_BATCH_BYTES) break;
    }
    return { units, isContended };
  }

  /** Whether a change is the next one of all its names, and none of them is in a batch. */
  #isFirst(entry: Entry): boolean {
    return entry.names.every((name) =>
      !this.#busy.has(name) && this.#queues.get(name)?.[0] === entry
    );
  }

  /** Removes the next changes of a name; what is left goes behind the other names. */
  #shift(name: string, count: number): void {
    const left = this.#queues.get(name)?.slice(count) ?? [];
    this.#queues.delete(name);
    if (left.length > 0) this.#queues.set(name, left);
  }

  /**
   * Whether a name is locked before it is changed: other nodes change it often. A single change in between
   * does not matter, because what it left out is tried again under locks.
   */
  #isContended(name: string): boolean {
    if (this.#contended.size === 0) return false;
    const found = this.#contended.get(name);
    if (found === undefined) return false;
    if (found.at > this.#options.monotonic() - CONTENDED_MS) return found.count >= CONTENDED_COUNT;
    this.#contended.delete(name);
    return false;
  }

  #markContended(names: readonly string[]): void {
    const now = this.#options.monotonic();
    this.#contentions += names.length;
    for (const name of names) {
      const { at = -Infinity, count = 0 } = this.#contended.get(name) ?? {};
      this.#contended.set(name, { at: now, count: at > now - CONTENDED_MS ? count + 1 : 1 });
    }
    // Names that are not used again must not stay for ever.
    if (this.#contended.size <= MAX_BATCH_WORLDS) return;
    for (const [name, { at }] of this.#contended) {
      if (at <= now - CONTENDED_MS) this.#contended.delete(name);
    }
  }
}
