/**
 * Responses of the world routes to changes, and the 304 for a version in the URL. They only format
 * values; access and success are decided before.
 */

import { formatEtag } from "../http/etag.ts";
import { encodePath } from "../http/path.ts";
import { notModifiedResponse } from "../response/representation.ts";
import type { KeyedEvent } from "../world/changes.ts";
import type { ChangeResult } from "../world/store.ts";

/** Converts a 200 to a 304, for a client that named the current version in the URL (`?v=`). */
export function toNotModifiedResponse(response: Response): Response {
  const { "content-range": _range, ...headers } = Object.fromEntries(response.headers);
  return notModifiedResponse(headers);
}

/** What the response to a write contains. */
export type WrittenVersion = Pick<ChangeResult, "version" | "ext" | "sha256" | "created">;

/**
 * Creates the response to a write: version, extension and entity tag; for a new world also its
 * location.
 */
export function writtenResponse(path: string, written: WrittenVersion): Response {
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

/**
 * Returns what a write made, from its event.
 *
 * @returns undefined if the event is not one of a write
 */
export function toWrittenVersion({ id, payload }: KeyedEvent): WrittenVersion | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { version_after: version, body_sha256_after: sha256, ext, op, covers }: {
    version_after?: unknown;
    body_sha256_after?: unknown;
    ext?: unknown;
    op?: unknown;
    covers?: unknown;
  } = payload;
  if (typeof version !== "number" || typeof sha256 !== "string" || typeof ext !== "string") {
    return undefined;
  }
  // The first event of a chain and a restore create the world; `covers` names a world of the lower layer.
  const created = (id === 1 || op === "restore") && covers === undefined;
  return { version, sha256, ext, created };
}

/** Returns the path that a restored world had when it was deleted; undefined for another event. */
export function toRestoredFrom({ name, payload }: KeyedEvent): string | undefined {
  const { op, from }: { op?: unknown; from?: unknown } = Object(payload);
  return op === "restore" ? typeof from === "string" ? from : `/${name}` : undefined;
}

/** Returns a deleted world from the event of its deletion. */
export function toDeletedWorld({ name, payload }: KeyedEvent): DeletedWorld {
  const { trash }: { trash?: unknown } = Object(payload);
  return { name, trash: String(trash ?? "") };
}

/** Creates the response to a DELETE: names and trash ids of the deleted worlds, in one order. */
export function deletedResponse(worlds: readonly DeletedWorld[]): Response {
  const deleted = worlds.map(({ name }) => name);
  const trash = worlds.map((world) => world.trash);
  return new Response(`${JSON.stringify({ deleted, trash })}\n`, {
    headers: { "content-type": "application/json" },
  });
}
