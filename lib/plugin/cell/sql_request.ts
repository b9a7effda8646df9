/**
 * A call of `env.sql` as it arrives from a cell. What it says is read where nothing but the plugin's own
 * folders can be had; here it is bytes, a time, and somebody who may stop waiting.
 */

import type { Served } from "../wire/rpc_calls.ts";

/** A question as it came from the plugin: bytes its process will read. */
export interface Asked {
  readonly body: Served["body"];
  /** Real time it may take in milliseconds, as the plugin said it; counted once it is all there. */
  readonly timeoutMs: number;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** See {@link answerQuery}. */
export interface QueryHost {
  /** Answers a question to a database; absent where none may be asked. */
  query?(asked: Asked): Promise<Response>;
  log(level: "log" | "warn" | "error", line: string): void;
}

/**
 * Has a call of `env.sql` answered.
 *
 * @throws {Error} nobody can answer it; the words are for the plugin
 */
export async function answerQuery(
  { head, body, signal }: Served,
  host: QueryHost,
): Promise<Response> {
  if (host.query === undefined) throw new Error("There is nothing to query here");
  const at = head.headers.indexOf("timeout-ms");
  const timeoutMs = at < 0 ? 0 : Number(head.headers[at + 1]);
  try {
    return await host.query({ body, timeoutMs, signal });
  } catch (error) {
    if (!signal.aborted) host.log("error", `a query failed: ${error}`);
    throw new Error("Cannot query: the machine failed");
  }
}
