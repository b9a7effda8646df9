/**
 * Saves changes of the catalog to disk, half a second later and many at a time. If the process
 * stops before that, the next start only has to read the changed worlds again.
 */

import { CATALOG_SAVE_DELAY_MS } from "../../limits.ts";
import type { FileStamp } from "../change/write_job.ts";
import type { CatalogRow } from "./worker_messages.ts";
import type { WorldEntry } from "../store.ts";
import type { WorldFiles } from "./world_files.ts";

/** Collects changed entries and saves them together. */
export class CatalogWriter {
  readonly #changed = new Map<string, CatalogRow>();
  readonly #removed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param files saves the rows
   * @param beforeSave awaited before rows are saved
   */
  constructor(
    readonly files: Pick<WorldFiles, "saveCatalog">,
    readonly beforeSave: () => Promise<void> = () => Promise.resolve(),
  ) {}

  /**
   * Records a changed entry.
   *
   * @param stamp stamp of the closed file; without it the next start reads the world again
   */
  recordChange(entry: WorldEntry, stamp: FileStamp = { mtime: 0, size: 0 }): void {
    const { layer: _, ...row } = entry;
    const { mtime, size } = stamp;
    this.#removed.delete(row.name);
    this.#changed.set(row.name, { ...row, mtime, size });
    this.#schedule();
  }

  /** Records that a world no longer exists. */
  recordRemoval(name: string): void {
    this.#changed.delete(name);
    this.#removed.add(name);
    this.#schedule();
  }

  /** Saves all recorded changes now. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#changed.size === 0 && this.#removed.size === 0) return;
    const rows = [...this.#changed.values()];
    const removed = [...this.#removed];
    this.#changed.clear();
    this.#removed.clear();
    try {
      // The change index compares itself with these rows at the next start.
      await this.beforeSave();
      await this.files.saveCatalog(rows, removed);
    } catch {
      // Safe to ignore: the catalog is derived. The next start detects old rows and reads the
      // worlds.
    }
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => void this.flush(), CATALOG_SAVE_DELAY_MS);
  }
}
