/** Translates errors of `env.sql` into problems. */

import { Problem } from "../kit/problem.ts";

/**
 * Returns the problem for an error of `env.sql.query`.
 *
 * @param name what was queried, as messages name it
 * @param timeoutMs real time that the statement had, in milliseconds
 * @returns an error that `env.sql` does not document, as it is
 */
export function queryProblem(error: unknown, name: string, timeoutMs: number): unknown {
  if (!(error instanceof Error)) return error;
  const cannot = `Cannot query ${name}: `;
  switch (error.name) {
    case "SqliteError":
      return new Problem("bad-body", cannot + error.message);
    case "TimeoutError":
      return new Problem(
        "request-timeout",
        `${cannot}the statement took more than ${
          timeoutMs / 1000
        } s and was stopped; query less data`,
      );
    case "QuotaExceededError":
      return new Problem("body-too-large", cannot + error.message);
    case "Busy":
      return new Problem("unavailable", cannot + error.message, { "retry-after": "1" });
    case "NotFound":
    case "NotADirectory":
      return new Problem("not-found", `${cannot}the file does not exist`);
    case "IsADirectory":
      return new Problem("bad-query", `${cannot}it is a folder`);
    case "TypeError":
    case "NotCapable":
    case "FilesystemLoop":
      return new Problem("forbidden", `${cannot}it is a link that leads out of the mount`);
    case "PermissionDenied":
      return new Problem("forbidden", `${cannot}the server cannot read the file`);
    default:
      return error;
  }
}
