/**
 * The store's errors as problems for whoever spoke HTTP. It adds the action and the world's name,
 * and keeps what concerns the disk alone for the server's log.
 */

import { StoreError } from "../world/store.ts";
import { Problem, type ProblemType } from "../http/problem.ts";

const TYPES: Record<StoreError["code"], ProblemType> = {
  "precondition": "precondition-failed",
  "absent": "not-found",
  "gone": "gone",
  "too-large": "body-too-large",
  "lower": "lower-layer",
  "full": "insufficient-storage",
  "damaged": "world-damaged",
  "busy": "unavailable",
  "closed": "unavailable",
};

/**
 * The problem of a failed store call; anything that is not a `StoreError` comes back as it is.
 *
 * @param action what was tried, `write`
 * @param path the world's path
 */
export function storeProblem(error: unknown, action: string, path: string): unknown {
  if (!(error instanceof StoreError)) return error;
  const headers = error.code === "closed" || error.code === "busy" ? { "retry-after": "5" } : {};
  const detail = `Cannot ${action} ${path}: ${words(error)}`;
  const problem = new Problem(TYPES[error.code], detail, headers);
  // What the store said is for the log alone: it may name files.
  problem.cause = error;
  return problem;
}

function words(error: StoreError): string {
  switch (error.code) {
    case "full":
      return "no space is left on the machine's disk; what was stored is unchanged";
    case "damaged":
      return "its file cannot be read; the server's log says why, and a backup or the trash may help";
    case "lower":
      return "it belongs to the read-only lower layer; a PUT covers it";
    case "closed":
      return "the machine is shutting down";
    default:
      return error.message.replace(/^Cannot [^:]*: /, "");
  }
}
