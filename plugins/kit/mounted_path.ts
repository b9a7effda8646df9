/**
 * Finds a file below a mounted folder whose name on the disk is not in NFC. Paths of requests are in
 * NFC; macOS and some archives store names in NFD.
 */

/** Most entries of a folder that are compared. */
const MAX_COMPARED_ENTRIES = 10_000;

/** The part of `env.files` that is used here. */
export interface FolderLister {
  list(path: string, options: { most: number }): Promise<readonly { readonly name: string }[]>;
}

/**
 * Finds the path on the disk that has the given segments in NFC. To be called after the path itself
 * was not found: it lists every folder on the path.
 *
 * @param folder absolute path of the mounted folder
 * @param segments path below the folder, in NFC
 * @returns the path on the disk; undefined if absent, or if all segments are ASCII, so that
 * there is only one spelling
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { findOtherSpelling } from "./mounted_path.ts";
 *
 * const files = { list: () => Promise.resolve([{ name: "u\u0308" }]) };
 * strictEqual(await findOtherSpelling(files, "/srv", ["\u00fc"]), "/srv/u\u0308");
 * ```
 */
export async function findOtherSpelling(
  files: FolderLister,
  folder: string,
  segments: readonly string[],
): Promise<string | undefined> {
  // deno-lint-ignore no-control-regex -- the pattern matches all characters except ASCII
  if (!segments.some((segment) => /[^\u0000-\u007f]/.test(segment))) return undefined;
  let path = folder;
  for (const segment of segments) {
    let entries: readonly { readonly name: string }[];
    try {
      entries = await files.list(path, { most: MAX_COMPARED_ENTRIES });
    } catch {
      return undefined; // a folder that cannot be listed has no other spelling to offer
    }
    const found = entries.find(({ name }) => name.normalize("NFC") === segment);
    if (found === undefined) return undefined;
    path += `/${found.name}`;
  }
  return path;
}
