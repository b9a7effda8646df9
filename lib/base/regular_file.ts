/**
 * Reads a small file that the program needs, such as settings, a secret or a certificate. Only a
 * regular file is opened: a pipe would block the start forever, a device would never end. Every
 * other entry is described, so that the caller can name it in one sentence.
 */

import { explainFsError } from "./fs_error.ts";

/** Why a path cannot be used as a file. */
export interface FileFault {
  /** What was found, as the end of a sentence. */
  readonly reason: string;
  /** The error of the system; absent if the entry has the wrong type or size. */
  readonly cause?: unknown;
}

/**
 * Reads a regular file.
 *
 * @param path path of the file; links to a regular file are followed
 * @param maxBytes size of the largest file that is read, in bytes
 * @returns its bytes; undefined if it does not exist; otherwise why it cannot be read
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { readRegularFile } from "./regular_file.ts";
 *
 * strictEqual(readRegularFile("/no/such/folder/.key", 100), undefined);
 * deepStrictEqual(readRegularFile("/", 100), { reason: "it is a folder, not a file" });
 * ```
 */
export function readRegularFile(
  path: string,
  maxBytes: number,
): Uint8Array<ArrayBuffer> | FileFault | undefined {
  const fault = findFileFault(path);
  if (fault !== undefined) return fault;
  try {
    using file = Deno.openSync(path, { read: true });
    const { size } = file.statSync();
    if (size > maxBytes) {
      return { reason: `it has ${size} bytes; at most ${maxBytes} are possible` };
    }
    const bytes = new Uint8Array(size);
    let length = 0;
    while (length < size) {
      const read = file.readSync(bytes.subarray(length));
      if (read === null) break; // it became shorter
      length += read;
    }
    return bytes.subarray(0, length);
  } catch (cause) {
    return cause instanceof Deno.errors.NotFound ? undefined : toFault(path, cause);
  }
}

/**
 * Checks a file that another part of the program opens: a regular file, or nothing.
 *
 * @param path path of the file
 * @returns undefined if it is a regular file or does not exist; otherwise what it is
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { findFileFault } from "./regular_file.ts";
 *
 * strictEqual(findFileFault("/no/such/folder/.lock"), undefined);
 * ```
 */
export function findFileFault(path: string): FileFault | undefined {
  try {
    const found = Deno.statSync(path);
    return found.isFile ? undefined : { reason: `it is ${describeType(found)}, not a file` };
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) return toFault(path, cause);
    return isLink(path) ? { reason: "it is a link to a file that does not exist" } : undefined;
  }
}

/** Names the type of an entry that is not a file, with its article. */
function describeType(found: Deno.FileInfo): string {
  if (found.isDirectory) return "a folder";
  if (found.isFifo) return "a named pipe";
  if (found.isSocket) return "a socket";
  return found.isBlockDevice || found.isCharDevice ? "a device" : "a special entry";
}

function toFault(path: string, cause: unknown): FileFault {
  return { reason: explain(path, cause), cause };
}

function explain(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotCapable) {
    return `the program has no permission to read it; add ${path} to --allow-read`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "this user cannot read it; change its permissions";
  }
  if (cause instanceof Deno.errors.NotADirectory) return "a part of its path is not a folder";
  return explainFsError(cause);
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false; // It does not exist, or its folder cannot be read.
  }
}
