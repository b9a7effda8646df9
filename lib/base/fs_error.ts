/**
 * Describes errors of the file system for an operator: what was found, without the number of the
 * system and the name of its function.
 */

/** Reasons by the code of the error. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "it is a file or is inside a file",
  EEXIST: "a file of this name exists",
  EISDIR: "it is a folder",
  ELOOP: "it is a link that leads to itself",
  ENAMETOOLONG: "its name is too long",
  EACCES: "this user has no permission",
  EPERM: "this user has no permission",
  ENOSPC: "the disk is full",
  EDQUOT: "the quota of the disk is used up",
  EROFS: "the disk is read-only",
};

/**
 * Returns the reason, as the end of a sentence.
 *
 * @param error what an operation on a file threw
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { explainFsError } from "./fs_error.ts";
 *
 * strictEqual(explainFsError(new Error("it is odd\nat x")), "it is odd");
 * ```
 */
export function explainFsError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code === "string" && Object.hasOwn(REASONS, code)) return REASONS[code] ?? "";
  const message = error instanceof Error ? error.message : String(error);
  return (message.split("\n")[0] ?? "").replace(/ \(os error \d+\).*$/, "");
}
