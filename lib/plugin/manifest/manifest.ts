/**
 * What a plugin says of itself, read as a stranger's data: every field is checked and an error names
 * it. A manifest that passed is plain frozen data; nothing in it is the plugin's own object.
 */

import { canonicalizePath } from "../../http/path.ts";
import {
  MAX_MANIFEST_ENTRIES,
  MAX_MANIFEST_STRING_CHARS,
  MAX_PATIENCE_SECONDS,
} from "../../limits.ts";
import type { Tier } from "../../auth/caller.ts";
import { grantFault, isGranted } from "../../auth/grants.ts";

/** Where config worlds may lie: T3 alone writes there. */
const CONFIG_FOLDERS = ["/etc/", "/usr/", "/var/"];

/** What `env.machine` may do below a prefix. */
export type GrantMode = "r" | "rw";

/** The static part of what a plugin exports. */
export interface Manifest {
  /** Canonical paths without trailing slash: each is served, and everything below it. */
  readonly routes: readonly string[];
  /** Who may ask at least. */
  readonly auth: Tier;
  /** Names of worlds with a leading slash whose change restarts the cell. */
  readonly config: readonly string[];
  /** By canonical prefix; one that ends in a slash means what lies below it. */
  readonly grants: Readonly<Record<string, GrantMode>>;
  readonly description: string;
  /** It asks to resolve unmatched GET and HEAD paths. */
  readonly fallback: boolean;
  /** Seconds it may take until it begins to answer, where it needs more than every plugin has. */
  readonly patience?: number;
}

/** A field of the manifest does not fit; the message names it. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  constructor(readonly field: string, message: string) {
    super(`Cannot use \`${field}\`: ${message}`);
  }
}

/**
 * Checks a manifest.
 *
 * @param value what the probe answered, parsed
 * @param reserved why a path may not be a route, or `undefined` when it may
 * @throws {ManifestError}
 */
export function parseManifest(
  value: unknown,
  reserved: (path: string) => string | undefined,
): Manifest {
  const given = record("manifest", value);
  const fallback = given.fallback ?? false;
  if (typeof fallback !== "boolean") throw new ManifestError("fallback", "it is true or false");
  const routes = list("routes", given.routes ?? []).map((route) => routeOf(route, reserved));
  const twice = routes.find((route, at) => routes.indexOf(route) !== at);
  if (twice !== undefined) throw new ManifestError("routes", `${twice} is there twice`);
  if (routes.length === 0 && !fallback) {
    throw new ManifestError("routes", 'it is empty; name at least one path, such as ["/example"]');
  }
  const config = list("config", given.config ?? []).map(worldOf);
  const grants = grantsOf(given.grants ?? {});
  const own = config.find((path) => isGranted(grants, "write", path));
  if (own !== undefined) {
    throw new ManifestError(
      "grants",
      `to write ${own}, its own config, would let it choose its own permissions`,
    );
  }
  return Object.freeze({
    routes: Object.freeze(routes),
    auth: tierOf(given.auth ?? "T1"),
    config: Object.freeze(config),
    grants,
    description: descriptionOf(given.description ?? ""),
    fallback,
    ...(given.patience === undefined ? {} : { patience: patienceOf(given.patience) }),
  });
}

function routeOf(value: string, reserved: (path: string) => string | undefined): string {
  const path = canonical("routes", value);
  if (path === "/") throw new ManifestError("routes", "/ is the whole machine");
  if (path.endsWith("/")) {
    throw new ManifestError(
      "routes",
      `${path} ends in a slash; what lies below a route is its own`,
    );
  }
  const why = reserved(path);
  if (why !== undefined) throw new ManifestError("routes", `${path} is not to be had: ${why}`);
  return path;
}

function worldOf(value: string): string {
  const path = canonical("config", value);
  if (path.endsWith("/")) throw new ManifestError("config", `${path} is no world`);
  // What decides a plugin's permissions must not be written by less than who approves them.
  if (!CONFIG_FOLDERS.some((folder) => path.startsWith(folder))) {
    throw new ManifestError(
      "config",
      `${path} lies where T2 may write; ${CONFIG_FOLDERS.join(", ")} are the folders for it`,
    );
  }
  return path;
}

function grantsOf(value: unknown): Manifest["grants"] {
  const grants: Record<string, GrantMode> = Object.create(null);
  const entries = Object.entries(record("grants", value));
  if (entries.length > MAX_MANIFEST_ENTRIES) throw tooMany("grants");
  for (const [prefix, mode] of entries) {
    const path = canonical("grants", prefix);
    if (path === "/") {
      throw new ManifestError("grants", "/ is the whole machine; name what is needed");
    }
    if (mode !== "r" && mode !== "rw") {
      throw new ManifestError("grants", `the mode of ${path} is neither "r" nor "rw"`);
    }
    const fault = grantFault(path, mode);
    if (fault !== undefined) {
      throw new ManifestError("grants", `${path} is not to be had: ${fault}`);
    }
    grants[path] = mode;
  }
  return Object.freeze(grants);
}

function tierOf(value: unknown): Tier {
  if (value === "T1" || value === "T2" || value === "T3") return value;
  throw new ManifestError("auth", "it is one of T1, T2, T3");
}

function patienceOf(value: unknown): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_PATIENCE_SECONDS) {
    return Number(value);
  }
  throw new ManifestError("patience", `it is 1 to ${MAX_PATIENCE_SECONDS} whole seconds`);
}

function descriptionOf(value: unknown): string {
  if (typeof value !== "string" || value.length > MAX_MANIFEST_STRING_CHARS) {
    throw new ManifestError(
      "description",
      `it is text of at most ${MAX_MANIFEST_STRING_CHARS} characters`,
    );
  }
  return value.replace(/\s+/g, " ").trim();
}

function canonical(field: string, value: string): string {
  let path: string;
  try {
    path = canonicalizePath(value);
  } catch {
    throw new ManifestError(field, `${JSON.stringify(value)} is no canonical path`);
  }
  if (path !== value) {
    throw new ManifestError(field, `${JSON.stringify(value)} is written ${path} in full`);
  }
  if (/[?#]/.test(path)) throw new ManifestError(field, `${path} holds a query or fragment`);
  return path;
}

function record(field: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new ManifestError(field, "it is an object");
}

function list(field: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw new ManifestError(field, "it is a list of strings");
  if (value.length > MAX_MANIFEST_ENTRIES) throw tooMany(field);
  return value.map((item: unknown) => {
    if (typeof item === "string" && item.length <= MAX_MANIFEST_STRING_CHARS) return item;
    throw new ManifestError(
      field,
      `it is a list of strings of at most ${MAX_MANIFEST_STRING_CHARS} characters`,
    );
  });
}

function tooMany(field: string): ManifestError {
  return new ManifestError(field, `it has more than ${MAX_MANIFEST_ENTRIES} entries`);
}
