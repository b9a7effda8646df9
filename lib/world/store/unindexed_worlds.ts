/**
 * Worlds that are on disk and whose rows have not been read yet, because a start opens no files it
 * need not open. They are learned in the background, or when somebody lists them; what is written
 * meanwhile is newer than what is read, and is left alone.
 */

import type { CatalogRow } from "./worker_messages.ts";

/** Worlds looked into at a time; others who ask get their turn in between. */
const STEP = 16;

/** What learning needs. */
export interface UnindexedWorldsOptions {
  /** Reads rows; `undefined` for a world that is not there after all. */
  readonly stat: (names: readonly string[]) => Promise<readonly (CatalogRow | undefined)[]>;
  /** Takes what was read of a world that was unknown until now. */
  readonly onRow: (name: string, row: CatalogRow | undefined) => void;
  /** Whether to stop. */
  readonly stopped: () => boolean;
}

/** The names that are not known yet. */
export class UnindexedWorlds {
  readonly #names = new Set<string>();
  readonly #options: UnindexedWorldsOptions;

  constructor(options: UnindexedWorldsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#names.size;
  }

  add(name: string): void {
    this.#names.add(name);
  }

  /** Takes a name out, and says whether it was there. */
  delete(name: string): boolean {
    return this.#names.delete(name);
  }

  /** Learns those of some names that are not known. */
  async index(names: readonly string[]): Promise<void> {
    const asked = names.filter((name) => this.#names.has(name));
    for (let at = 0; at < asked.length && !this.#options.stopped(); at += STEP) {
      await this.#learnSome(asked.slice(at, at + STEP));
    }
  }

  /** Learns all of them, a few at a time. */
  async indexAll(): Promise<void> {
    while (this.#names.size > 0 && !this.#options.stopped()) {
      await this.#learnSome(this.#names.values().take(STEP).toArray());
    }
  }

  async #learnSome(names: readonly string[]): Promise<void> {
    const asked = names.filter((name) => this.#names.has(name));
    if (asked.length === 0) return;
    const rows = await this.#options.stat(asked);
    asked.forEach((name, i) => {
      if (this.#names.delete(name)) this.#options.onRow(name, rows[i]);
    });
  }
}
