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

/** A deleted world and the id of its entry in the trash. */
export interface DeletedWorld {
  readonly name: string;
  readonly trash: string;
}

/** Creates the response to a DELETE: names and trash ids of the deleted worlds, in one order. */
export function deletedResponse(worlds: readonly DeletedWorld[]): Response {
  const deleted = worlds.map(({ name }) => name);
  const trash = worlds.map((world) => world.trash);
  return new Response(`${JSON.stringify({ deleted, trash })}\n`, {
    headers: { "content-type": "application/json" },
  });
}
