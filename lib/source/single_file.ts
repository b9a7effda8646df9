/** The source of a program that is one bundled file: this file. */

import { fileURLToPath } from "node:url";
import { loadText } from "./load_text.ts";
import { type ProgramSource, toSourceError } from "./program_source.ts";

/** Lists and reads the bundled file. */
export class SingleFile implements ProgramSource {
  readonly main: string;
  readonly #url: URL;

  /** @param url URL from which the file was started */
  constructor(url: string) {
    this.#url = new URL(url);
    const name = decodeURIComponent(
      this.#url.pathname.slice(this.#url.pathname.lastIndexOf("/") + 1),
    );
    this.main = name === "" ? "elastik.js" : name;
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([this.main]);
  }

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (path !== this.main) return undefined;
    try {
      if (this.#url.protocol === "file:") return await Deno.readFile(fileURLToPath(this.#url));
      return new TextEncoder().encode(await loadText(this.#url.href));
    } catch (error) {
      throw toSourceError(error);
    }
  }
}
