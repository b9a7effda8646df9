/** Figures about a store. Types only. */

import type { QuotaCounts } from "./quota.ts";
import type { SearchFileCounts } from "./search.ts";
import type { TrashCounts } from "./trash.ts";

/** Figures about audits and copies. */
export interface LongJobCounts {
  /** Jobs that run now, and jobs that wait. */
  readonly running: number;
  readonly waiting: number;
  /** Calls since the start that joined a job of another caller. */
  readonly shared: number;
  /** Jobs since the start that stopped because no caller waited for them. */
  readonly stopped: number;
  /** Calls since the start that were refused because too many jobs were waiting, by limit. */
  readonly refused: RefusedByLimit;
}

/** Refusals since the start: by the limit for all clients, and by the limit for one client. */
export interface RefusedByLimit {
  readonly total: number;
  readonly client: number;
}

/** Figures about long copies of worlds that are being read. */
export interface SnapshotCounts {
  /** Copies that are being read now. */
  readonly open: number;
  /** Copies since the start that were refused because too many were being read. */
  readonly refused: RefusedByLimit;
  /** Copies since the start that ended because their receiver did not read them. */
  readonly stalled: number;
}

/** Figures about a store since its start; see `Store.counts`. */
export interface StoreCounts {
  /** Reads that were answered from memory, and bytes of worlds that are in memory now. */
  readonly cacheHits: number;
  readonly cacheBytes: number;
  /** Reads of a world from disk. */
  readonly diskReads: number;
  /** Events that were appended without a change of their world. */
  readonly notes: number;
  /** Short reads that wait for the disk now. */
  readonly queuedReads: number;
  /** Operations that failed because another process had locked a world. */
  readonly lockFailures: number;
  /** Changes that were refused because their world would be too large. */
  readonly tooLarge: number;
  readonly longJobs: LongJobCounts;
  /** Changes that were refused because another key signed the chain of the world. */
  readonly refusedOtherKey: number;
  /** Reads of long bodies from disk. */
  readonly longReads: LongJobCounts;
  readonly snapshots: SnapshotCounts;
  readonly search: SearchCounts;
  readonly trash: TrashCounts;
  readonly quotas: QuotaCounts;
}

/** Figures about searches and their index. */
export interface SearchCounts extends SearchFileCounts {
  /** Worlds that the index does not have in their current version. */
  readonly pending: number;
  /** Searches that were answered since the start. */
  readonly answered: number;
  readonly jobs: LongJobCounts;
}
