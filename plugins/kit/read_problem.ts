/** Reads a problem response (RFC 9457) of the server, to pass it on to the caller. */

import { parseRecord } from "./json_record.ts";
import { Problem } from "./problem.ts";
import { readStart } from "./read_start.ts";

/** Longest problem that is read, in bytes. */
const MAX_PROBLEM_BYTES = 64 * 1024;
/** Headers of a problem that the caller needs. */
const PROBLEM_HEADERS = ["www-authenticate", "retry-after"];

/**
 * Reads the problem in a response, with its `WWW-Authenticate` and `Retry-After` headers. The body of
 * the response is read or cancelled in any case.
 *
 * @returns the problem; undefined if the body is not a problem in JSON
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { Problem, problemResponse } from "./problem.ts";
 * import { readProblem } from "./read_problem.ts";
 *
 * const sent = new Problem("unavailable", "Cannot write /x: busy", { "retry-after": "1" });
 * const read = await readProblem(problemResponse(sent, null));
 * strictEqual(read?.message, sent.message);
 * strictEqual(read?.headers["retry-after"], "1");
 * ```
 */
export async function readProblem(response: Response): Promise<Problem | undefined> {
  const { bytes } = await readStart(response, MAX_PROBLEM_BYTES);
  const { type, title, detail } = parseRecord(new TextDecoder().decode(bytes)) ?? {};
  if (typeof type !== "string" || typeof title !== "string" || typeof detail !== "string") {
    return undefined;
  }
  return new Problem({ type, status: response.status, title }, detail, problemHeaders(response));
}

/**
 * Copies the headers of a problem response that the caller needs.
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { problemHeaders } from "./read_problem.ts";
 *
 * const response = new Response(null, { headers: { "retry-after": "5", "x-other": "no" } });
 * deepStrictEqual(problemHeaders(response), { "retry-after": "5" });
 * ```
 */
export function problemHeaders({ headers }: Response): Record<string, string> {
  const copied: Record<string, string> = {};
  for (const name of PROBLEM_HEADERS) {
    const value = headers.get(name);
    if (value !== null) copied[name] = value;
  }
  return copied;
}
