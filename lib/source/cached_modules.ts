/**
 * The source of a program that was started from a URL: its modules from the cache of the runtime,
 * found by following the imports from the main module. All modules that run are in the cache, so
 * this works offline. Modules with types only are added if they can be loaded.
 */

import { loadText } from "./load_text.ts";
import { type ProgramSource, SourceUnavailableError } from "./program_source.ts";
import { findImportSpecifiers } from "./import_specifiers.ts";

/** Longest wait for a module that the program can run without. */
const OPTIONAL_MODULE_TIMEOUT_MS = 3000;

/** Files next to the code that never run but belong to a copy of the program. */
export const COMPANION_FILES: readonly (() => Promise<unknown>)[] = [
  () => import("../../LICENSE", { with: { type: "text" } }),
  () => import("../../README.md", { with: { type: "text" } }),
  () => import("../../deno.json", { with: { type: "text" } }),
];

type Load = (url: string) => Promise<string>;

/** Lists and reads the cached modules of the program. */
export class CachedModules implements ProgramSource {
  readonly main: string;
  readonly #url: URL;
  readonly #load: Load;
  #files: Promise<ReadonlyMap<string, string>> | undefined;

  /**
   * @param url URL of the main module
   * @param load loads the text of a URL
   */
  constructor(url: string, load: Load = loadText) {
    this.#url = new URL(url);
    this.#load = load;
    this.main = this.#pathOf(this.#url) ?? "main.ts";
  }

  async list(): Promise<readonly string[]> {
    return [...(await this.#all()).keys()].sort();
  }

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const text = (await this.#all()).get(path);
    return text === undefined ? undefined : new TextEncoder().encode(text);
  }

  /** Collected once: the modules do not change while the program runs. */
  #all(): Promise<ReadonlyMap<string, string>> {
    return this.#files ??= this.#crawl().catch((error) => {
      this.#files = undefined;
      throw error;
    });
  }

  async #crawl(): Promise<ReadonlyMap<string, string>> {
    const files = new Map<string, string>();
    const types: URL[] = [];
    await this.#follow([{ url: this.#url, code: true }], files, types, this.#load);
    if (files.size === 0) {
      throw new SourceUnavailableError(
        `the cached modules cannot be read; --allow-import=${this.#url.host} may be missing`,
      );
    }
    const loadOptional = createOptionalLoad(this.#load);
    while (types.length > 0) {
      const some = types.splice(0).map((url) => ({ url, code: true }));
      await this.#follow(some, files, types, loadOptional);
    }
    return files;
  }

  /**
   * Adds modules and everything that they import to the files. Type-only imports are collected in
   * `types`.
   */
  async #follow(
    queue: { url: URL; code: boolean }[],
    files: Map<string, string>,
    types: URL[],
    load: Load,
  ): Promise<void> {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const path = this.#pathOf(next.url);
      if (path === undefined || files.has(path)) continue;
      // A module that is not in the cache was never loaded, so it is not part of what runs.
      const text = await load(next.url.href).catch(() => undefined);
      if (text === undefined) continue;
      files.set(path, text);
      // A module that is imported as text runs elsewhere, in a cell; its types still belong to the source.
      if (!next.code && !path.endsWith(".ts")) continue;
      for (const { specifier, kind } of findImportSpecifiers(text)) {
        const url = new URL(specifier, next.url);
        if (kind === "types" || !next.code) types.push(url);
        else queue.push({ url, code: kind === "code" });
      }
    }
  }

  /**
   * Path of a module relative to the folder of the main module; undefined for a module elsewhere.
   */
  #pathOf(url: URL): string | undefined {
    const folder = new URL(".", this.#url);
    if (url.origin !== folder.origin || !url.pathname.startsWith(folder.pathname)) return undefined;
    try {
      const path = decodeURIComponent(url.pathname.slice(folder.pathname.length));
      return path === "" || /(?:^|\/)\.{0,2}(?:\/|$)/.test(path) ? undefined : path;
    } catch {
      return undefined; // malformed escapes: not a file of this program
    }
  }
}

/**
 * Creates a loader for optional modules. After its first failure it fails immediately, so that a
 * server without a network waits only once.
 */
function createOptionalLoad(load: Load): Load {
  let hasFailed = false;
  return async function loadOptional(url) {
    if (hasFailed) throw new Error("Cannot load module: an earlier one could not be loaded");
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) =>
      timer = setTimeout(
        () => reject(new Error("Cannot load module: the time limit has passed")),
        OPTIONAL_MODULE_TIMEOUT_MS,
      )
    );
    try {
      return await Promise.race([load(url), timeout]);
    } catch (error) {
      hasFailed = true;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };
}
