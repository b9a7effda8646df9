/** Writes a path as a URL has it. */

/**
 * Percent-encodes the segments of a path. Slashes stay.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { encodePath } from "./encode_path.ts";
 *
 * strictEqual(encodePath("/home/a b"), "/home/a%20b");
 * ```
 */
export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
