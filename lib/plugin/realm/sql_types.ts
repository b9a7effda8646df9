/** The values, options and results of `env.sql`. Types only: the plugin and the query process share them. */

/** What a parameter may be. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** What a query may give and take. */
export interface SqlOptions {
  /** Rows returned at most, 1000 unless told. */
  readonly maxRows?: number;
  /** Bytes of all values returned at most, 16 MiB unless told. */
  readonly maxBytes?: number;
  /** Real time in milliseconds, 2000 unless told; then the query's process is ended. */
  readonly timeoutMs?: number;
  /**
   * For files. `true` reads a consistent copy in memory, without a lock and without leaving anything
   * next to the file; `false` opens the file itself; unless told, whichever works.
   */
  readonly copy?: boolean;
}

/** Rows as arrays in the order of `columns`. */
export interface SqlResult {
  readonly columns: string[];
  /** Integers beyond 2^53 come as text. */
  readonly rows: (string | number | null | Uint8Array)[][];
  /** There were more rows than asked for. */
  readonly truncated: boolean;
}
