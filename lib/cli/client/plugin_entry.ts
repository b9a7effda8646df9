/**
 * Finds the module of a plugin that an author names by a path: a file, or a folder with a known entry.
 */

import { sanitizeText } from "../../base/sanitize_text.ts";
import { InstallError } from "./install_plugins.ts";

/** The module of a plugin on this computer. */
export interface PluginEntry {
  /** Absolute path of the module. */
  readonly file: string;
  /** Absolute path of the folder that was named, or of the folder of the file. */
  readonly folder: string;
  /** Whether a folder was named: everything below it belongs to the plugin. */
  readonly isFolder: boolean;
  /** Name under which the plugin is stored. */
  readonly name: string;
}

/** Names of the module of a folder, in the order in which they are looked for. */
const MODULES = ["mod", "main", "index"].flatMap((name) => [`${name}.ts`, `${name}.js`]);
const EXTENSION = /\.(?:[mc]?[tj]s|[tj]sx)$/;
const NAME = /^[A-Za-z0-9_-]+$/;

/**
 * Whether an argument of `install` is a path and not the name of a shipped plugin.
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { isPluginPath } from "./plugin_entry.ts";
 *
 * deepStrictEqual(["./p", "a/b", "p.ts", ".", "gpu"].map(isPluginPath), [true, true, true, true, false]);
 * ```
 */
export function isPluginPath(word: string): boolean {
  return word === "." || word === ".." || /[\\/]/.test(word) || EXTENSION.test(word);
}

/**
 * Finds the module of a plugin.
 *
 * @param path a file or a folder
 * @param named name of the plugin; by default that of the file, or of the folder
 * @throws {InstallError} if there is no module, or the name is not valid
 */
export async function findPluginEntry(
  path: string,
  named: string | undefined,
): Promise<PluginEntry> {
  const shown = sanitizeText(path);
  let real: string;
  let isFolder: boolean;
  try {
    real = await Deno.realPath(path);
    isFolder = (await Deno.stat(real)).isDirectory;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new InstallError(2, `Cannot install ${shown}: there is no such file or folder`);
  }
  const folder = isFolder ? real : folderOf(real);
  const file = isFolder ? await findModule(real, shown) : real;
  const base = baseOf(file).replace(EXTENSION, "");
  const isGeneric = MODULES.includes(`${base}.ts`);
  const name = named ?? (isFolder || isGeneric ? baseOf(folder) : base);
  if (NAME.test(name)) return { file, folder, isFolder, name };
  throw new InstallError(
    2,
    `Cannot install ${shown}: ${JSON.stringify(sanitizeText(name))} is not a valid plugin name; ` +
      "give one of letters, digits, - and _ with --name",
  );
}

async function findModule(folder: string, shown: string): Promise<string> {
  const declared = await declaredEntry(folder);
  for (const candidate of declared === undefined ? MODULES : [declared]) {
    const file = `${folder}/${candidate}`;
    if (await isFile(file)) return file;
  }
  const found = declared === undefined
    ? `it contains none of ${MODULES.join(", ")}, and no deno.json or package.json names a module`
    : `its configuration names ${sanitizeText(declared)}, which does not exist`;
  throw new InstallError(2, `Cannot install ${shown}: ${found}`);
}

/** The module that `deno.json` or `package.json` names, relative to the folder. */
async function declaredEntry(folder: string): Promise<string | undefined> {
  for (const [file, members] of [["deno.json", ["exports"]], ["package.json", PACKAGE]] as const) {
    const config = await readJson(`${folder}/${file}`);
    for (const member of members) {
      const entry = entryOf(config?.[member]);
      if (entry !== undefined) return entry.replace(/^\.\//, "");
    }
  }
  return undefined;
}

const PACKAGE = ["exports", "module", "main"] as const;

/** A value of `exports` (Node.js, "Package entry points"): a text, or an object with conditions. */
function entryOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const members = new Map<string, unknown>(Object.entries(value));
  for (const key of [".", "import", "default"]) {
    const entry = entryOf(members.get(key));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

async function readJson(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    throw new InstallError(2, `Cannot read ${sanitizeText(file)}: it is not valid JSON`);
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function folderOf(path: string): string {
  return path.replace(/[\\/][^\\/]*$/, "") || "/";
}

function baseOf(path: string): string {
  return path.replace(/^.*[\\/]/, "");
}
