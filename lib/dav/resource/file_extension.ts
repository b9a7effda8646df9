/**
 * Which extension a world gets by WebDAV. On a file system the name tells what a file is: clients
 * guess at Content-Type or send none, save under one name and rename to another, and never knew of
 * the extension that somebody chose. So a known suffix comes first, and what was chosen stays.
 */

import { chooseExt, isTextExt, isUtf8 } from "../../world/media_type.ts";
import type { WorldEntry } from "../../world/store.ts";

/** Bytes of which only a name or a type can tell more than `bin`. */
const OPAQUE = new Uint8Array([0xff]);
const UNKNOWN = "bin";

/**
 * The extension of a world that is written.
 *
 * @param contentType the request's Content-Type, or null
 * @param before what is there now, if anything is
 */
export function chooseDavExt(
  name: string,
  contentType: string | null,
  body: Uint8Array,
  before: Pick<WorldEntry, "ext" | "len"> | undefined,
): string {
  const told = namedExt(name) ?? typedExt(contentType);
  if (told !== undefined) return told;
  // An empty world is mostly a place that was kept for what comes now.
  const fits = before !== undefined && before.len > 0 && (!isTextExt(before.ext) || isUtf8(body));
  return fits ? before.ext : chosen(name, null, body);
}

/**
 * The extension of a world that goes from one name to another: its own, unless the new name has a
 * suffix that the old one had not and that tells a type.
 */
export function chooseMovedExt(from: string, to: string, ext: string): string {
  return suffixOf(from) === suffixOf(to) && !to.startsWith("lib/") ? ext : namedExt(to) ?? ext;
}

function namedExt(name: string): string | undefined {
  const ext = chosen(name, null, OPAQUE);
  return ext === UNKNOWN ? undefined : ext;
}

function typedExt(contentType: string | null): string | undefined {
  if (contentType === null) return undefined;
  const ext = chosen("home/x", contentType, OPAQUE);
  return ext === UNKNOWN ? undefined : ext;
}

function chosen(name: string, contentType: string | null, body: Uint8Array): string {
  const choice = chooseExt({ queryExt: null, contentType, name, body });
  return "ext" in choice ? choice.ext : UNKNOWN;
}

function suffixOf(name: string): string {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  return dot <= 0 ? "" : base.slice(dot + 1).toLowerCase();
}
