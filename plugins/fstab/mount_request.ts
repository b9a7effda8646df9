/**
 * A request for something below a mount point, and the checks that come before any access: the
 * method, the caller's tier, the names in the path.
 */

import type { Files } from "../../lib/plugin/wire/file_types.ts";
import type { PluginCaller, PluginConfig } from "../kit/env.ts";
import type { Mount } from "../kit/mount_table.ts";
import { Problem } from "../kit/problem.ts";

/** The part of a plugin's `env` that is used. */
export interface MountEnv {
  readonly config: PluginConfig;
  readonly caller: Pick<PluginCaller, "tier" | "by">;
  /** Undefined if no folder was granted. */
  readonly files?: Files;
}

/** One request for one mount. */
export interface MountRequest {
  readonly request: Request;
  readonly url: URL;
  readonly env: MountEnv;
  readonly mount: Mount;
  /** Decoded segments below the mount point. */
  readonly segments: readonly string[];
  /** Whether the path ends in a slash. */
  readonly isCollection: boolean;
  /** The decoded path, for messages. */
  readonly path: string;
}

const CHALLENGE = 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"';
/** A file that is being written; see `env.files.replace`. */
const UPLOAD = /^\.elastik-[0-9a-f-]{36}\.part$/;
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_SEGMENTS = /[/\\\u0000-\u001f\u007f]/;

/** Whether a name on the disk is that of a file that is being written. */
export function isUpload(name: string): boolean {
  return UPLOAD.test(name);
}

/**
 * Decodes the segments of a path.
 *
 * @param pathname of a URL
 * @throws {Problem} `bad-path`
 */
export function decodeSegments(pathname: string): string[] {
  try {
    return pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    const detail = "Cannot read the path: it contains an invalid percent escape";
    throw new Problem("bad-path", detail);
  }
}

/** The methods that a mount allows, as the value of `Allow`. */
export function allowedMethods({ folder, mode }: Pick<Mount, "folder" | "mode">): string {
  return folder !== undefined && mode === "rw"
    ? "GET, HEAD, OPTIONS, POST, PUT"
    : "GET, HEAD, OPTIONS";
}

/**
 * Checks the method, then the tier: every client learns that a mount is read-only.
 *
 * @throws {Problem} `method-not-allowed`, `unauthorized`, `forbidden`
 */
export function assertAllowed(
  method: string,
  path: string,
  mount: Mount,
  caller: MountEnv["caller"],
): void {
  const allow = allowedMethods(mount);
  if (!allow.split(", ").includes(method)) {
    const detail = `Cannot ${method} ${path}: ${methodReason(mount)}`;
    throw new Problem("method-not-allowed", detail, { allow });
  }
  if (method !== "PUT" && method !== "POST" || caller.tier !== "T1") return;
  if (caller.by !== "T1") {
    throw new Problem("forbidden", `Cannot ${method} ${path}: the caller has T1; T2 is required`);
  }
  const detail = `Cannot ${method} ${path}: no credential was sent; T2 is required`;
  throw new Problem("unauthorized", detail, { "www-authenticate": CHALLENGE });
}

function methodReason({ kind, folder, mode }: Mount): string {
  if (folder === undefined) return `${kind} mounts are read-only`;
  if (mode === "ro") return "the mount is ro";
  return "allowed methods of a mount are GET, HEAD, PUT and POST";
}

/**
 * Checks that every segment is a name. The server already refuses other paths; this check protects the
 * folder if a path arrives in another way.
 *
 * @throws {Problem} `forbidden`; `not-found` for a file that is being written
 */
export function assertNames(
  segments: readonly string[],
  path: string,
  { folder }: Pick<Mount, "folder">,
): void {
  for (const segment of segments) {
    const isDots = segment === "." || segment === ".." || /^\.{1,2};/.test(segment);
    if (segment === "" || isDots || NOT_IN_SEGMENTS.test(segment)) {
      throw new Problem("forbidden", `Cannot reach ${path}: a segment of the path is not a name`);
    }
    if (folder !== undefined && isUpload(segment)) {
      throw new Problem("not-found", `Cannot reach ${path}: the file is being written`);
    }
  }
}

/** `env.files`. @throws {Problem} `unavailable` if no folder was granted */
export function filesOf({ files }: MountEnv, path: string): Files {
  if (files !== undefined) return files;
  throw new Problem("unavailable", `Cannot reach ${path}: no folder is granted to the plugin`);
}
