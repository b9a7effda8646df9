/**
 * Chooses the extension of a world that is written or renamed through WebDAV. Clients of file
 * systems identify a file by its name: many guess the Content-Type or send none, and save to a
 * temporary name before they rename. Therefore a known suffix of the name has priority over the
 * Content-Type, and an existing extension is kept if neither decides.
 */

import { chooseExt, isTextExt, isUtf8 } from "../../world/media_type.ts";
import type { WorldEntry } from "../../world/store.ts";

/** Bytes that are not text, so that `chooseExt` returns `bin` unless name or type decide. */
const OPAQUE = new Uint8Array([0xff]);
const UNKNOWN = "bin";

/**
 * Chooses the extension of a world that is written.
 *
 * @param name canonical name of the world
 * @param contentType Content-Type of the request, or null if it was not sent
 * @param before the existing world; `undefined` if it does not exist
 */
export function chooseDavExt(
  name: string,
  contentType: string | null,
  body: Uint8Array,
  before: Pick<WorldEntry, "ext" | "len"> | undefined,
): string {
  const ext = namedExt(name) ?? typedExt(contentType);
  if (ext !== undefined) return ext;
  // The extension of an empty world is not kept: clients create empty files before they write them.
  const canKeep = before !== undefined && before.len > 0 &&
    (!isTextExt(before.ext) || isUtf8(body));
  return canKeep ? before.ext : extFor(name, null, body);
}

/**
 * Chooses the extension of a world that is copied or moved: its current one, unless the new name
 * has another suffix than the old name and that suffix is known.
 *
 * @param from old name
 * @param to new name
 * @param ext current extension
 */
export function chooseMovedExt(from: string, to: string, ext: string): string {
  return suffixOf(from) === suffixOf(to) && !to.startsWith("lib/") ? ext : namedExt(to) ?? ext;
}

function namedExt(name: string): string | undefined {
  const ext = extFor(name, null, OPAQUE);
  return ext === UNKNOWN ? undefined : ext;
}

function typedExt(contentType: string | null): string | undefined {
  if (contentType === null) return undefined;
  const ext = extFor("home/x", contentType, OPAQUE);
  return ext === UNKNOWN ? undefined : ext;
}

function extFor(name: string, contentType: string | null, body: Uint8Array): string {
  const choice = chooseExt({ queryExt: null, contentType, name, body });
  return "ext" in choice ? choice.ext : UNKNOWN;
}

function suffixOf(name: string): string {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  return dot <= 0 ? "" : base.slice(dot + 1).toLowerCase();
}
