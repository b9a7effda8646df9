/**
 * A subrequest of `env.sql` as it arrives from a cell. The server must not parse the query: it
 * forwards the bytes to a query process, which has the plugin's read permissions only.
 */

import type { InboundRequest } from "../wire/rpc_calls.ts";

/** An encoded query of a plugin, which the query process decodes. */
export interface SqlRequest {
  readonly body: InboundRequest["body"];
  /**
   * Time limit in milliseconds, as the plugin passed it; not validated. It starts when the whole
   * body has been sent.
   */
  readonly timeoutMs: number;
  /** Aborts when the result is not needed any more. */
  readonly signal: AbortSignal;
}

/** Dependencies of {@link answerSqlRequest}. */
export interface SqlRequestHost {
  /** Runs a query; absent if the cell must not send queries. */
  runSqlRequest?(request: SqlRequest): Promise<Response>;
  log(level: "log" | "warn" | "error", line: string): void;
}

/**
 * Answers a subrequest of `env.sql`.
 *
 * @throws {Error} the query cannot be run; the message is for the plugin
 */
export async function answerSqlRequest(
  { head, body, signal }: InboundRequest,
  host: SqlRequestHost,
): Promise<Response> {
  if (host.runSqlRequest === undefined) {
    throw new Error("Cannot query: queries are not available here");
  }
  const at = head.headers.indexOf("timeout-ms");
  const timeoutMs = at < 0 ? 0 : Number(head.headers[at + 1]);
  try {
    return await host.runSqlRequest({ body, timeoutMs, signal });
  } catch (error) {
    if (!signal.aborted) host.log("error", `a query failed: ${error}`);
    throw new Error("Cannot query: the server failed");
  }
}
