/**
 * The source of a program that runs from a checkout: files that an allow-list of names includes,
 * without those that a deny-list or git excludes. It follows no symlink and reads nothing else in
 * the folder; settings, secrets and worlds are never source.
 */

import { fileURLToPath } from "node:url";
import type { IgnoreMatcher } from "./gitignore.ts";
import { type ProgramSource, toSourceError } from "./program_source.ts";

/** Source files in the root folder. All files below the folders of `FOLDERS` are source too. */
const FILES = [
  "main.ts",
  "deno.json",
  "deno.lock",
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "LICENSE",
  "Dockerfile",
  ".dockerignore",
  ".gitattributes",
  ".gitignore",
] as const;
const EXAMPLE = ".env.example";
const FOLDERS = [".ci", "examples", "lib", "plugins", "shell", "tests", "worlds"] as const;
/**
 * Names that are never source at any depth: hidden files of editors and tools, backup files,
 * databases, and folders of dependencies and results.
 */
const NEVER =
  /^\.|~$|^#.*#$|\.(?:swp|swo|swx|orig|rej|bak|tmp|log|pem|key|p12|db|db-wal|db-shm|sqlite|sqlite3)$|^(?:node_modules|dist|coverage|data)$/i;
/** A list is cached for this long: copying the whole source requests it once per file. */
const LIST_CACHE_MS = 1000;
const IGNORE_FILE = ".gitignore";

/** Ignore files, each with the folder it applies to: `""` or a path with a trailing slash. */
type Ignores = readonly (readonly [below: string, ignore: IgnoreMatcher])[];

/** Lists and reads the source files of a checkout. */
export class Checkout implements ProgramSource {
  readonly main = "main.ts";
  readonly #root: string;
  readonly #data: string;
  #list: Promise<readonly string[]> | undefined;
  #until = 0;

  /**
   * @param main URL of the main module in the root folder
   * @param data the data folder, which is excluded wherever it is
   */
  constructor(main: string, data: string) {
    this.#root = fileURLToPath(new URL(".", main)).replaceAll("\\", "/").replace(/\/$/, "");
    this.#data = data;
  }

  list(): Promise<readonly string[]> {
    const now = performance.now();
    if (this.#list === undefined || now >= this.#until) {
      this.#until = now + LIST_CACHE_MS;
      this.#list = this.#walk().catch((error) => {
        this.#until = 0;
        throw toSourceError(error);
      });
    }
    return this.#list;
  }

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!(await this.list()).includes(path)) return undefined;
    try {
      // The path was a regular file when it was listed. It may have been replaced by a symlink.
      const { isFile } = await Deno.lstat(`${this.#root}/${path}`);
      return isFile ? await Deno.readFile(`${this.#root}/${path}`) : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw toSourceError(error);
    }
  }

  async #walk(): Promise<readonly string[]> {
    // Without a data folder there is nothing to exclude.
    const data = await Deno.realPath(this.#data).catch(() => undefined);
    const ignores: Ignores = [
      ...await this.#ignoresOf(".git/info/exclude", ""),
      ...await this.#ignoresOf(IGNORE_FILE, ""),
    ];
    const found: string[] = [];
    for (const path of [...FILES, EXAMPLE]) {
      const info = await this.#lstat(path);
      if (info?.isFile && !isIgnored(path, false, ignores)) found.push(path);
    }
    if (found[0] !== this.main) throw new Deno.errors.NotFound("The main module does not exist");
    for (const folder of FOLDERS) {
      const info = await this.#lstat(folder);
      if (!info?.isDirectory || isIgnored(folder, true, ignores)) continue;
      await this.#collect(`${folder}/`, ignores, data, found);
    }
    return found.sort();
  }

  /** Adds the files below a folder. */
  async #collect(
    folder: string,
    above: Ignores,
    data: string | undefined,
    found: string[],
  ): Promise<void> {
    if (data !== undefined && await Deno.realPath(`${this.#root}/${folder}`) === data) return;
    const ignores = [...above, ...await this.#ignoresOf(`${folder}${IGNORE_FILE}`, folder)];
    for await (const { name, isFile, isDirectory } of Deno.readDir(`${this.#root}/${folder}`)) {
      const path = `${folder}${name}`;
      if (NEVER.test(name) || isIgnored(path, isDirectory, ignores)) continue;
      if (isFile) found.push(path);
      else if (isDirectory) await this.#collect(`${path}/`, ignores, data, found);
    }
  }

  async #ignoresOf(path: string, below: string): Promise<Ignores> {
    // Imported with the first list, because a start of the server needs no list.
    const { parseGitignore } = await import("./gitignore.ts");
    try {
      return [[below, parseGitignore(await Deno.readTextFile(`${this.#root}/${path}`))]];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        return [];
      }
      throw error;
    }
  }

  async #lstat(path: string): Promise<Deno.FileInfo | undefined> {
    try {
      return await Deno.lstat(`${this.#root}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
}

function isIgnored(path: string, isFolder: boolean, ignores: Ignores): boolean {
  return ignores.some(([below, ignore]) => ignore(path.slice(below.length), isFolder));
}
