/**
 * What the plain world routes answer when a change is done, and in a 304's place: small responses
 * made of values. Whether anything was allowed or happened was decided before.
 */

import { etag } from "../http/etag.ts";
import { encodePath } from "../http/path.ts";
import { notModified } from "../response/representation.ts";
import type { Written } from "../world/store.ts";

/** The 304 in an answer's place, for a reader who named the current version in the URL. */
export function unchanged(answer: Response): Response {
  const { "content-range": _range, ...headers } = Object.fromEntries(answer.headers);
  return notModified(headers);
}

/** The answer to a write: version and extension, entity tag, and where a new world is. */
export function answerWritten(path: string, written: Written): Response {
  const { version, ext, sha256, created } = written;
  return new Response(`{"version":${version},"ext":"${ext}"}\n`, {
    status: created ? 201 : 200,
    headers: {
      "content-type": "application/json",
      "etag": etag(version, sha256, "raw"),
      ...(created ? { "location": encodePath(path) } : {}),
    },
  });
}

/** The answer to a DELETE: the names that went. */
export function deleted(names: readonly string[]): Response {
  return new Response(`${JSON.stringify({ deleted: names })}\n`, {
    headers: { "content-type": "application/json" },
  });
}
