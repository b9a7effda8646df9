/**
 * Runs what a plugin declares as `cron`. Each expression has its own runs, at most one at a time. A
 * time that passed while the server was stopped, or while the clock was set forward, is not made up
 * for. If the clock is set back by less than three hours, the times that were run are not run again.
 *
 * If several servers have the plugin, each time is run by the one that claims it first.
 */

import {
  CRON_CHECK_MS,
  CRON_LATE_MS,
  CRON_SET_BACK_MS,
  MIN_CRON_PAUSE_MS,
} from "../../cell_limits.ts";
import { findNextRun } from "../manifest/cron_expression.ts";

/** Why a run is skipped. */
const STILL_RUNNING = "the run before has not ended";

/** A run of `scheduled`. */
export interface ScheduledRun {
  readonly cron: string;
  /** The time of the expression, in Unix milliseconds. */
  readonly scheduledTime: number;
}

/** How the last run of an expression ended. */
export type CronResult = "running" | "ok" | "failed";

/** State of one expression. */
export interface CronState {
  readonly cron: string;
  /** Start of the next run in Unix milliseconds; undefined if there is none. */
  readonly next: number | undefined;
  readonly last?: {
    readonly startedAt: number;
    readonly endedAt?: number;
    readonly result: CronResult;
    /** Why it failed. */
    readonly reason?: string;
  };
  /** Runs that ended without an error, that failed, and that were skipped, since the start. */
  readonly counts: Readonly<Record<"ok" | "failed" | "skipped", number>>;
}

/** Dependencies of a runner. */
export interface CronOptions {
  readonly expressions: readonly string[];
  /** Returns the time of the computer in Unix milliseconds; it can be set. */
  readonly now: () => number;
  /** Returns milliseconds of a clock that only moves forward. */
  readonly elapsed: () => number;
  /**
   * Resolves to true on one of the servers that have the plugin. Absent if there is one server. Rejects if
   * that cannot be found out.
   */
  claim?(run: ScheduledRun): Promise<boolean>;
  /**
   * Runs the plugin; resolves to `busy` if the run before has not ended on another server. Rejects if the
   * run failed.
   */
  run(run: ScheduledRun): Promise<void | "busy">;
  /**
   * Called for the first failure, and for the first skipped run, after a run without an error.
   *
   * @param what `failed`, or `skipped`: the run before still runs, or the servers could not agree
   */
  onFault(what: "failed" | "skipped", run: ScheduledRun, reason: string): void;
}

interface Job {
  readonly cron: string;
  next: number | undefined;
  last: CronState["last"];
  startedElapsed: number;
  readonly counts: Record<"ok" | "failed" | "skipped", number>;
  /** The faults that were reported since the last run without an error. */
  readonly reported: Set<string>;
}

/** The schedule of one plugin. */
export class CronRunner {
  readonly #options: CronOptions;
  readonly #jobs: readonly Job[];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The latest time that the clock has shown. */
  #latest: number;
  #isStopped = false;

  /** Computes the next times; {@link start} begins to wait for them. */
  constructor(options: CronOptions) {
    this.#options = options;
    this.#latest = options.now();
    this.#jobs = options.expressions.map((cron) => ({
      cron,
      next: findNextRun(cron, this.#latest),
      last: undefined,
      startedElapsed: -Infinity,
      counts: { ok: 0, failed: 0, skipped: 0 },
      reported: new Set(),
    }));
  }

  /** The state of each expression, in their order. */
  get states(): readonly CronState[] {
    return this.#jobs.map(({ cron, next, last, counts }) => ({
      cron,
      next,
      ...(last === undefined ? {} : { last }),
      counts: { ...counts },
    }));
  }

  /** Begins to wait for the next runs. */
  start(): void {
    this.#wait();
  }

  /** Starts no further runs. One that runs is not ended. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Starts the runs that are due. Called by the timer. */
  check(): void {
    const now = this.#options.now();
    const isSetBack = now < this.#latest - CRON_SET_BACK_MS;
    this.#latest = isSetBack ? now : Math.max(now, this.#latest);
    for (const job of this.#jobs) {
      if (isSetBack) job.next = findNextRun(job.cron, now);
      if (job.next === undefined || job.next > now) continue;
      // Of the times that have passed, only one of the last minute is run.
      const scheduledTime = findNextRun(job.cron, Math.max(now - CRON_LATE_MS, job.next - 1));
      job.next = findNextRun(job.cron, now);
      if (scheduledTime !== undefined && scheduledTime <= now) {
        this.#begin(job, { cron: job.cron, scheduledTime });
      }
    }
  }

  #begin(job: Job, run: ScheduledRun): void {
    const { elapsed } = this.#options;
    // A clock that is set forth and back again and again must not start a run each time.
    if (elapsed() - job.startedElapsed < MIN_CRON_PAUSE_MS) return;
    const claim = this.#options.claim?.(run);
    if (claim === undefined) return this.#start(job, run);
    claim.then((isOwn) => {
      if (isOwn && !this.#isStopped) this.#start(job, run);
    }, (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#skip(job, run, `the servers could not agree: ${reason}`);
    });
  }

  #start(job: Job, run: ScheduledRun): void {
    const { elapsed, now } = this.#options;
    if (job.last?.result === "running") return this.#skip(job, run, STILL_RUNNING);
    const startedAt = now();
    const before = job.last;
    job.startedElapsed = elapsed();
    job.last = { startedAt, result: "running" };
    this.#options.run(run).then((result) => {
      if (result === "busy") {
        job.last = before;
        return this.#skip(job, run, STILL_RUNNING);
      }
      job.last = { startedAt, endedAt: now(), result: "ok" };
      job.counts.ok++;
      job.reported.clear();
    }, (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      job.last = { startedAt, endedAt: now(), result: "failed", reason };
      job.counts.failed++;
      this.#report(job, "failed", run, reason);
    });
  }

  #skip(job: Job, run: ScheduledRun, reason: string): void {
    job.counts.skipped++;
    this.#report(job, "skipped", run, reason);
  }

  #report(job: Job, what: "failed" | "skipped", run: ScheduledRun, reason: string): void {
    if (this.#isStopped || job.reported.has(what)) return;
    job.reported.add(what);
    this.#options.onFault(what, run, reason);
  }

  #wait(): void {
    if (this.#isStopped) return;
    const now = this.#options.now();
    const next = Math.min(...this.#jobs.map((job) => job.next ?? Infinity));
    // A short wait, because the clock can be set in the meantime.
    const ms = Math.min(Math.max(next - now, 0), CRON_CHECK_MS);
    this.#timer = setTimeout(() => {
      this.check();
      this.#wait();
    }, ms);
    Deno.unrefTimer(Number(this.#timer));
  }
}
