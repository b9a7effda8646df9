/**
 * Types of `env.sql`: values, options and results. The plugin and the query process share them.
 * This module must contain types only.
 */

/** Value of a parameter. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** Limits and options of a query. */
export interface SqlOptions {
  /** Largest number of rows returned; default 1000. */
  readonly maxRows?: number;
  /** Largest number of bytes of all returned values; default 16 MiB. */
  readonly maxBytes?: number;
  /** Wall-clock time in milliseconds after which the query process is killed; default 2000. */
  readonly timeoutMs?: number;
  /**
   * For files. `true`: read a consistent copy in memory, without a lock and without creating files
   * next to the database. `false`: open the file itself. Default: the one that works.
   */
  readonly copy?: boolean;
}

/** Result of a query. */
export interface SqlResult {
  readonly columns: string[];
  /** Values of each row in the order of `columns`. An integer beyond 2^53 is a string. */
  readonly rows: (string | number | null | Uint8Array)[][];
  /** Whether there are more rows than `maxRows`. */
  readonly truncated: boolean;
}
