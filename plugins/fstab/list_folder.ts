/** Lists a folder of a mount. */

import type { FileInfo, Files } from "../../lib/plugin/wire/file_types.ts";
import { fileProblem } from "./file_error.ts";
import { byName, listingForm, listingResponse, type ListingRow, shellResponse } from "./listing.ts";
import { allowedMethods, isUpload, type MountRequest } from "./mount_request.ts";

/** Most entries that are listed. */
const MAX_ENTRIES = 10_000;
/** Symlinks that are resolved at a time. */
const LINK_BATCH = 32;
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_URLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\]/;
/** A name that URL parsers of web servers take for a dot segment; no request can name it. */
const DOTS = /^\.{1,2};/;
/** A character of a name whose bytes are not UTF-8, unless the name has this character itself. */
const UNKNOWN = "\ufffd";

/**
 * Answers with the entries of a folder.
 *
 * @param folder path of the folder on the disk
 * @throws {Problem} if it cannot be listed
 */
export async function listFolder(
  { request, path, mount }: MountRequest,
  files: Files,
  folder: string,
): Promise<Response> {
  const form = listingForm(request);
  if (form === "text/html") return shellResponse();
  const found = await files.list(folder, { most: MAX_ENTRIES + 1 }).catch((error) => {
    throw fileProblem(error, "list", path);
  });
  const shown = found.slice(0, MAX_ENTRIES).filter(({ name }) => isListed(name));
  const byRowName = new Map<string, ListingRow>();
  for (let at = 0; at < shown.length; at += LINK_BATCH) {
    const batch = shown.slice(at, at + LINK_BATCH).map((info) => entryRow(files, folder, info));
    for (const [i, row] of (await Promise.all(batch)).entries()) {
      if (row === undefined) continue;
      // Two spellings of one name: a request for the name reads the file that has it in NFC.
      const isExact = shown[at + i]?.name === row.name;
      if (isExact || !byRowName.has(row.name)) byRowName.set(row.name, row);
    }
  }
  const rows = [...byRowName.values()].sort(byName);
  return await listingResponse(request, rows, form, path, {
    ...(found.length > MAX_ENTRIES ? { "x-mount-truncated": String(MAX_ENTRIES) } : {}),
    ...(mount.mode === "rw" ? { allow: allowedMethods(mount) } : {}),
  });
}

/** Whether a URL can contain a name, and the name is not that of a file that is being written. */
export function isListed(name: string): boolean {
  return !NOT_IN_URLS.test(name) && !DOTS.test(name) && name.isWellFormed() && !isUpload(name);
}

/** The row of an entry; undefined if no request can name it, because its name is not UTF-8. */
async function entryRow(
  files: Files,
  folder: string,
  info: FileInfo,
): Promise<ListingRow | undefined> {
  if (info.name.includes(UNKNOWN)) {
    try {
      await files.stat(`${folder}/${info.name}`);
    } catch {
      return undefined;
    }
  }
  const name = info.name.normalize("NFC");
  if (info.kind !== "link") return fileRow(name, info);
  try {
    return { ...fileRow(name, await files.stat(`${folder}/${info.name}`)), link: true };
  } catch {
    // The target does not exist or is not mounted; a request for the link returns the reason.
    return { name, dir: false, link: true, reachable: false };
  }
}

/** The row of an entry that is not a symlink. */
export function fileRow(name: string, { kind, size, modified }: FileInfo): ListingRow {
  const time = modified === null ? {} : { updated_at: new Date(modified).toISOString() };
  if (kind === "folder") return { name, dir: true, ...time };
  if (kind === "file") return { name, dir: false, size, len: size, ...time };
  return { name, dir: false, reachable: false };
}
