/**
 * Parses the manifest of a plugin. It is untrusted input: every field is validated, and an error
 * names the field. The result is frozen plain data and must not contain an object that the plugin
 * created.
 */

import { canonicalizePath } from "../../http/path.ts";
import {
  MAX_MANIFEST_ENTRIES,
  MAX_MANIFEST_STRING_CHARS,
  MAX_PATIENCE_SECONDS,
} from "../../limits.ts";
import type { Tier } from "../../auth/caller.ts";
import { grantFault, isGranted, isTreeGranted } from "../../auth/grants.ts";
import { misleadingFault } from "../../base/misleading_text.ts";

/** Folders that may contain config worlds. Only T3 can write there. */
const CONFIG_FOLDERS = ["/etc/", "/usr/", "/var/"];

/** Access of `env.machine` below a prefix: read, or read and write. */
export type GrantMode = "r" | "rw";

/** The exports of a plugin that are data. */
export interface Manifest {
  /**
   * Canonical paths without a trailing slash. The plugin serves each path and everything below it.
   */
  readonly routes: readonly string[];
  /** Lowest tier that may call the plugin. */
  readonly auth: Tier;
  /**
   * Whether the path after a route names a world or a mounted file. A capability over that path may
   * then call the plugin.
   */
  readonly subject: boolean;
  /** Paths of config worlds. A change of one replaces the cell. */
  readonly config: readonly string[];
  /**
   * Access of `env.machine` by canonical path. A path with a trailing slash means everything below
   * it.
   */
  readonly grants: Readonly<Record<string, GrantMode>>;
  /** One line of text for `/bin` and the description page; may be empty. */
  readonly description: string;
  /** Whether the plugin resolves GET and HEAD of paths that nothing else answers. */
  readonly fallback: boolean;
  /** Cron expressions in UTC; at each of their times the server calls `scheduled`. */
  readonly cron: readonly string[];
  /**
   * Paths of worlds, and of collections with a slash at the end; for each change there the server calls
   * `change`. The grants cover each of them for reading.
   */
  readonly on: readonly string[];
  /** Whether the plugin has `env.kv`: values in worlds below `/var/lib/<plugin>/kv/`. */
  readonly kv: boolean;
  /**
   * Seconds until the response head must be sent, if it needs more than
   * `CellLimits.responseTimeoutMs`.
   */
  readonly patience?: number;
}

/** A field of the manifest is invalid; the message names the field. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  constructor(readonly field: string, message: string) {
    super(`in the field \`${field}\`: ${message}`);
  }
}

/**
 * Parses a manifest.
 *
 * @param value exports of the plugin, as parsed JSON
 * @param reserved returns why a path must not be a route, or undefined if it may be one
 * @param cronFault returns why a text is not a cron expression, or undefined if it is one: the function
 * of `cron_expression.ts`, whose package is loaded only if a plugin is started
 * @throws {ManifestError} a field is invalid
 */
export function parseManifest(
  value: unknown,
  reserved: (path: string) => string | undefined,
  cronFault: (expression: string) => string | undefined,
): Manifest {
  const record = parseRecord("manifest", value);
  const fallback = parseFlag("fallback", record.fallback);
  const subject = parseFlag("subject", record.subject);
  const routes = parseStrings("routes", record.routes ?? []).map((route) =>
    parseRoute(route, reserved)
  );
  const mount = routes.find((route) => /^\/mnt(?:\/|$)/i.test(route));
  if (subject && mount !== undefined) {
    throw new ManifestError(
      "subject",
      `the path after ${mount} names a file of a mount, not a world`,
    );
  }
  const duplicate = routes.find((route, at) => routes.indexOf(route) !== at);
  if (duplicate !== undefined) throw new ManifestError("routes", `${duplicate} is listed twice`);
  const cron = parseCron(record.cron ?? [], cronFault);
  const on = parseStrings("on", record.on ?? []);
  if (routes.length === 0 && !fallback && cron.length === 0 && on.length === 0) {
    throw new ManifestError("routes", 'it is empty; name at least one path, such as ["/example"]');
  }
  const config = parseStrings("config", record.config ?? []).map(parseConfigPath);
  const grants = parseGrants(record.grants ?? {});
  const own = config.find((path) => isGranted(grants, "write", path));
  if (own !== undefined) {
    throw new ManifestError(
      "grants",
      `write access to ${own}, a config world of this plugin, would let it choose its permissions`,
    );
  }
  for (const path of on) assertWatchable(path, grants);
  return Object.freeze({
    routes: Object.freeze(routes),
    auth: parseTier(record.auth ?? "T1"),
    subject,
    config: Object.freeze(config),
    grants,
    description: parseDescription(record.description ?? ""),
    fallback,
    cron: Object.freeze(cron),
    on: Object.freeze(on),
    kv: parseFlag("kv", record.kv),
    ...(record.patience === undefined ? {} : { patience: parsePatience(record.patience) }),
  });
}

function parseRoute(value: string, reserved: (path: string) => string | undefined): string {
  const path = parsePath("routes", value);
  if (path === "/") throw new ManifestError("routes", "/ is the whole server; name a path");
  if (path.endsWith("/")) {
    throw new ManifestError(
      "routes",
      `${path} ends in a slash; omit it, a route includes everything below it`,
    );
  }
  const why = reserved(path);
  if (why !== undefined) throw new ManifestError("routes", `${path} is reserved: ${why}`);
  return path;
}

function parseConfigPath(value: string): string {
  const path = parsePath("config", value);
  if (path.endsWith("/")) throw new ManifestError("config", `${path} is not a world`);
  // A config world determines permissions, so writing it must need the tier that approves plugins.
  if (!CONFIG_FOLDERS.some((folder) => path.startsWith(folder))) {
    throw new ManifestError(
      "config",
      `${path} is in a folder that T2 can write; use one of ${CONFIG_FOLDERS.join(", ")}`,
    );
  }
  return path;
}

function parseCron(
  value: unknown,
  cronFault: (expression: string) => string | undefined,
): string[] {
  const expressions = parseStrings("cron", value);
  for (const [at, expression] of expressions.entries()) {
    const fault = expressions.indexOf(expression) === at
      ? cronFault(expression)
      : "it is listed twice";
    if (fault === undefined) continue;
    throw new ManifestError("cron", `${JSON.stringify(expression.slice(0, 80))}: ${fault}`);
  }
  return expressions;
}

/** @throws {ManifestError} the path is not canonical, or the grants do not cover it for reading */
function assertWatchable(value: string, grants: Manifest["grants"]): void {
  const path = parsePath("on", value);
  const isTree = path.endsWith("/");
  const isCovered = isTree
    ? path !== "/" && isTreeGranted(grants, "read", path.slice(0, -1)) &&
      Object.keys(grants).some((grant) => grant.endsWith("/") && path.startsWith(grant))
    : isGranted(grants, "read", path);
  if (isCovered) return;
  const missing = Object.hasOwn(grants, path)
    ? ": what only T3 can read below it needs a grant of its own"
    : `; add ${JSON.stringify(path)}: "r"`;
  throw new ManifestError("on", `the grants do not cover ${path} for reading${missing}`);
}

function parseGrants(value: unknown): Manifest["grants"] {
  const grants: Record<string, GrantMode> = Object.create(null);
  const entries = Object.entries(parseRecord("grants", value));
  if (entries.length > MAX_MANIFEST_ENTRIES) throw tooMany("grants");
  for (const [prefix, mode] of entries) {
    const path = parsePath("grants", prefix);
    if (path === "/") {
      throw new ManifestError("grants", "/ is the whole server; name the paths that are needed");
    }
    if (mode !== "r" && mode !== "rw") {
      throw new ManifestError("grants", `the mode of ${path} must be "r" or "rw"`);
    }
    const fault = grantFault(path, mode);
    if (fault !== undefined) {
      throw new ManifestError("grants", `${path} cannot be granted: ${fault}`);
    }
    grants[path] = mode;
  }
  return Object.freeze(grants);
}

function parseFlag(field: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw new ManifestError(field, "it must be true or false");
}

function parseTier(value: unknown): Tier {
  if (value === "T1" || value === "T2" || value === "T3") return value;
  throw new ManifestError("auth", "it must be T1, T2 or T3");
}

function parsePatience(value: unknown): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_PATIENCE_SECONDS) {
    return Number(value);
  }
  throw new ManifestError(
    "patience",
    `it must be a whole number of seconds from 1 to ${MAX_PATIENCE_SECONDS}`,
  );
}

function parseDescription(value: unknown): string {
  if (typeof value !== "string" || value.length > MAX_MANIFEST_STRING_CHARS) {
    throw new ManifestError(
      "description",
      `it must be a string of at most ${MAX_MANIFEST_STRING_CHARS} characters`,
    );
  }
  return value.replace(/\s+/g, " ").trim();
}

function parsePath(field: string, value: string): string {
  let path: string;
  try {
    path = canonicalizePath(value);
  } catch {
    throw new ManifestError(field, `${JSON.stringify(value)} is not a canonical path`);
  }
  if (path !== value) {
    throw new ManifestError(field, `${JSON.stringify(value)} is not canonical; write ${path}`);
  }
  if (/[?#]/.test(path)) throw new ManifestError(field, `${path} contains a query or fragment`);
  const fault = misleadingFault(path);
  if (fault !== undefined) {
    throw new ManifestError(field, `${path} can be mistaken for another path: ${fault}`);
  }
  return path;
}

function parseRecord(field: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new ManifestError(field, "it must be an object");
}

function parseStrings(field: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw new ManifestError(field, "it must be an array of strings");
  if (value.length > MAX_MANIFEST_ENTRIES) throw tooMany(field);
  return value.map((item: unknown) => {
    if (typeof item === "string" && item.length <= MAX_MANIFEST_STRING_CHARS) return item;
    throw new ManifestError(
      field,
      `it must be an array of strings of at most ${MAX_MANIFEST_STRING_CHARS} characters`,
    );
  });
}

function tooMany(field: string): ManifestError {
  return new ManifestError(
    field,
    `it has too many entries; at most ${MAX_MANIFEST_ENTRIES} are allowed`,
  );
}
