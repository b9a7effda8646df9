/**
 * Turns what a plugin declared and somebody approved into what its cell is told: folders as they
 * really lie on the disk, variables with their values, permissions in the runtime's terms. Whatever
 * was approved by name must still be that when links are followed.
 */

import type { CellLimits } from "../../limits.ts";
import type { CellInit, GrantedFolder } from "../wire/cell_init.ts";
import { ManifestError } from "../manifest/manifest.ts";
import type { Permissions } from "../manifest/permissions.ts";

/** See {@link buildCellInit}. */
export interface CellInitSources {
  readonly name: string;
  /** The plugin as `readSource` gave it. */
  readonly code: string;
  readonly permissions: Permissions;
  /** Text of the config worlds by path. */
  readonly config: Readonly<Record<string, string>>;
  readonly limits: CellLimits;
  /** Value of an environment variable of the server. */
  readVariable(name: string): string | undefined;
  /** Where a path lies once links are followed; rejects with `Deno.errors.NotFound`. */
  realPath(path: string): Promise<string>;
  /** Folders that no plugin may reach, as they really lie: the machine's own data. */
  readonly forbiddenFolders: readonly string[];
}

/**
 * Makes the init of a cell that serves.
 *
 * @throws {ManifestError} a folder reaches into a closed one
 */
export async function buildCellInit(sources: CellInitSources): Promise<CellInit> {
  const { name, code, permissions, config, limits, readVariable: variable } = sources;
  const folders: GrantedFolder[] = [];
  for (const path of permissions.read) {
    const write = permissions.write.includes(path);
    folders.push({ path, realPath: await resolve(path, sources), write });
  }
  // A folder to write that lies inside one to read comes first: the first that fits decides.
  for (const path of permissions.write) {
    if (!permissions.read.includes(path)) {
      folders.unshift({ path, realPath: await resolve(path, sources), write: true });
    }
  }
  const vars: Record<string, string> = {};
  for (const key of permissions.env) {
    const value = variable(key);
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
    maxCalls: limits.maxCalls,
    maxLogLinesPerSecond: limits.maxLogLinesPerSecond,
  };
}

async function resolve(
  path: string,
  { realPath, forbiddenFolders: closed }: CellInitSources,
): Promise<string> {
  let real: string;
  try {
    real = (await realPath(path)).replaceAll("\\", "/");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    // It may come into being later; until then every access says that it is not there.
    real = path;
  }
  // The runtime's flags part paths by commas and have no way to write one (2.9.6).
  if (real.includes(",")) {
    throw new ManifestError(
      "permissions",
      `${path} has a comma on its way, which cannot be granted`,
    );
  }
  for (const folder of closed) {
    if (inside(real, folder) || inside(folder, real)) {
      throw new ManifestError("permissions", `${path} reaches the machine's own data or its key`);
    }
  }
  return real;
}

function inside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
