/** Finds the problem that has a status code, to describe a response that has no problem itself. */

import type { ProblemKind } from "./problem.ts";
import { PROBLEMS } from "./problem_types.ts";

/**
 * Finds a problem type of the server by its status code.
 *
 * @returns the first type with this status; undefined if no type has it
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { problemOfStatus } from "./problem_of_status.ts";
 *
 * strictEqual(problemOfStatus(409)?.type, "/usr/share/doc/problems/conflict.md");
 * strictEqual(problemOfStatus(418), undefined);
 * ```
 */
export function problemOfStatus(status: number): ProblemKind | undefined {
  for (const [type, problem] of Object.entries(PROBLEMS)) {
    if (problem.status === status) {
      return { type: `/usr/share/doc/problems/${type}.md`, ...problem };
    }
  }
  return undefined;
}
