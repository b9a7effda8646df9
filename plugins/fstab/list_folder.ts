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
const NOT_IN_URLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\\ufffd]/;

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
  const rows: ListingRow[] = [];
  for (let at = 0; at < shown.length; at += LINK_BATCH) {
    const batch = shown.slice(at, at + LINK_BATCH).map((info) => entryRow(files, folder, info));
    rows.push(...await Promise.all(batch));
  }
  return await listingResponse(request, rows.sort(byName), form, path, {
    ...(found.length > MAX_ENTRIES ? { "x-mount-truncated": String(MAX_ENTRIES) } : {}),
    ...(mount.mode === "rw" ? { allow: allowedMethods(mount) } : {}),
  });
}

/** Whether a URL can contain a name, and the name is not that of a file that is being written. */
export function isListed(name: string): boolean {
  return !NOT_IN_URLS.test(name) && name.isWellFormed() && !isUpload(name);
}

async function entryRow(files: Files, folder: string, info: FileInfo): Promise<ListingRow> {
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
