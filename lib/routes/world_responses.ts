/**
 * What the plain world routes answer when a change is done, and in a 304's place: small responses
 * made of values. Whether anything was allowed or happened was decided before.
 */

import { formatEtag } from "../http/etag.ts";
import { encodePath } from "../http/path.ts";
import { notModifiedResponse } from "../response/representation.ts";
import type { ChangeResult } from "../world/store.ts";

/** The 304 in an answer's place, for a reader who named the current version in the URL. */
export function toNotModifiedResponse(answer: Response): Response {
  const { "content-range": _range, ...headers } = Object.fromEntries(answer.headers);
  return notModifiedResponse(headers);
}

/** The answer to a write: version and extension, entity tag, and where a new world is. */
export function writtenResponse(path: string, written: ChangeResult): Response {
  const { version, ext, sha256, created } = written;
  return new Response(`{"version":${version},"ext":"${ext}"}\n`, {
    status: created ? 201 : 200,
    headers: {
      "content-type": "application/json",
      "etag": formatEtag(version, sha256, "raw"),
      ...(created ? { "location": encodePath(path) } : {}),
    },
  });
}

/** The answer to a DELETE: the names that went. */
export function deletedResponse(names: readonly string[]): Response {
  return new Response(`${JSON.stringify({ deleted: names })}\n`, {
    headers: { "content-type": "application/json" },
  });
}
