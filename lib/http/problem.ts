/**
 * Problem details (RFC 9457): the table of problem types, the error that carries one, and the
 * function that turns it into a response. A detail names the action, the state that was found and
 * what would have been enough. It must never contain a secret, a stack, or a path of the server's
 * disk.
 */

import { prefersText } from "./negotiate.ts";

const encoder = new TextEncoder();

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/** Every problem type of the server; each has a page below `/usr/share/doc/problems/`. */
export const PROBLEMS = {
  "bad-path": { status: 400, title: "The path is not canonical" },
  "bad-name": { status: 400, title: "The name cannot be a world" },
  "bad-query": { status: 400, title: "A query parameter does not fit" },
  "bad-header": { status: 400, title: "A request header does not fit" },
  "bad-metadata": { status: 400, title: "An X-Meta header does not fit" },
  "bad-body": { status: 400, title: "The request body does not fit" },
  "unauthorized": { status: 401, title: "A credential is needed" },
  "forbidden": { status: 403, title: "The credential does not reach this" },
  "foreign-origin": { status: 403, title: "Another site's page may not act here" },
  "unknown-host": { status: 403, title: "The Host header names another machine" },
  "lower-layer": { status: 403, title: "The world belongs to the read-only lower layer" },
  "not-found": { status: 404, title: "Nothing is here" },
  "method-not-allowed": { status: 405, title: "The method does not apply here" },
  "not-acceptable": { status: 406, title: "No acceptable representation" },
  "request-timeout": { status: 408, title: "The request took too long" },
  "conflict": { status: 409, title: "The state of the resource forbids this" },
  "gone": { status: 410, title: "The version was let go" },
  "precondition-failed": { status: 412, title: "What you saw is not current" },
  "body-too-large": { status: 413, title: "The content is too large" },
  "uri-too-long": { status: 414, title: "The URL is too long" },
  "unsupported-media-type": { status: 415, title: "The media type is not supported" },
  "range-not-satisfiable": { status: 416, title: "The range lies outside the content" },
  "unprocessable": { status: 422, title: "The content cannot be processed" },
  "locked": { status: 423, title: "The resource is locked" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "internal": { status: 500, title: "The machine failed" },
  "world-damaged": { status: 500, title: "The world's file cannot be read" },
  // RFC 9110 §15.6.2: the server does not support the method or representation. It does not mean
  // unfinished work.
  "not-implemented": { status: 501, title: "This is not implemented here" },
  "bad-gateway": { status: 502, title: "What stands behind this failed" },
  "unavailable": { status: 503, title: "Not available now" },
  "gateway-timeout": { status: 504, title: "What stands behind this did not answer" },
  "insufficient-storage": { status: 507, title: "The disk is full" },
  "loop-detected": { status: 508, title: "The request calls itself" },
} as const satisfies Record<string, ProblemKind>;

/** Name of a problem type: the last segment of its `type` URI. */
export type ProblemType = keyof typeof PROBLEMS;

/** An error that becomes a problem response. Any code behind the gate may throw it. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;

  /**
   * @param type the problem type
   * @param detail sentence about this occurrence, without a final period
   * @param headers response headers that belong to it, such as `Allow` or `Retry-After`
   */
  constructor(
    readonly type: ProblemType,
    readonly detail: string,
    readonly headers: Readonly<Record<string, string>> = {},
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
 */
export function toProblemResponse(problem: Problem, accept: string | null, head = false): Response {
  const { status, title } = PROBLEMS[problem.type];
  const text = prefersText(accept);
  const body = text ? `${status} ${title}\n${problem.detail}\n` : JSON.stringify({
    type: `/usr/share/doc/problems/${problem.type}.md`,
    title,
    status,
    detail: problem.detail,
  }) + "\n";
  const headers = new Headers({
    "content-type": text ? "text/plain; charset=utf-8" : "application/problem+json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "vary": "Accept",
    ...problem.headers,
  });
  // RFC 9110 §8.6: Content-Length of a HEAD response is the length that GET would have.
  if (head) headers.set("content-length", String(encoder.encode(body).length));
  return new Response(head ? null : body, { status, headers });
}
