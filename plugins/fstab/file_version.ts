/**
 * Validators and headers of a file, made from what the system reports about it. The content is not
 * read.
 */

import type { FileInfo } from "../../lib/plugin/wire/file_types.ts";
import { mediaTypeOf } from "../kit/media_types.ts";

/**
 * The entity tag, from the file's number, its length, and the times of its last changes. Two writes
 * of the same length within one tick of the system's clock get the same tag.
 */
export function fileTag({ id, size, modified, changed }: FileInfo): string {
  const number = Number((id ?? "0").split(":").at(-1));
  const parts = [number, size, modified ?? 0, changed ?? 0];
  return `"${parts.map((part) => part.toString(36)).join("-")}"`;
}

/** `mtime:` and nanoseconds. The runtime reports milliseconds, so the last six digits are zero. */
export function fileVersion({ modified }: FileInfo): string {
  return `mtime:${modified === null ? 0 : `${Math.trunc(modified)}000000`}`;
}

/** The headers of a GET or HEAD that do not depend on the request. */
export function fileHeaders(info: FileInfo, path: string): Record<string, string> {
  const { modified } = info;
  return {
    "content-type": mediaTypeOf(path),
    "etag": fileTag(info),
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "x-mount-version": fileVersion(info),
    ...(modified === null ? {} : { "last-modified": new Date(modified).toUTCString() }),
  };
}
