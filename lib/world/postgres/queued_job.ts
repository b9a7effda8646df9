/** Changes that wait for their batch. Types only. */

import type { WriteResult } from "../change/write_job.ts";
import type { BatchEvent } from "./batch_arguments.ts";
import type { StoreJob } from "./stage_batch.ts";

/** A change that is on disk. */
export interface Committed {
  readonly result: WriteResult;
  /** What it changed: first the world of its name. Empty for an edit that changed nothing. */
  readonly changes: readonly CommittedChange[];
  /** Id of its batch; 0 if it changed nothing. */
  readonly batch: number;
}

/** A world that a change has changed. */
export interface CommittedChange {
  /** Id of the world. */
  readonly world: number;
  readonly updatedAt: string;
  /** The events of the change, as they are in the table. */
  readonly events: readonly BatchEvent[];
}

/** What a job was judged by: the versions of the WebDAV locks, and of what gives authority. */
export interface Judged {
  readonly guard: number;
  readonly authority: number;
}

/** A job that waits for its end. */
export interface QueuedJob {
  readonly job: StoreJob;
  /** When its caller is told that the outcome is not known, by the monotonic clock in milliseconds. */
  readonly until: number;
  /** What it was judged by last. */
  guard: Judged;
  /**
   * Settles when what the job is judged by is known; undefined if it is. Until then {@link judge} returns
   * numbers that the database refuses.
   */
  readonly pending: () => Promise<void> | undefined;
  /**
   * Judges the job by the WebDAV locks and the accounts of now; called right before it is sent.
   *
   * @returns the numbers that they belong to
   * @throws why it is not permitted any more
   */
  judge(): Judged;
  settle(committed: Committed): void;
  fail(error: unknown): void;
}

/** Jobs that change the same worlds, in their order. */
export interface QueuedUnit {
  readonly names: readonly string[];
  jobs: readonly QueuedJob[];
}
