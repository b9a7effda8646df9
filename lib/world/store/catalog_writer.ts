/**
 * Keeps the catalog on disk a moment behind the one in memory. What is lost in that moment costs
 * the next start a look into the worlds that changed in it, nothing else.
 */

import type { CatalogRow, FileStamp } from "./worker_messages.ts";
import type { WorldEntry } from "../store.ts";
import type { WorldFiles } from "./world_files.ts";

/** How long changes gather before they are written, in milliseconds. */
const GATHER_MS = 500;

/** Gathers changed entries and writes them in one go. */
export class CatalogWriter {
  readonly #changed = new Map<string, CatalogRow>();
  readonly #gone = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly files: Pick<WorldFiles, "saveCatalog">) {}

  /** Notes an entry; without `settled` the next start looks into the world again. */
  changed(entry: WorldEntry, settled: FileStamp = { mtime: 0, size: 0 }): void {
    const { name, version, ext, len, state, updatedAt } = entry;
    const { mtime, size } = settled;
    this.#gone.delete(name);
    this.#changed.set(name, { name, version, ext, len, state, updatedAt, mtime, size });
    this.#schedule();
  }

  /** Notes that a world is gone. */
  gone(name: string): void {
    this.#changed.delete(name);
    this.#gone.add(name);
    this.#schedule();
  }

  /** Writes what has gathered, now. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#changed.size === 0 && this.#gone.size === 0) return;
    const rows = [...this.#changed.values()];
    const gone = [...this.#gone];
    this.#changed.clear();
    this.#gone.clear();
    try {
      await this.files.saveCatalog(rows, gone);
    } catch {
      // Derived: rows that were not written are found stale at the next start and read again.
    }
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS);
  }
}
