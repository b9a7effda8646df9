/**
 * Responses of the world routes to changes, and the 304 for a version in the URL. They only format
 * values; access and success are decided before.
 */

import { formatEtag } from "../http/etag.ts";
import { encodePath } from "../http/path.ts";
import { notModifiedResponse } from "../response/representation.ts";
import type { ChangeResult } from "../world/store.ts";

/** Converts a 200 to a 304, for a client that named the current version in the URL (`?v=`). */
export function toNotModifiedResponse(response: Response): Response {
  const { "content-range": _range, ...headers } = Object.fromEntries(response.headers);
  return notModifiedResponse(headers);
}

/**
 * Creates the response to a write: version, extension and entity tag; for a new world also its
 * location.
 */
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

/** Creates the response to a DELETE: the names of the deleted worlds. */
export function deletedResponse(names: readonly string[]): Response {
  return new Response(`${JSON.stringify({ deleted: names })}\n`, {
    headers: { "content-type": "application/json" },
  });
}
