/**
 * Worlds on disk whose catalog rows have not been read yet, because a start opens no file without need.
 * They are indexed in the background, or when a listing needs them. A change that happens in the meantime
 * is newer than what is read, and takes the name out first.
 */

import type { CatalogRow } from "./worker_messages.ts";
import type { WorldFiles } from "./world_files.ts";

/** Worlds read at a time, so that other readers get their turn in between. */
const WORLDS_PER_STEP = 16;

/** Receives the row of a world that was not indexed until now; undefined if it has no file. */
export type OnRow = (name: string, row: CatalogRow | undefined) => void;

/** The names of worlds that are not indexed yet. */
export class UnindexedWorlds {
  readonly #names = new Set<string>();
  readonly #files: Pick<WorldFiles, "stat" | "isClosing">;

  constructor(files: Pick<WorldFiles, "stat" | "isClosing">) {
    this.#files = files;
  }

  get size(): number {
    return this.#names.size;
  }

  add(name: string): void {
    this.#names.add(name);
  }

  /** Removes a name and returns whether it was present. */
  delete(name: string): boolean {
    return this.#names.delete(name);
  }

  /** Indexes those of some names that are not indexed. */
  async index(names: readonly string[], onRow: OnRow): Promise<void> {
    const missing = names.filter((name) => this.#names.has(name));
    for (let at = 0; at < missing.length && !this.#files.isClosing; at += WORLDS_PER_STEP) {
      await this.#indexStep(missing.slice(at, at + WORLDS_PER_STEP), onRow);
    }
  }

  /** Indexes all of them, some at a time. */
  async indexAll(onRow: OnRow): Promise<void> {
    while (this.#names.size > 0 && !this.#files.isClosing) {
      await this.#indexStep(this.#names.values().take(WORLDS_PER_STEP).toArray(), onRow);
    }
  }

  async #indexStep(names: readonly string[], onRow: OnRow): Promise<void> {
    const missing = names.filter((name) => this.#names.has(name));
    if (missing.length === 0) return;
    const rows = await this.#files.stat(missing);
    missing.forEach((name, i) => {
      if (this.#names.delete(name)) onRow(name, rows[i]);
    });
  }
}
