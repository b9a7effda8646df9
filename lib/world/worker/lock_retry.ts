/**
 * Retries of jobs whose world is locked by another process, for example by `sqlite3` with an open
 * transaction. A Worker must not wait inside SQLite, because its other worlds would wait too. It
 * tries at once, and then again with growing pauses until a deadline.
 */

import { LOCK_RETRY_MS, MAX_LOCK_RETRY_MS } from "../../limits.ts";
import type { Reply, WriteJob } from "../store/worker_messages.ts";

/** Pauses between the attempts of one job or world. */
export class LockRetry {
  #pauseMs = LOCK_RETRY_MS;

  /** Returns the next pause in milliseconds; each is twice as long as the one before. */
  next(): number {
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pause, MAX_LOCK_RETRY_MS);
    return pause;
  }
}

/** Whether a reply says that another process has locked the world. */
export function isLockedReply(reply: Reply): boolean {
  return "error" in reply && reply.error.code === "in-use";
}

/** The part of a writer that {@link LockedWorlds} uses. */
interface JobRunner {
  apply(jobs: readonly WriteJob[]): Reply[];
}

interface QueuedJob {
  readonly job: WriteJob;
  /** Time after which the job fails with `in-use`. */
  readonly deadline: number;
}

interface LockedWorld {
  jobs: QueuedJob[];
  readonly retry: LockRetry;
  /** Time of the next attempt. */
  dueAt: number;
}

/**
 * The jobs of a writer whose worlds are locked. Jobs of one world keep their order: while some of
 * them wait, later ones wait behind them. Times are milliseconds of a monotonic clock.
 */
export class LockedWorlds {
  readonly #writer: JobRunner;
  readonly #timeoutMs: number;
  readonly #worlds = new Map<string, LockedWorld>();

  /** @param timeoutMs a job waits this long for a lock, then it fails with `in-use` */
  constructor(writer: JobRunner, timeoutMs: number) {
    this.#writer = writer;
    this.#timeoutMs = timeoutMs;
  }

  /** Runs a batch of jobs; returns the replies to those that do not wait. */
  apply(jobs: readonly WriteJob[], now: number): Reply[] {
    const free: WriteJob[] = [];
    for (const job of jobs) {
      const locked = this.#worlds.get(job.name);
      if (locked === undefined) free.push(job);
      else locked.jobs.push({ job, deadline: now + this.#timeoutMs });
    }
    if (free.length === 0) return [];
    const replies = this.#writer.apply(free);
    if (!replies.some(isLockedReply)) return replies;
    const lockedIds = new Set(replies.filter(isLockedReply).map(({ id }) => id));
    for (const job of free) {
      if (!lockedIds.has(job.id)) continue;
      const locked = this.#worlds.get(job.name) ?? this.#add(job.name, now);
      locked.jobs.push({ job, deadline: now + this.#timeoutMs });
    }
    return replies.filter((reply) => !isLockedReply(reply));
  }

  /** Tries the worlds that are due again; returns the replies to jobs that no longer wait. */
  retry(now: number): Reply[] {
    const replies: Reply[] = [];
    for (const [name, locked] of this.#worlds) {
      if (locked.dueAt > now) continue;
      const late = new Map(locked.jobs.map(({ job, deadline }) => [job.id, deadline <= now]));
      const waiting = new Set<number>();
      for (const reply of this.#writer.apply(locked.jobs.map(({ job }) => job))) {
        if (isLockedReply(reply) && late.get(reply.id) !== true) waiting.add(reply.id);
        else replies.push(reply);
      }
      locked.jobs = locked.jobs.filter(({ job }) => waiting.has(job.id));
      if (locked.jobs.length === 0) this.#worlds.delete(name);
      else locked.dueAt = now + locked.retry.next();
    }
    return replies;
  }

  /** Removes and returns all waiting jobs. */
  takeAll(): WriteJob[] {
    const jobs = [...this.#worlds.values()].flatMap(({ jobs }) => jobs.map(({ job }) => job));
    this.#worlds.clear();
    return jobs;
  }

  /** Time of the next attempt; undefined if no job waits. */
  get dueAt(): number | undefined {
    let due: number | undefined;
    for (const { dueAt } of this.#worlds.values()) due = Math.min(due ?? Infinity, dueAt);
    return due;
  }

  #add(name: string, now: number): LockedWorld {
    const retry = new LockRetry();
    const locked: LockedWorld = { jobs: [], retry, dueAt: now + retry.next() };
    this.#worlds.set(name, locked);
    return locked;
  }
}
