/**
 * The errors of the store as problems. It adds the action and the name of the world, and keeps what only
 * concerns the disk for the server's log.
 */

import { Problem, type ProblemType } from "../http/problem.ts";
import { StoreError } from "../world/store.ts";

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

/** The action of each method, for the detail of a problem. */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ["GET", "read"],
  ["HEAD", "read"],
  ["PUT", "write"],
  ["POST", "append to"],
  ["DELETE", "delete"],
]);

/**
 * The problem of a failed store call; anything that is not a `StoreError` comes back as it is.
 *
 * @param method method of the request, `PUT`
 * @param path path of the request; used if the error does not name a world
 */
export function toStoreProblem(error: unknown, method: string, path: string): unknown {
  if (!(error instanceof StoreError)) return error;
  const { code, world } = error;
  const headers = code === "closed" || code === "busy" ? { "retry-after": "5" } : {};
  const action = ACTIONS.get(method) ?? method;
  const subject = world === undefined ? path : `/${world}`;
  const problem = new Problem(TYPES[code], `Cannot ${action} ${subject}: ${words(error)}`, headers);
  // The message of the store is for the log only: it may name files.
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
