/**
 * Folds the spellings of a path that some file systems do not distinguish: macOS and Windows ignore
 * the case of letters (also `ſ` and `ﬆ`), HFS+ ignores invisible characters, and Windows removes dots
 * and spaces from the end of a name.
 */

const IGNORED = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
/** A capital letter, a character that is not ASCII, or a dot or space at the end. */
const NEEDS_FOLD = /[A-Z\u0080-\uffff]|[. ]$/;

/**
 * Returns one form for all spellings of a path that can name one file. For comparisons that protect a
 * path; never for opening a file.
 *
 * @param path canonical absolute path
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { foldPath } from "./fold_path.ts";
 *
 * strictEqual(foldPath("/etc/Shadow"), "/etc/shadow");
 * strictEqual(foldPath("/etc/\u017fhadow. "), "/etc/shadow");
 * ```
 */
export function foldPath(path: string): string {
  if (!NEEDS_FOLD.test(path)) return path;
  const folded = path.replace(IGNORED, "").toUpperCase().toLowerCase().replace(/[. ]+$/, "");
  return folded === "" ? "/" : folded;
}
