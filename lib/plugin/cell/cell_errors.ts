/**
 * Converts failures of a cell to problems for the caller (RFC 9457). A problem says that the plugin
 * failed, how, and whether to try again. It must not contain text of the plugin, which goes to the
 * log.
 */

import { CELL_SPAWN_RETRY_MS } from "../../cell_limits.ts";
import { Problem } from "../../http/problem.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import { FileChanged } from "./file_body.ts";
import { CallerEndedError, CellEndedError, ResponseTimeoutError } from "./cell_run.ts";
import { UnreadResponseError } from "./unread_responses.ts";

const ENDS: Record<Exclude<CellEndedError["kind"], "stopped" | "spawn">, string> = {
  unfit: "its source cannot be loaded",
  start: "it was not ready in time",
  silence: "it stopped responding",
  memory: "it exceeded its memory limit",
  protocol: "it violated the protocol of its cell",
  crash: "its cell crashed",
};

/**
 * Converts an error to a problem. An error of another kind is returned unchanged.
 *
 * @param error what `CellRun` threw
 * @param name name of the plugin
 */
export function toCellProblem(error: unknown, name: string): unknown {
  if (error instanceof RpcError) {
    return new Problem(
      "bad-gateway",
      `Cannot call the plugin ${name}: it failed; its message is in /proc/plugins/${name}/log`,
    );
  }
  if (error instanceof ResponseTimeoutError) {
    return new Problem(
      "gateway-timeout",
      `Cannot call the plugin ${name}: ${error.message}`,
    );
  }
  if (error instanceof CellEndedError) {
    if (error.kind === "stopped") return createStoppedProblem();
    if (error.kind === "spawn") return createNotStartedProblem(name, CELL_SPAWN_RETRY_MS);
    const late = error.kind === "silence" || error.kind === "start";
    return new Problem(
      late ? "gateway-timeout" : "bad-gateway",
      `Cannot call the plugin ${name}: ${ENDS[error.kind]}; send the request again, or read ` +
        `/proc/plugins/${name}/log`,
    );
  }
  if (error instanceof FileChanged) {
    return new Problem(
      "unavailable",
      `Cannot send the file of the plugin ${name}: it changes while it is opened; send the request again`,
      { "retry-after": "1" },
    );
  }
  if (error instanceof RangeError) {
    return new Problem(
      "bad-header",
      "Cannot call the plugin: the URL and headers are too long or contain control characters",
    );
  }
  return error;
}

/**
 * Describes why the body of a response ended early, for the log. These are failures of a plugin, or
 * ends that were intended, so a stack of the server would not help.
 *
 * @param error what the body failed with
 * @returns one line; `""` if nothing failed, because the operator, the credential or the client ended
 * the response; undefined for an error that is not one of a cell
 */
export function describeBodyEnd(error: unknown): string | undefined {
  if (error instanceof CallerEndedError || error instanceof UnreadResponseError) return "";
  const early = "the response of a plugin ended early";
  if (error instanceof CellEndedError) {
    if (error.kind === "stopped") return "";
    // Without its message, which can contain output of the plugin; the event of the cell has it.
    return error.kind === "spawn" ? early : `${early}: ${ENDS[error.kind]}`;
  }
  if (error instanceof FileChanged) return `${early}: its file changed: ${error.message}`;
  // `readText` has escaped control characters in the message.
  return error instanceof RpcError ? `${early}: ${error.message}` : undefined;
}

/**
 * Creates the problem for a request that waited too long to be passed to the plugin.
 *
 * @param name name of the plugin
 * @param waitedFor what the request waited for, as a clause: `64 requests are open`
 * @param ms milliseconds that it waited
 */
export function createBusyProblem(name: string, waitedFor: string, ms: number): Problem {
  return new Problem(
    "unavailable",
    `Cannot call the plugin ${name}: ${waitedFor}, and after ${ms} ms the request was still ` +
      "waiting; send the request again later",
    { "retry-after": String(Math.max(1, Math.ceil(ms / 1000))) },
  );
}

/**
 * Creates the problem for a request to a plugin whose process the system did not create.
 *
 * @param name name of the plugin
 * @param ms milliseconds until the next attempt
 */
export function createNotStartedProblem(name: string, ms: number): Problem {
  return new Problem(
    "unavailable",
    `Cannot call the plugin ${name}: the server cannot start its process; send the request again later`,
    { "retry-after": String(Math.max(1, Math.ceil(ms / 1000))) },
  );
}

/** Creates the problem for a request to a stopped plugin. */
export function createStoppedProblem(): Problem {
  return new Problem("unavailable", "Cannot call the plugin: it has been stopped", {
    "retry-after": "1",
  });
}
