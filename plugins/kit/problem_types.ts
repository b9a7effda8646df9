/**
 * Problem types of the server with status and title. Generated from `lib/http/problem.ts` by
 * `deno task plugins`; do not edit.
 */

/** Each type has a page, `/usr/share/doc/problems/<type>.md`. */
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
  "not-implemented": { status: 501, title: "This is not implemented here" },
  "bad-gateway": { status: 502, title: "What stands behind this failed" },
  "unavailable": { status: 503, title: "Not available now" },
  "gateway-timeout": { status: 504, title: "What stands behind this did not answer" },
  "insufficient-storage": { status: 507, title: "The disk is full" },
  "loop-detected": { status: 508, title: "The request calls itself" },
} as const satisfies Readonly<Record<string, { status: number; title: string }>>;
