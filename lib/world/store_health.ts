/** What a store knows of its own state, without asking anything. Types only. */

/** The state of a store. */
export interface StoreHealth {
  readonly engine: "sqlite" | "postgres";
  /** As `Store.readable`. */
  readonly readable: boolean;
  /** Present if the store is shared. */
  readonly cluster?: ClusterHealth;
}

/** How a server and its database servers get on. */
export interface ClusterHealth {
  /** Host and port of the primary; absent while none is known. */
  readonly primary?: string;
  /** PostgreSQL's number of the history that the primary writes; absent while none is known. */
  readonly timeline?: number;
  /** Age of what memory has, in milliseconds; Infinity before the first answer of the database. */
  readonly leaseAgeMs: number;
  /** Whether memory answers although it can be further behind than the lease allows. */
  readonly isStale?: boolean;
  /** Whether the database answers, and its commits wait for a synchronous standby. */
  readonly commitsWait?: boolean;
  /** Time since the change feed was read and applied, in milliseconds; Infinity before the first time. */
  readonly feedLagMs: number;
  /** Open sessions with the database. */
  readonly sessions: number;
}
