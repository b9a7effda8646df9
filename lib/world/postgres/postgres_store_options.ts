/** The options of a store on PostgreSQL. */

import type { EarlyWorker } from "../../base/early_worker.ts";
import type { AttachedWorlds } from "../quota.ts";
import type { World } from "../store.ts";
import type { LongJobLimits } from "../store/long_jobs.ts";
import type { SnapshotLimits } from "../store/snapshot_files.ts";
import type { Redaction } from "../store/sqlite_store_options.ts";
import type { StoreUrl } from "./store_url.ts";

/** Options of `openPostgresStore`. */
export interface PostgresStoreOptions {
  /** The servers of the database. */
  readonly url: StoreUrl;
  /** Name of this node, unique in the cluster. */
  readonly node: string;
  /** Version of the program, for the list of nodes. */
  readonly version?: string;
  /** Signing key of the event chains; that of all nodes. */
  readonly key: string;
  /** Keys that were retired before it, oldest first, with which earlier events verify. */
  readonly retiredKeys?: readonly string[];
  /** The lower-layer worlds by name. */
  readonly lower: ReadonlyMap<string, World>;
  /** URL of the store Worker's module, in which texts are compared. */
  readonly workerUrl: string;
  /** Worker of that module that has been started. */
  readonly reader?: EarlyWorker;
  /** `full`, the default: a confirmed commit is on a standby too, if the database has one. */
  readonly sync?: "full" | "normal";
  /** Limits of the earlier versions of each world. */
  readonly history?: { readonly versions: number; readonly bytes: number };
  /** Maximum size of a world after an append, in bytes. */
  readonly maxWorldBytes?: number;
  /** Maximum size of the cache in bytes. */
  readonly cacheBytes?: number;
  /** `poll` if the database cannot notify, such as behind a pooler. */
  readonly feed?: "notify" | "poll";
  /** How long memory may answer after the lease has ended, in milliseconds; default 0. */
  readonly staleMs?: number;
  /** How long a change waits until its outcome is known, in milliseconds. */
  readonly patienceMs?: number;
  /** Limits of audits and copies. */
  readonly longJobs?: LongJobLimits;
  /** Limits of reads of long bodies. */
  readonly longReads?: LongJobLimits;
  /** Limits of long copies that are being read. */
  readonly snapshots?: SnapshotLimits;
  /** Limits of searches. */
  readonly searches?: LongJobLimits;
  /** Whether only T3 can read a world. */
  readonly isRestricted?: (name: string) => boolean;
  /** How long deleted worlds are kept, in milliseconds; by default for ever. */
  readonly trashMs?: number;
  /** Worlds that count for the quotas of other resources; by default none. */
  readonly attached?: AttachedWorlds;
  /** What is hidden from callers below T3; by default nothing. */
  readonly redaction?: Redaction;
  /** Called if the Worker that compares texts stops; the store must then be closed. */
  readonly onWorkerExit?: (reason: string) => void;
  /**
   * Called once if the store has another key now or was restored, with the end of a sentence. Every change is refused from
   * then on, and the store must be closed.
   */
  readonly onUnusable?: (reason: string) => void;
  /** Writes a line for the operator. */
  readonly log?: (line: string) => void;
}
