/**
 * Problem details (RFC 9457): the table of problem types, the error that carries one, and the
 * function that turns it into a response. A detail names the action, the state that was found and
 * what would have been enough. It must never contain a secret, a stack, or a path of the server's
 * disk.
 */

import { UNCACHED_HEADERS } from "./headers.ts";
import { prefersText } from "./negotiate.ts";

const encoder = new TextEncoder();

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/**
 * Every problem type of the server. Each has a page `/usr/share/doc/problems/<type>.md` whose heading
 * is the status and the title. A title is a noun phrase or a short statement of at most six words.
 */
export const PROBLEMS = {
  "bad-path": { status: 400, title: "Ambiguous path" },
  "bad-name": { status: 400, title: "Invalid world name" },
  "bad-query": { status: 400, title: "Invalid query parameter" },
  "bad-header": { status: 400, title: "Invalid request header" },
  "bad-metadata": { status: 400, title: "Invalid X-Meta header" },
  "bad-body": { status: 400, title: "Invalid request body" },
  "unauthorized": { status: 401, title: "Credential required" },
  "forbidden": { status: 403, title: "Insufficient permission" },
  "foreign-origin": { status: 403, title: "Request from another site" },
  "unknown-host": { status: 403, title: "Unknown Host header" },
  "lower-layer": { status: 403, title: "World in the read-only lower layer" },
  "not-found": { status: 404, title: "Not found" },
  "method-not-allowed": { status: 405, title: "Method not allowed" },
  "not-acceptable": { status: 406, title: "No acceptable representation" },
  "request-timeout": { status: 408, title: "Request timeout" },
  "conflict": { status: 409, title: "Conflict with the current state" },
  "patch-conflict": { status: 409, title: "Edit does not apply" },
  "other-key": { status: 409, title: "Events signed with another key" },
  "gone": { status: 410, title: "Version no longer available" },
  "precondition-failed": { status: 412, title: "Precondition failed" },
  "body-too-large": { status: 413, title: "Content too large" },
  "uri-too-long": { status: 414, title: "URL too long" },
  "unsupported-media-type": { status: 415, title: "Unsupported media type" },
  "range-not-satisfiable": { status: 416, title: "Range not satisfiable" },
  "unprocessable": { status: 422, title: "Unprocessable content" },
  "idempotency-key-reused": { status: 422, title: "Idempotency key used before" },
  "locked": { status: 423, title: "Resource locked" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "internal": { status: 500, title: "Internal server error" },
  "world-damaged": { status: 500, title: "Unreadable world file" },
  // RFC 9110 §15.6.2: a method that the server does not know for any resource.
  "not-implemented": { status: 501, title: "Not implemented" },
  // RFC 4918 §9.8.5: the Destination of a COPY or MOVE is on another server.
  "foreign-destination": { status: 502, title: "Destination on another server" },
  "bad-gateway": { status: 502, title: "Upstream failed" },
  "unavailable": { status: 503, title: "Service unavailable" },
  "unreachable": { status: 503, title: "Database unreachable" },
  "outcome-unknown": { status: 503, title: "Outcome unknown" },
  "gateway-timeout": { status: 504, title: "Upstream timed out" },
  "insufficient-storage": { status: 507, title: "Insufficient storage" },
  "quota-exceeded": { status: 507, title: "Quota exceeded" },
  "loop-detected": { status: 508, title: "Request loop" },
} as const satisfies Record<string, ProblemKind>;

/** Name of a problem type: the last segment of its `type` URI. */
export type ProblemType = keyof typeof PROBLEMS;

/** Members of a problem in addition to the standard ones (RFC 9457 §3.2). */
export interface ProblemExtension {
  /** A part of the content that the detail is about, of several lines; text clients get it, too. */
  readonly excerpt?: string;
  readonly [member: string]: string | number | undefined;
}

/**
 * An error that becomes a problem response. Any code behind the gate may throw it.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { Problem } from "./problem.ts";
 *
 * const problem = new Problem("not-found", "Cannot read /home/x: it does not exist");
 * strictEqual(problem.status, 404);
 * ```
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;

  /**
   * @param type the problem type
   * @param detail sentence about this occurrence, without a final period
   * @param headers response headers that belong to it, such as `Allow` or `Retry-After`
   * @param extension further members of the response
   */
  constructor(
    readonly type: ProblemType,
    readonly detail: string,
    readonly headers: Readonly<Record<string, string>> = {},
    readonly extension: ProblemExtension = {},
  ) {
    super(detail);
    this.status = PROBLEMS[type].status;
  }
}

/**
 * Creates the response of a problem: `application/problem+json`, or the same text as `text/plain`
 * for a client that prefers text or HTML (RFC 9457 §3).
 *
 * @param problem the problem
 * @param accept value of the Accept header, or null if it was not sent
 * @param head true for a HEAD request: the response has no body, and Content-Length is that of GET
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { Problem, toProblemResponse } from "./problem.ts";
 *
 * const problem = new Problem("not-found", "Cannot read /home/x: it does not exist");
 * const response = toProblemResponse(problem, "application/json");
 * strictEqual(response.status, 404);
 * strictEqual(response.headers.get("content-type"), "application/problem+json");
 * strictEqual((await response.json()).detail, "Cannot read /home/x: it does not exist");
 * ```
 */
export function toProblemResponse(problem: Problem, accept: string | null, head = false): Response {
  const { status, title } = PROBLEMS[problem.type];
  const text = prefersText(accept);
  const { excerpt } = problem.extension;
  const shown = excerpt === undefined ? problem.detail : `${problem.detail}\n${excerpt}`;
  const body = text ? `${status} ${title}\n${shown}\n` : JSON.stringify({
    type: `/usr/share/doc/problems/${problem.type}.md`,
    title,
    status,
    detail: problem.detail,
    ...problem.extension,
  }) + "\n";
  const headers = new Headers({
    "content-type": text ? "text/plain; charset=utf-8" : "application/problem+json",
    ...UNCACHED_HEADERS,
    "vary": "Accept",
    ...problem.headers,
  });
  // RFC 9110 §8.6: Content-Length of a HEAD response is the length that GET would have.
  if (head) headers.set("content-length", String(encoder.encode(body).length));
  return new Response(head ? null : body, { status, headers });
}
