/**
 * What a caller may know when a plugin failed them: that it did, how, and whether to ask again. The
 * plugin's own words go to the log; they may hold anything.
 */

import { Problem } from "../../http/problem.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import { FileChanged } from "./file_body.ts";
import { CellEndedError, ResponseTimeoutError } from "./cell_run.ts";

const ENDS: Record<Exclude<CellEndedError["kind"], "stopped">, string> = {
  unfit: "its source cannot be loaded",
  start: "it was not ready in time",
  silence: "it stopped answering",
  memory: "it held more memory than it may",
  protocol: "it broke the rules of its cell",
  crash: "its cell ended by itself",
};

/**
 * The refusal for a failure of a cell; anything else is given back as it is.
 *
 * @param name the plugin's
 */
export function toCellProblem(error: unknown, name: string): unknown {
  if (error instanceof RpcError) {
    return new Problem("bad-gateway", `The plugin ${name} failed to answer; the log has its words`);
  }
  if (error instanceof ResponseTimeoutError) {
    return new Problem(
      "gateway-timeout",
      `The plugin ${name} gave ${error.message}; the request was given up`,
    );
  }
  if (error instanceof CellEndedError) {
    if (error.kind === "stopped") return createStoppedProblem();
    const late = error.kind === "silence" || error.kind === "start";
    return new Problem(
      late ? "gateway-timeout" : "bad-gateway",
      `The plugin ${name} was ended while it had the request: ${ENDS[error.kind]}; ask again`,
    );
  }
  if (error instanceof FileChanged) {
    return new Problem(
      "unavailable",
      `The plugin ${name} answered with a file that keeps changing while it is opened; ask again`,
      { "retry-after": "1" },
    );
  }
  if (error instanceof RangeError) {
    return new Problem(
      "bad-header",
      "Cannot pass the request on: its URL and headers are too long, or hold control characters",
    );
  }
  return error;
}

/** The refusal of a plugin that is not there any more. */
export function createStoppedProblem(): Problem {
  return new Problem("unavailable", "Cannot ask the plugin: it has been stopped", {
    "retry-after": "1",
  });
}
