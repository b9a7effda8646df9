/**
 * What a plugin asks to reach outside the machine: hosts, folders, variables, each by name. There is
 * no word for "all", none for running, linking or importing anything, and what is not asked is denied.
 */

import { MAX_MANIFEST_ENTRIES, MAX_MANIFEST_STRING_CHARS } from "../../limits.ts";
import { ManifestError } from "./manifest.ts";

/** Permissions as a plugin declared them, checked. */
export interface Permissions {
  /** `host` or `host:port`, lower case. */
  readonly net: readonly string[];
  /** Absolute folders or files without trailing slash. */
  readonly read: readonly string[];
  /** The same; each also lies in one of `read`. */
  readonly write: readonly string[];
  /** Names of environment variables. */
  readonly env: readonly string[];
}

const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Folders from which a process can be steered or read as a whole, whatever is asked for. */
const CLOSED = ["/proc", "/sys", "/dev"];

/**
 * Checks what `permissions` gave.
 *
 * @param value what the probe answered, parsed
 * @throws {ManifestError} names the field
 */
export function parsePermissions(value: unknown): Permissions {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ManifestError("permissions", "it is an object, or a function that returns one");
  }
  for (const field of Object.keys(value)) {
    if (field !== "net" && field !== "read" && field !== "write" && field !== "env") {
      throw new ManifestError(`permissions.${field}`, "there are net, read, write and env alone");
    }
  }
  const net = strings("net", Reflect.get(value, "net")).map(hostOf);
  const read = strings("read", Reflect.get(value, "read")).map((path) => folderOf("read", path));
  const write = strings("write", Reflect.get(value, "write")).map((path) =>
    folderOf("write", path)
  );
  const env = strings("env", Reflect.get(value, "env")).map(variableOf);
  for (const folder of write) {
    if (!read.some((other) => folder === other || folder.startsWith(other + "/"))) {
      throw new ManifestError(
        "permissions.write",
        `${folder} lies in no folder of permissions.read`,
      );
    }
  }
  return { net, read, write, env };
}

function strings(field: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_MANIFEST_ENTRIES) {
    throw new ManifestError(
      `permissions.${field}`,
      `it is a list of at most ${MAX_MANIFEST_ENTRIES} names; there is no word for all`,
    );
  }
  return [
    ...new Set(value.map((item: unknown) => {
      if (typeof item === "string" && item !== "" && item.length <= MAX_MANIFEST_STRING_CHARS) {
        return item;
      }
      throw new ManifestError(`permissions.${field}`, "its entries are names");
    })),
  ];
}

function hostOf(value: string): string {
  const host = value.toLowerCase();
  const port = /:(\d+)$/.exec(host.replace(/^\[.*\]/, ""))?.[1];
  if (!HOST.test(host) || port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw new ManifestError(
      "permissions.net",
      `${JSON.stringify(value)} is no host and no host:port; there are no wildcards`,
    );
  }
  return host;
}

function folderOf(field: "read" | "write", value: string): string {
  const name = `permissions.${field}`;
  const path = value.length > 1 ? value.replace(/\/$/, "") : value;
  if (!/^(?:\/|[A-Za-z]:\/)/.test(path)) {
    throw new ManifestError(name, `${JSON.stringify(value)} is not absolute`);
  }
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f]|\/\/|\\|(?:^|\/)\.\.?(?:\/|$)/.test(path)) {
    throw new ManifestError(name, `${JSON.stringify(value)} is not written plainly`);
  }
  if (path === "/" || /^[A-Za-z]:\/?$/.test(path)) {
    throw new ManifestError(name, "the whole disk is not to be had; name a folder");
  }
  if (CLOSED.some((closed) => path === closed || path.startsWith(closed + "/"))) {
    throw new ManifestError(
      name,
      `${path} is not to be had: it holds the machine's processes and devices`,
    );
  }
  return path;
}

function variableOf(value: string): string {
  if (!VARIABLE.test(value) || /^(?:DENO_|LD_|DYLD_|NODE_|ELASTIK_)/.test(value)) {
    throw new ManifestError(
      "permissions.env",
      `${JSON.stringify(value)} is no variable a plugin may have`,
    );
  }
  return value;
}
