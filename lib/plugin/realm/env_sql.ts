/**
 * `env.sql`: read-only queries of SQLite databases. Each query runs in a separate process, so one
 * that never ends does not block other requests of the plugin. This module must not open a database
 * or check a path: the query process does, with the plugin's read permissions.
 */

import { QUERY_TIMEOUT_MS } from "../../cell_limits.ts";
import { decodeSqlResult, encodeSqlQuery } from "./sql_codec.ts";
import type { EnvFetch } from "./env_fetch.ts";
import type { SqlOptions, SqlResult, SqlValue } from "./sql_types.ts";

/** `env.sql`. */
export interface Sql {
  /**
   * Runs one read-only statement.
   *
   * @param source absolute path of a SQLite file in a granted folder, or a database as bytes
   * @param sql one statement that returns rows
   * @param params values by position, or by name without the prefix `:`, `@` or `$`
   * @throws {Error} the `name` is the reason: `SqliteError` (the statement is invalid or does more
   * than read), `TimeoutError`, `QuotaExceededError` (rows, database or memory exceed a limit),
   * `Busy` (another program is writing the file, or too many queries wait), `NotFound`, `TypeError`
   * or `NotCapable` (the path is outside the granted folders)
   */
  query(
    source: string | Uint8Array | ReadableStream<Uint8Array>,
    sql: string,
    params?: readonly SqlValue[] | Readonly<Record<string, SqlValue>>,
    options?: SqlOptions,
  ): Promise<SqlResult>;
}

/**
 * Creates `env.sql`.
 *
 * @param sendQuery sends a query to the server
 */
export function createEnvSql(sendQuery: EnvFetch): Sql {
  return Object.freeze({
    async query(
      source: string | Uint8Array | ReadableStream<Uint8Array>,
      sql: string,
      params: readonly SqlValue[] | Readonly<Record<string, SqlValue>> = [],
      options: SqlOptions = {},
    ): Promise<SqlResult> {
      if (typeof sql !== "string") throw new TypeError("Cannot query: sql is not a string");
      const { timeoutMs = QUERY_TIMEOUT_MS, ...bounds } = options;
      const response = await sendQuery("/query", {
        method: "POST",
        headers: { "timeout-ms": String(timeoutMs) },
        body: encodeSqlQuery({ sql, params, ...bounds }, source),
      });
      return decodeSqlResult(await response.text());
    },
  });
}
