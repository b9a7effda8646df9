/**
 * Errors as problem responses (RFC 9457): one error class that carries a problem type, and one
 * function that makes the response. Types and titles are those of the server.
 */

import { chooseType } from "./accept.ts";
import { PROBLEMS } from "./problem_types.ts";

/** Name of a problem type of the server, the last segment of its `type` URI. */
export type ProblemType = keyof typeof PROBLEMS;

/** What all occurrences of a problem have in common. */
export interface ProblemKind {
  /** URI reference of the page that describes the problem. */
  readonly type: string;
  /** HTTP status code. */
  readonly status: number;
  readonly title: string;
}

/**
 * An error that becomes a problem response.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { Problem } from "./problem.ts";
 *
 * const problem = new Problem("method-not-allowed", "Cannot PATCH /dev/db: use POST", {
 *   allow: "GET, HEAD, POST",
 * });
 * strictEqual(problem.status, 405);
 * strictEqual(problem.type, "/usr/share/doc/problems/method-not-allowed.md");
 * ```
 */
export class Problem extends Error implements ProblemKind {
  override readonly name = "Problem";
  readonly type: string;
  readonly status: number;
  readonly title: string;
  /** Response headers of this problem, such as `allow` or `retry-after`. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param kind name of a problem type of the server, or a kind of its own
   * @param detail one sentence on this occurrence, without final period and without secrets
   * @param headers response headers of this problem
   */
  constructor(
    kind: ProblemType | ProblemKind,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    const { type, status, title } = typeof kind === "string" ? problemKind(kind) : kind;
    this.type = type;
    this.status = status;
    this.title = title;
    this.headers = headers;
  }
}

/**
 * Returns type, status and title of a problem type of the server.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { problemKind } from "./problem.ts";
 *
 * strictEqual(problemKind("not-found").status, 404);
 * ```
 */
export function problemKind(type: ProblemType): ProblemKind {
  return { type: `/usr/share/doc/problems/${type}.md`, ...PROBLEMS[type] };
}

/** Options of {@link problemResponse}. */
export interface ProblemResponseOptions {
  /** Response headers; those of the problem have precedence. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Media types, in addition to `text/plain` and `text/html`, whose readers get plain text. */
  readonly textTypes?: readonly string[];
  /** Extension members of the JSON object (RFC 9457 §3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
}

/**
 * Makes the response of a problem: `application/problem+json`, or the same content as plain text if
 * Accept prefers text.
 *
 * @param accept value of the request's Accept header, or null
 * @param head whether the request is a HEAD, whose response has no body
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { Problem, problemResponse } from "./problem.ts";
 *
 * const problem = new Problem("not-found", "Cannot find /mnt/x: nothing is mounted there");
 * const response = problemResponse(problem, "text/plain");
 * strictEqual(response.status, 404);
 * strictEqual((await response.text()).split("\n")[1], problem.message);
 * ```
 */
export function problemResponse(
  problem: Problem,
  accept: string | null,
  head = false,
  { headers = {}, textTypes = [], members = {} }: ProblemResponseOptions = {},
): Response {
  const { type, title, status, message: detail } = problem;
  const text = ["text/plain", "text/html", ...textTypes];
  const chosen = chooseType(accept, ["application/problem+json", "application/json", ...text]);
  const asText = chosen !== undefined && text.includes(chosen);
  const body = asText
    ? `${status} ${title}\n${detail}\n`
    : `${JSON.stringify({ type, title, status, detail, ...members })}\n`;
  const bytes = new TextEncoder().encode(body);
  return new Response(head ? null : bytes, {
    status,
    headers: {
      "content-type": asText ? "text/plain; charset=utf-8" : "application/problem+json",
      // RFC 9110 §8.6: the response to a HEAD has the length that the response to a GET would have.
      "content-length": String(bytes.length),
      "cache-control": "no-store",
      "vary": "Accept",
      ...headers,
      ...problem.headers,
    },
  });
}
