/** The options of a store on SQLite files, and their defaults. */

import {
  HISTORY_BYTES,
  HISTORY_VERSIONS,
  LOCK_WAIT_MS,
  LONG_JOBS,
  LONG_JOBS_WAITING,
  LONG_JOBS_WAITING_PER_CLIENT,
  LONG_READS,
  LONG_READS_WAITING,
  LONG_READS_WAITING_PER_CLIENT,
  MAX_OPEN_WORLDS_PER_WORKER,
  MAX_WORLD_BYTES,
} from "../../limits.ts";
import { SEARCHES, SEARCHES_WAITING, SEARCHES_WAITING_PER_CLIENT } from "../../search_limits.ts";
import type { EarlyWorker } from "../../base/early_worker.ts";
import type { DataFolder } from "../file/data_folder.ts";
import type { AttachedWorlds } from "../quota.ts";
import type { World } from "../store.ts";
import type { LongJobLimits } from "./long_jobs.ts";
import type { SnapshotLimits } from "./snapshot_files.ts";

/** Default limits of the earlier versions of each world. */
export const DEFAULT_HISTORY = { versions: HISTORY_VERSIONS, bytes: HISTORY_BYTES };
/** Default limits of audits and copies. */
export const DEFAULT_LONG_JOBS: LongJobLimits = {
  running: LONG_JOBS,
  waiting: LONG_JOBS_WAITING,
  waitingPerClient: LONG_JOBS_WAITING_PER_CLIENT,
};
/** Default limits of searches. */
export const DEFAULT_SEARCHES: LongJobLimits = {
  running: SEARCHES,
  waiting: SEARCHES_WAITING,
  waitingPerClient: SEARCHES_WAITING_PER_CLIENT,
};
/** Default limits of reads of long bodies. */
export const DEFAULT_LONG_READS: LongJobLimits = {
  running: LONG_READS,
  waiting: LONG_READS_WAITING,
  waitingPerClient: LONG_READS_WAITING_PER_CLIENT,
};

/** Options of `openSqliteStore`. */
export interface SqliteStoreOptions {
  /** The locked data folder; the store releases it when it is closed. */
  readonly folder: DataFolder;
  /** The Worker of the indexes starts after it, and its jobs wait. It must resolve before the end. */
  readonly indexAfter?: Promise<void>;
  /** Signing key of the event chains. */
  readonly key: string;
  /** Keys that signed earlier events, oldest first; default none. */
  readonly retiredKeys?: readonly string[];
  /** The lower-layer worlds by name. */
  readonly lower: ReadonlyMap<string, World>;
  /** URL of the store Worker's module. */
  readonly workerUrl: string;
  /** Worker of that module that has been started and becomes the reader. */
  readonly reader?: EarlyWorker;
  /** Number of writer Workers; default 2. */
  readonly writers?: number;
  /** SQLite's `synchronous` setting; `full`, the default, syncs each commit. */
  readonly sync?: "full" | "normal";
  /** Limits of the earlier versions of each world. */
  readonly history?: { readonly versions: number; readonly bytes: number };
  /** Maximum size of a world after an append, in bytes. */
  readonly maxWorldBytes?: number;
  /** Maximum size of the cache in bytes. */
  readonly cacheBytes?: number;
  /** Maximum number of files that each writer keeps open. */
  readonly handles?: number;
  /** Whether the Workers start at once; by default each starts with its first job. */
  readonly startAtOnce?: boolean;
  /** How long an operation waits for a world that another process has locked, in milliseconds. */
  readonly lockWaitMs?: number;
  /** Limits of audits and copies. */
  readonly longJobs?: LongJobLimits;
  /** Limits of reads of long bodies. */
  readonly longReads?: LongJobLimits;
  /** Limits of long copies that are being read. */
  readonly snapshots?: SnapshotLimits;
  /** Whether only T3 can read a world; the change index keeps such worlds apart. */
  readonly isRestricted?: (name: string) => boolean;
  /** How long deleted worlds are kept, in milliseconds; by default for ever. */
  readonly trashMs?: number;
  /** Limits of searches. */
  readonly searches?: LongJobLimits;
  /** Worlds that count for the quotas of other resources; by default none. */
  readonly attached?: AttachedWorlds;
  /** What is hidden from callers below T3; by default nothing. */
  readonly redaction?: Redaction;
  /** Called once if a Worker stops; all later calls fail with `closed`. */
  readonly onWorkerExit?: (reason: string) => void;
  /**
   * Called once if the data folder was moved or replaced; then the store must be closed. No change
   * is acknowledged any more.
   */
  readonly onDetached?: (fault: string) => void;
  /** Writes a line for the operator. */
  readonly log?: (line: string) => void;
}

/** Returns what the Workers of a store are told, with the defaults of options that are absent. */
export function toWorkerSetup(options: SqliteStoreOptions) {
  const { folder: { path, identity } } = options;
  return {
    data: path,
    ...(identity === undefined ? {} : { identity }),
    key: options.key,
    retiredKeys: options.retiredKeys ?? [],
    sync: options.sync ?? "full",
    history: options.history ?? DEFAULT_HISTORY,
    maxWorldBytes: options.maxWorldBytes ?? MAX_WORLD_BYTES,
    handles: options.handles ?? MAX_OPEN_WORLDS_PER_WORKER,
    lockWaitMs: options.lockWaitMs ?? LOCK_WAIT_MS,
  } as const;
}

/** What is hidden from callers below T3. */
export interface Redaction {
  /** Whether something can be hidden in a world. */
  readonly isRedacted: (name: string) => boolean;
  /** The world as these callers see it; the same object if nothing is hidden. */
  readonly redact: (world: World) => World;
}

/** Nothing is hidden. */
export const NO_REDACTION: Redaction = { isRedacted: () => false, redact: (world) => world };
