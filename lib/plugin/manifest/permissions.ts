/**
 * Parses the permissions that a plugin declares: hosts, folders and environment variables, each by
 * name. There must not be a form that means "all", nor one for running programs, loading native
 * code or importing. Everything that is not declared is denied.
 */

import { MAX_MANIFEST_ENTRIES, MAX_MANIFEST_STRING_CHARS } from "../../limits.ts";
import { ManifestError } from "./manifest.ts";
import { parseNetHost } from "./net_host.ts";

/** Permissions that a plugin declared, validated. */
export interface Permissions {
  /** Entries of the form `host` or `host:port`, each host in its only spelling. */
  readonly net: readonly string[];
  /** Absolute paths of folders or files, without a trailing slash. */
  readonly read: readonly string[];
  /** Absolute paths; each is one of `read` or below one. */
  readonly write: readonly string[];
  /** Names of environment variables. */
  readonly env: readonly string[];
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Folders that are never allowed: they give control over processes, or access to their memory. */
const FORBIDDEN_FOLDERS = ["/proc", "/sys", "/dev"];

/**
 * Parses the value of the export `permissions`.
 *
 * @param value value of the export, or result of the function, as parsed JSON
 * @throws {ManifestError} a field is invalid; the error names it
 */
export function parsePermissions(value: unknown): Permissions {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ManifestError("permissions", "it must be an object, or a function that returns one");
  }
  for (const field of Object.keys(value)) {
    if (field !== "net" && field !== "read" && field !== "write" && field !== "env") {
      throw new ManifestError(
        `permissions.${field}`,
        "unknown permission; allowed: net, read, write, env",
      );
    }
  }
  const net = [...new Set(parseNames("net", Reflect.get(value, "net")).map(parseHost))];
  const read = parseNames("read", Reflect.get(value, "read")).map((path) =>
    parseFolder("read", path)
  );
  const write = parseNames("write", Reflect.get(value, "write")).map((path) =>
    parseFolder("write", path)
  );
  const env = parseNames("env", Reflect.get(value, "env")).map(parseVariable);
  for (const folder of write) {
    if (!read.some((other) => folder === other || folder.startsWith(other + "/"))) {
      throw new ManifestError(
        "permissions.write",
        `${folder} is not in a folder of permissions.read; add it there`,
      );
    }
  }
  return { net, read, write, env };
}

/** Permissions within the approval, and what was left out. */
export interface LimitedPermissions {
  readonly permissions: Permissions;
  /** Entries that were left out, such as `read /srv`; empty if everything was approved. */
  readonly refused: readonly string[];
}

/**
 * Limits permissions to those that were approved. Used if a config world changed and T3 did not make
 * the change: the result may be narrower than the approval, never wider. A folder must be one of the approved folders:
 * a path below one could be a symlink to another place.
 *
 * @param requested what the plugin requests with its current configuration
 * @param approved what T3 approved
 */
export function limitPermissions(
  requested: Permissions,
  approved: Permissions,
): LimitedPermissions {
  const refused: string[] = [];
  const filter = (field: keyof Permissions, isApproved: (entry: string) => boolean) =>
    requested[field].filter((entry) => {
      if (isApproved(entry)) return true;
      refused.push(`${field} ${entry}`);
      return false;
    });
  const net = filter(
    "net",
    (host) => approved.net.includes(host) || approved.net.includes(host.replace(/:\d+$/, "")),
  );
  const read = filter("read", (path) => approved.read.includes(path));
  // Each writable folder must be in a readable one.
  const write = filter("write", (path) =>
    approved.write.includes(path) &&
    read.some((folder) => path === folder || path.startsWith(`${folder}/`)));
  const env = filter("env", (name) => approved.env.includes(name));
  return { permissions: { net, read, write, env }, refused };
}

function parseNames(field: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_MANIFEST_ENTRIES) {
    throw new ManifestError(
      `permissions.${field}`,
      `it must be an array of at most ${MAX_MANIFEST_ENTRIES} names; there is no form that means all`,
    );
  }
  return [
    ...new Set(value.map((item: unknown) => {
      if (typeof item === "string" && item !== "" && item.length <= MAX_MANIFEST_STRING_CHARS) {
        return item;
      }
      throw new ManifestError(
        `permissions.${field}`,
        `its entries must be strings of 1 to ${MAX_MANIFEST_STRING_CHARS} characters`,
      );
    })),
  ];
}

function parseHost(value: string): string {
  const parsed = parseNetHost(value);
  if ("fault" in parsed) throw new ManifestError("permissions.net", parsed.fault);
  return parsed.host;
}

function parseFolder(field: "read" | "write", value: string): string {
  const name = `permissions.${field}`;
  const path = value.length > 1 ? value.replace(/\/$/, "") : value;
  if (!/^(?:\/|[A-Za-z]:\/)/.test(path)) {
    throw new ManifestError(name, `${JSON.stringify(value)} is not absolute`);
  }
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  if (/[\u0000-\u001f]|\/\/|\\|(?:^|\/)\.\.?(?:\/|$)/.test(path)) {
    throw new ManifestError(
      name,
      `${JSON.stringify(value)} contains a control character, "\\\\", "//", "." or ".."`,
    );
  }
  if (path === "/" || /^[A-Za-z]:\/?$/.test(path)) {
    throw new ManifestError(name, "the whole disk cannot be granted; name a folder");
  }
  if (
    FORBIDDEN_FOLDERS.some((forbidden) => path === forbidden || path.startsWith(forbidden + "/"))
  ) {
    throw new ManifestError(
      name,
      `${path} cannot be granted: it contains processes and devices of the host`,
    );
  }
  return path;
}

function parseVariable(value: string): string {
  if (!VARIABLE.test(value) || /^(?:DENO_|LD_|DYLD_|NODE_|ELASTIK_)/.test(value)) {
    throw new ManifestError(
      "permissions.env",
      `${
        JSON.stringify(value)
      } cannot be granted: it is invalid, or reserved for Deno, Node, the linker or elastik`,
    );
  }
  return value;
}
