/**
 * Worlds on disk that have no valid catalog row after a start. They are indexed, which means that
 * their rows are read from their files, in the background or when a listing needs them. A change of
 * a world removes its name, because the row of the change is newer than a row that is being read.
 */

import { LOCKED_INDEX_RETRY_MS } from "../../limits.ts";
import { Pauses } from "./pauses.ts";
import type { CatalogRow } from "./worker_messages.ts";
import type { WorldFiles } from "./world_files.ts";

/** Worlds that are indexed at a time; other reads can run between two steps. */
const WORLDS_PER_STEP = 16;

/** Receives the row of a newly indexed world; undefined if the world has no file. */
export type OnRow = (name: string, row: CatalogRow | undefined) => void;

/** The names of worlds that are not indexed yet. */
export class UnindexedWorlds {
  readonly #names = new Set<string>();
  readonly #files: Pick<WorldFiles, "stat" | "isClosing">;
  readonly #pauses = new Pauses();

  constructor(files: Pick<WorldFiles, "stat" | "isClosing">) {
    this.#files = files;
  }

  get size(): number {
    return this.#names.size;
  }

  /** The names. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** Whether a name is among them. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string): void {
    this.#names.add(name);
  }

  /** Removes a name and returns whether it was present. */
  delete(name: string): boolean {
    return this.#names.delete(name);
  }

  /** Indexes the given worlds, except those that are indexed already. */
  async index(names: readonly string[], onRow: OnRow): Promise<void> {
    const missing = names.filter((name) => this.#names.has(name));
    for (let at = 0; at < missing.length && !this.#files.isClosing; at += WORLDS_PER_STEP) {
      await this.#indexStep(missing.slice(at, at + WORLDS_PER_STEP), onRow);
    }
  }

  /**
   * Indexes all worlds, in steps. A world that another process has locked keeps its place among the
   * unindexed ones and is tried again later.
   */
  async indexAll(onRow: OnRow): Promise<void> {
    while (this.#names.size > 0 && !this.#files.isClosing) {
      const names = [...this.#names];
      for (let at = 0; at < names.length && !this.#files.isClosing; at += WORLDS_PER_STEP) {
        await this.#indexStep(names.slice(at, at + WORLDS_PER_STEP), onRow);
      }
      if (this.#names.size > 0 && !this.#files.isClosing) {
        await this.#pauses.wait(LOCKED_INDEX_RETRY_MS);
      }
    }
  }

  /** Ends a pause between two attempts, because the store is shutting down. */
  stop(): void {
    this.#pauses.end();
  }

  async #indexStep(names: readonly string[], onRow: OnRow): Promise<void> {
    const missing = names.filter((name) => this.#names.has(name));
    if (missing.length === 0) return;
    const rows = await this.#files.stat(missing);
    for (const [i, name] of missing.entries()) {
      const row = rows[i];
      if (row !== "in-use" && this.#names.delete(name)) onRow(name, row);
    }
  }
}
