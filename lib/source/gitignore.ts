/**
 * Reads `.gitignore` files, for excluding only: a negated pattern (`!`) is ignored, so an error
 * excludes a file rather than publishing it. It does not access the disk.
 */

import { createIgnore } from "../deps/ignore.ts";

/** Returns whether a path is ignored; the path is relative to the folder of the ignore file. */
export type IgnoreMatcher = (path: string, isFolder: boolean) => boolean;

/**
 * Parses one file.
 *
 * @param text one pattern per line, `#` starts a comment, as git reads it
 * @returns a matcher for paths below the folder of the file
 */
export function parseGitignore(text: string): IgnoreMatcher {
  const patterns = text.split("\n").filter((line) => !line.startsWith("!"));
  const matcher = createIgnore({ ignorecase: false }).add(patterns.join("\n"));
  return (path, isFolder) => matcher.ignores(isFolder ? `${path}/` : path);
}
