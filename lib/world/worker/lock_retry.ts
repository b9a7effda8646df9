/**
 * Retries of changes whose world is locked by another process, for example by `sqlite3` with an open
 * transaction. A writer must not wait inside SQLite, because its other worlds would wait too. It
 * tries at once, and then again with growing pauses until the deadline of the change.
 */

import { LockRetry } from "../lock_wait.ts";
import type { Reply, WriteJob } from "../store/worker_messages.ts";

/** Whether a reply says that another process has locked the world. */
export function isLockedReply(reply: Reply): boolean {
  return "error" in reply && reply.error.code === "in-use";
}

/**
 * Fails the remaining jobs of a world if an earlier one found it locked: the jobs of a world are
 * tried again together, in their order.
 *
 * @param first index of the first reply to a job of this world
 */
export function failAfterLocked(
  jobs: readonly WriteJob[],
  replies: Reply[],
  first: number,
): boolean {
  const locked = replies.slice(first).find(isLockedReply);
  if (locked === undefined) return false;
  for (const { id } of jobs) replies.push({ ...locked, id });
  return true;
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
    const replies: Reply[] = [];
    for (const job of jobs) {
      const locked = this.#worlds.get(job.name);
      if (locked === undefined) free.push(job);
      else if (job.lockWaitMs === 0) replies.push(lockedReply(job));
      else locked.jobs.push({ job, deadline: this.#deadlineOf(job, now) });
    }
    if (free.length === 0) return replies;
    const applied = this.#writer.apply(free);
    if (!applied.some(isLockedReply)) {
      return replies.length === 0 ? applied : [...replies, ...applied];
    }
    const byId = new Map(free.map((job) => [job.id, job]));
    for (const reply of applied) {
      const job = byId.get(reply.id);
      if (job === undefined || job.lockWaitMs === 0 || !isLockedReply(reply)) {
        replies.push(reply);
        continue;
      }
      const locked = this.#worlds.get(job.name) ?? this.#add(job.name, now);
      locked.jobs.push({ job, deadline: this.#deadlineOf(job, now) });
    }
    return replies;
  }

  #deadlineOf({ lockWaitMs = this.#timeoutMs }: WriteJob, now: number): number {
    return now + lockWaitMs;
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

/** The reply to a job that does not wait behind others for its world. */
function lockedReply({ id, name }: WriteJob): Reply {
  const message = "Cannot use the world: another process has locked its file";
  return { id, error: { code: "in-use", message, world: name } };
}
