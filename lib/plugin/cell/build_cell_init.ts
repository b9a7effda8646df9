/**
 * Builds the init of a cell from the approved permissions: real paths of folders, values of
 * environment variables, and Deno permissions. Symlinks must not lead a granted folder to the
 * server's own data.
 */

import type { CellLimits } from "../../cell_limits.ts";
import type { CellInit, GrantedFolder } from "../wire/cell_init.ts";
import { ManifestError } from "../manifest/manifest.ts";
import type { Permissions } from "../manifest/permissions.ts";

/** Inputs of {@link buildCellInit}. */
export interface CellInitSources {
  readonly name: string;
  /** JavaScript of the plugin, as `validateSource` returned it. */
  readonly code: string;
  readonly permissions: Permissions;
  /** Text of the config worlds by path. */
  readonly config: Readonly<Record<string, string>>;
  /** Path of the collection of `env.kv`, if the plugin has it. */
  readonly kv?: string | undefined;
  readonly limits: CellLimits;
  /** Returns an environment variable of the server, or undefined if it is not set. */
  readVariable(name: string): string | undefined;
  /** Resolves all symlinks of a path; rejects with `Deno.errors.NotFound`. */
  realPath(path: string): Promise<string>;
  /** Real paths that no plugin may reach: the server's data folder, its key, its settings. */
  readonly forbiddenFolders: readonly string[];
}

/**
 * Builds the init of a cell of the kind `serve`.
 *
 * @throws {ManifestError} the real path of a folder contains a comma, or overlaps a forbidden
 * folder
 */
export async function buildCellInit(sources: CellInitSources): Promise<CellInit> {
  const { name, code, permissions, config, kv, limits, readVariable } = sources;
  const folders: GrantedFolder[] = [];
  for (const path of permissions.read) {
    const write = permissions.write.includes(path);
    folders.push({ path, realPath: await resolveFolder(path, sources), write });
  }
  // A writable folder inside a readable one is put first, because the first match decides.
  for (const path of permissions.write) {
    if (!permissions.read.includes(path)) {
      folders.unshift({ path, realPath: await resolveFolder(path, sources), write: true });
    }
  }
  const vars: Record<string, string> = {};
  for (const key of permissions.env) {
    const value = readVariable(key);
    if (value !== undefined) vars[key] = value;
  }
  return {
    kind: "serve",
    name,
    code,
    permissions: {
      net: permissions.net,
      read: folders.map((folder) => folder.realPath),
      write: folders.filter((folder) => folder.write).map((folder) => folder.realPath),
    },
    folders,
    config,
    vars,
    ...(kv === undefined ? {} : { kv }),
    maxCalls: limits.maxCalls,
    maxLogLinesPerSecond: limits.maxLogLinesPerSecond,
  };
}

async function resolveFolder(
  path: string,
  { realPath, forbiddenFolders }: CellInitSources,
): Promise<string> {
  let real: string;
  try {
    real = (await realPath(path)).replaceAll("\\", "/");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    // The folder may be created later. Until then every access fails with NotFound.
    real = path;
  }
  // Deno's permission flags separate paths by commas and cannot escape one (2.9.6).
  if (real.includes(",")) {
    throw new ManifestError(
      "permissions",
      `the real path of ${path} contains a comma, which Deno permission flags cannot express`,
    );
  }
  for (const folder of forbiddenFolders) {
    if (isInside(real, folder) || isInside(folder, real)) {
      throw new ManifestError(
        "permissions",
        `${path} overlaps the server's own data, key or settings`,
      );
    }
  }
  return real;
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
