/**
 * The source of a program that was started from a URL: its modules as the runtime keeps them, found by
 * following each one's imports from the main module on. All that runs is in the cache, so this works
 * without a network; what only types need is added where it can still be had.
 */

import { loadText } from "./load_text.ts";
import { type ProgramSource, SourceUnavailable } from "./program_source.ts";
import { namedBy } from "./import_specifiers.ts";

/** How long a module may take to come whose kind the program can run without, in milliseconds. */
const PATIENCE_MS = 3000;

/** Beside the code: never run, and yet no copy of the program is whole without them. */
export const COMPANIONS: readonly (() => Promise<unknown>)[] = [
  () => import("../../LICENSE", { with: { type: "text" } }),
  () => import("../../README.md", { with: { type: "text" } }),
  () => import("../../deno.json", { with: { type: "text" } }),
];

type Load = (url: string) => Promise<string>;

/** See the module. */
export class CachedModules implements ProgramSource {
  readonly main: string;
  readonly #url: URL;
  readonly #load: Load;
  #files: Promise<ReadonlyMap<string, string>> | undefined;

  /**
   * @param url where the main module was started from
   * @param load the text behind a URL
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

  /** Found once: what runs does not change while it runs. */
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
      throw new SourceUnavailable(
        `the runtime does not give its modules back; --allow-import=${this.#url.host} may be missing`,
      );
    }
    const patient = patiently(this.#load);
    while (types.length > 0) {
      const some = types.splice(0).map((url) => ({ url, code: true }));
      await this.#follow(some, files, types, patient);
    }
    return files;
  }

  /** Adds modules and all they name to the files; what only types need is put aside. */
  async #follow(
    wanted: { url: URL; code: boolean }[],
    files: Map<string, string>,
    types: URL[],
    load: Load,
  ): Promise<void> {
    for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
      const path = this.#pathOf(next.url);
      if (path === undefined || files.has(path)) continue;
      const text = await load(next.url.href).catch(() => undefined);
      // What cannot be loaded was never loaded, so what runs can do without it.
      if (text === undefined) continue;
      files.set(path, text);
      // A module that is imported as text runs elsewhere, in a cell; its types still belong to the source.
      if (!next.code && !path.endsWith(".ts")) continue;
      for (const { specifier, kind } of namedBy(text)) {
        const url = new URL(specifier, next.url);
        if (kind === "types" || !next.code) types.push(url);
        else wanted.push({ url, code: kind === "code" });
      }
    }
  }

  /** Where a module lies below the main module's folder, or `undefined` for what is elsewhere. */
  #pathOf(url: URL): string | undefined {
    const folder = new URL(".", this.#url);
    if (url.origin !== folder.origin || !url.pathname.startsWith(folder.pathname)) return undefined;
    try {
      const path = decodeURIComponent(url.pathname.slice(folder.pathname.length));
      return path === "" || /(?:^|\/)\.{0,2}(?:\/|$)/.test(path) ? undefined : path;
    } catch {
      return undefined; // no file of ours is named with escapes that nobody can read
    }
  }
}

/** Loads what may be missing: after the first that does not come, nobody waits for another. */
function patiently(load: Load): Load {
  let given = false;
  return async function loadOptional(url) {
    if (given) throw new Error("Cannot load a module: those before it did not come");
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) =>
      timer = setTimeout(() => reject(new Error("Cannot load a module: it is late")), PATIENCE_MS)
    );
    try {
      return await Promise.race([load(url), late]);
    } catch (error) {
      given = true;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };
}
