/**
 * `env.sql`: questions to SQLite databases, put to a process of their own. Nothing is opened here and
 * nothing waits here: a query that never ends costs itself and no other request of its plugin. What
 * may be opened is decided where it is opened; nothing in this room is worth forging.
 */

import { decodeSqlResult, encodeSqlQuery } from "./sql_codec.ts";
import type { EnvFetch } from "./env_fetch.ts";
import type { SqlOptions, SqlResult, SqlValue } from "./sql_types.ts";

/** `env.sql`. */
export interface Sql {
  /**
   * Asks one reading statement.
   *
   * @param source the absolute path of a SQLite file in a granted folder, or a database as bytes
   * @param params by position, or by name without its `:`, `@` or `$`
   * @throws {Error} its `name` says why: `SqliteError` (the statement), `TimeoutError`,
   * `QuotaExceededError` (rows too large, database too long, too much memory), `Busy` (it is being
   * written), `NotFound`, `TypeError` or `NotCapable` (it lies outside the granted folders)
   */
  query(
    source: string | Uint8Array | ReadableStream<Uint8Array>,
    sql: string,
    params?: readonly SqlValue[] | Readonly<Record<string, SqlValue>>,
    options?: SqlOptions,
  ): Promise<SqlResult>;
}

const TIMEOUT_MS = 2000;

/** Makes `env.sql` from the way to the host. */
export function createEnvSql(ask: EnvFetch): Sql {
  return Object.freeze({
    async query(
      source: string | Uint8Array | ReadableStream<Uint8Array>,
      sql: string,
      params: readonly SqlValue[] | Readonly<Record<string, SqlValue>> = [],
      options: SqlOptions = {},
    ): Promise<SqlResult> {
      if (typeof sql !== "string") throw new TypeError("Cannot query: the SQL is not a string");
      const { timeoutMs = TIMEOUT_MS, ...bounds } = options;
      const response = await ask("/query", {
        method: "POST",
        headers: { "timeout-ms": String(timeoutMs) },
        body: encodeSqlQuery({ sql, params, ...bounds }, source),
      });
      return decodeSqlResult(await response.text());
    },
  });
}
