/**
 * The source of a program that runs from a folder of files: what a list of names allows, less what a
 * list of names forbids, less what git ignores. It follows no link and reads nothing else of the
 * folder, least of all settings, secrets and worlds.
 */

import { fileURLToPath } from "node:url";
import { type Ignore, readIgnore } from "./gitignore.ts";
import { type ProgramSource, unreadable } from "./program_source.ts";

/** What of the folder itself is source; folders with all that is allowed below them. */
const FILES = ["main.ts", "deno.json", "deno.lock", "README.md", "LICENSE", ".gitignore"] as const;
const EXAMPLE = ".env.example";
const FOLDERS = [".ci", "lib", "plugins", "tests", "worlds"] as const;
/**
 * What is never source, however deep it lies: hidden files, which editors, tools and machines keep;
 * what editors leave behind; worlds; and folders of other people's code and of results.
 */
const NEVER =
  /^\.|~$|^#.*#$|\.(?:swp|swo|swx|orig|rej|bak|tmp|log|pem|key|p12|db|db-wal|db-shm|sqlite|sqlite3)$|^(?:node_modules|dist|coverage|data)$/i;
/** How long a list holds, in milliseconds: a copy of everything asks once a file. */
const LIST_MS = 1000;
const IGNORE_FILE = ".gitignore";

/** A pattern file and the folder it speaks of: `""`, or a path with a slash at its end. */
type Ignores = readonly (readonly [below: string, ignore: Ignore])[];

/** See the module. */
export class Checkout implements ProgramSource {
  readonly main = "main.ts";
  readonly #root: string;
  readonly #data: string;
  #list: Promise<readonly string[]> | undefined;
  #until = 0;

  /**
   * @param main URL of the main module, whose folder it is
   * @param data the data folder, which is left out wherever it lies
   */
  constructor(main: string, data: string) {
    this.#root = fileURLToPath(new URL(".", main)).replaceAll("\\", "/").replace(/\/$/, "");
    this.#data = data;
  }

  list(): Promise<readonly string[]> {
    const now = Date.now();
    if (this.#list === undefined || now >= this.#until) {
      this.#until = now + LIST_MS;
      this.#list = this.#walk().catch((error) => {
        this.#until = 0;
        throw unreadable(error);
      });
    }
    return this.#list;
  }

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!(await this.list()).includes(path)) return undefined;
    try {
      // It was a file a moment ago; a link that took its place is none.
      const { isFile } = await Deno.lstat(`${this.#root}/${path}`);
      return isFile ? await Deno.readFile(`${this.#root}/${path}`) : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw unreadable(error);
    }
  }

  async #walk(): Promise<readonly string[]> {
    const data = await Deno.realPath(this.#data).catch(() => undefined);
    const ignores: Ignores = [
      ...await this.#ignoresOf(".git/info/exclude", ""),
      ...await this.#ignoresOf(IGNORE_FILE, ""),
    ];
    const found: string[] = [];
    for (const path of [...FILES, EXAMPLE]) {
      const info = await this.#look(path);
      if (info?.isFile && !ignored(path, false, ignores)) found.push(path);
    }
    if (found[0] !== this.main) throw new Deno.errors.NotFound("The main module is gone");
    for (const folder of FOLDERS) {
      const info = await this.#look(folder);
      if (!info?.isDirectory || ignored(folder, true, ignores)) continue;
      await this.#gather(`${folder}/`, ignores, data, found);
    }
    return found.sort();
  }

  /** Adds the files below a folder. */
  async #gather(
    folder: string,
    above: Ignores,
    data: string | undefined,
    found: string[],
  ): Promise<void> {
    if (data !== undefined && await Deno.realPath(`${this.#root}/${folder}`) === data) return;
    const ignores = [...above, ...await this.#ignoresOf(`${folder}${IGNORE_FILE}`, folder)];
    for await (const { name, isFile, isDirectory } of Deno.readDir(`${this.#root}/${folder}`)) {
      const path = `${folder}${name}`;
      if (NEVER.test(name) || ignored(path, isDirectory, ignores)) continue;
      if (isFile) found.push(path);
      else if (isDirectory) await this.#gather(`${path}/`, ignores, data, found);
    }
  }

  async #ignoresOf(path: string, below: string): Promise<Ignores> {
    try {
      return [[below, readIgnore(await Deno.readTextFile(`${this.#root}/${path}`))]];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        return [];
      }
      throw error;
    }
  }

  async #look(path: string): Promise<Deno.FileInfo | undefined> {
    try {
      return await Deno.lstat(`${this.#root}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
}

function ignored(path: string, isFolder: boolean, ignores: Ignores): boolean {
  return ignores.some(([below, ignore]) => ignore(path.slice(below.length), isFolder));
}
