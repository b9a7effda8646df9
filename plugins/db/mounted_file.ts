/** Finds the folder of a file below a mount. It does not check whether the file exists. */

import type { MountTable } from "../kit/mount_table.ts";
import { Problem } from "../kit/problem.ts";

/** A file below a mounted folder. */
export interface MountedFile {
  /** Absolute path of the folder. */
  readonly folder: string;
  /** Segments of the path below the folder. */
  readonly segments: readonly string[];
}

/**
 * Resolves `<mount>/<path>`.
 *
 * @throws {Problem} `forbidden`, `not-found` or `bad-query`
 */
export function resolveFile(file: string, table: MountTable): MountedFile {
  const cannot = `Cannot query the file ${file}`;
  const parts = file.replace(/^\//, "").split("/");
  const [name = "", ...segments] = parts;
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  if (parts.includes("..") || parts.includes(".") || /[\u0000-\u001f\\]/.test(file)) {
    const found = "its path contains `.`, `..`, a backslash or a control character";
    throw new Problem("forbidden", `${cannot}: ${found}`);
  }
  const mount = table.mounts.get(name.normalize("NFC"));
  if (mount === undefined) {
    throw new Problem("not-found", `${cannot}: nothing is mounted at /mnt/${name}`);
  }
  const { folder, kind } = mount;
  if (folder === undefined) {
    const found = `/mnt/${name} is mounted from ${kind}://; SQL needs a folder`;
    throw new Problem("bad-query", `${cannot}: ${found}`);
  }
  if (segments.length === 0 || segments.includes("")) {
    throw new Problem("bad-query", `${cannot}: it does not name a file below /mnt/${name}`);
  }
  return { folder, segments };
}
