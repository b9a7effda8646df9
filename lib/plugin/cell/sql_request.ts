/**
 * A call of `env.sql` as it arrives from a cell. What it says is read where nothing but the plugin's own
 * folders can be had; here it is bytes, a time, and somebody who may stop waiting.
 */

import type { InboundRequest } from "../wire/rpc_calls.ts";

/** A question as it came from the plugin: bytes its process will read. */
export interface SqlRequest {
  readonly body: InboundRequest["body"];
  /** Real time it may take in milliseconds, as the plugin said it; counted once it is all there. */
  readonly timeoutMs: number;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** See {@link answerSqlRequest}. */
export interface SqlRequestHost {
  /** Answers a question to a database; absent where none may be asked. */
  runSqlRequest?(asked: SqlRequest): Promise<Response>;
  log(level: "log" | "warn" | "error", line: string): void;
}

/**
 * Has a call of `env.sql` answered.
 *
 * @throws {Error} nobody can answer it; the words are for the plugin
 */
export async function answerSqlRequest(
  { head, body, signal }: InboundRequest,
  host: SqlRequestHost,
): Promise<Response> {
  if (host.runSqlRequest === undefined) throw new Error("There is nothing to query here");
  const at = head.headers.indexOf("timeout-ms");
  const timeoutMs = at < 0 ? 0 : Number(head.headers[at + 1]);
  try {
    return await host.runSqlRequest({ body, timeoutMs, signal });
  } catch (error) {
    if (!signal.aborted) host.log("error", `a query failed: ${error}`);
    throw new Error("Cannot query: the machine failed");
  }
}
