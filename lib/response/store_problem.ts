/**
 * Converts errors of the store to problems. Adds the action and the name of the world. Details
 * about the disk are kept for the server log.
 */

import { Problem, type ProblemType } from "../http/problem.ts";
import { DamagedRows } from "../world/damaged_rows.ts";
import { QuotaError } from "../world/quota_list.ts";
import { StoreError } from "../world/store.ts";
import { CommitsWait, STANDBY_MISSING } from "../world/commits_wait.ts";

const TYPES: Record<StoreError["code"], ProblemType> = {
  "precondition": "precondition-failed",
  "absent": "not-found",
  "gone": "gone",
  "invalid": "unprocessable",
  "malformed": "bad-body",
  "conflict": "patch-conflict",
  "too-large": "body-too-large",
  "over-limit": "unavailable",
  "quota": "quota-exceeded",
  "lower": "lower-layer",
  "full": "insufficient-storage",
  "damaged": "world-damaged",
  "other-key": "other-key",
  "busy": "unavailable",
  "in-use": "unavailable",
  "read-only": "unavailable",
  "index-lost": "unavailable",
  "claimed": "unprocessable",
  "repeated": "unavailable",
  "unreachable": "unreachable",
  "unknown": "outcome-unknown",
  "unusable": "unavailable",
  "detached": "unavailable",
  "closed": "unavailable",
};

/**
 * Seconds after which a request can be repeated. None for an unknown outcome: a client that repeats the
 * request without a look could make the change twice.
 */
const RETRY_AFTER: Partial<Record<ProblemType, string>> = {
  "unavailable": "5",
  "unreachable": "1",
};

/** Verb of each method, for the detail of a problem. */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ["GET", "read"],
  ["HEAD", "read"],
  ["PUT", "write"],
  ["POST", "append to"],
  ["PATCH", "edit"],
  ["DELETE", "delete"],
]);

/**
 * Converts an error of the store to a problem.
 *
 * @param error what was thrown
 * @param method method of the request, such as `PUT`
 * @param path path of the request; used if the error does not name a world
 * @param canReadQuota whether the caller may learn how much of a quota is used; by default it may not
 * @returns the problem; any value that is not a `StoreError` unchanged
 */
export function toStoreProblem(
  error: unknown,
  method: string,
  path: string,
  canReadQuota: (subject: string) => boolean = () => false,
): unknown {
  if (!(error instanceof StoreError)) return error;
  const { code, world } = error;
  const seconds = RETRY_AFTER[TYPES[code]];
  const action = ACTIONS.get(method) ?? method;
  const subject = world === undefined ? path : `/${world}`;
  const problem = new Problem(
    TYPES[code],
    `Cannot ${action} ${subject}: ${explain(error, canReadQuota)}`,
    seconds === undefined ? {} : { "retry-after": seconds },
  );
  // The message of the store is for the log only: it may contain paths of files.
  problem.cause = error;
  return problem;
}

function explain(error: StoreError, canReadQuota: (subject: string) => boolean): string {
  if (error instanceof QuotaError) {
    const { used, subject, unit } = error.fault;
    return error.message +
      (unit !== "trash" && canReadQuota(subject) ? `; ${used} ${unit} are used now` : "");
  }
  if (error instanceof DamagedRows) {
    return `${error.fault}; a backup or the trash may have a copy`;
  }
  if (error instanceof CommitsWait) return `${STANDBY_MISSING}; nothing was changed, try again`;
  switch (error.code) {
    case "full":
      return "the disk of the server is full; nothing was changed";
    case "damaged":
      return "its file cannot be read; the server log has the reason, a backup or the trash may have a copy";
    case "in-use":
      return "another process has locked its file; nothing was changed, try again later";
    case "read-only":
      return "its file or the disk of the server is read-only; nothing was changed";
    case "detached":
      return "the data folder was moved or replaced, and the server stops; nothing was confirmed";
    case "unreachable":
      return "the server cannot reach its database; nothing was changed, try again";
    case "unknown":
      return "the database did not confirm the change in time, so it may have been made; read the " +
        "world, or repeat the request with If-Match or with the same Idempotency-Key";
    case "lower":
      return "it belongs to the read-only lower layer; a PUT covers it";
    case "closed":
      return "the server is shutting down";
    default:
      return error.message.replace(/^Cannot [^:]*: /, "");
  }
}
