/** Waits for changes of the files of a plugin. */

/** Files that a build can read. Worlds of a data folder in the same folder are not among them. */
const SOURCE = /\.(?:[mc]?[tj]sx?|jsonc?)$/;
/** Folders that a build of the author's files does not depend on. */
const IGNORED = /[\\/](?:node_modules|\.[^\\/]+)[\\/]/;
/** An editor writes a file in several steps; a build waits until this many milliseconds pass without one. */
const SETTLE_MS = 60;

/** The folders to watch. */
export interface Watched {
  /** Absolute paths. */
  readonly folders: readonly string[];
  /** Whether everything below them counts, too. */
  readonly isDeep: boolean;
}

/** Follows changes below folders, which can be replaced. */
export class FileWatch {
  #watcher: Deno.FsWatcher | undefined;
  #key = "";
  #isChanged = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake: () => void = () => {};

  /** Watches these folders from now on. Changes that were seen before are kept. */
  watch({ folders, isDeep }: Watched): void {
    const key = JSON.stringify([[...folders].sort(), isDeep]);
    if (key === this.#key) return;
    // A file of a new folder may have changed since it was read.
    this.#isChanged = this.#key !== "";
    this.#key = key;
    this.#watcher?.close();
    const watcher = Deno.watchFs([...folders], { recursive: isDeep });
    this.#watcher = watcher;
    void this.#follow(watcher);
  }

  /** Waits for a change since the last call. Returns false after {@link close} or the signal. */
  async next(signal: AbortSignal): Promise<boolean> {
    while (!this.#isChanged && !signal.aborted && this.#watcher !== undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    const isChanged = this.#isChanged && !signal.aborted;
    this.#isChanged = false;
    return isChanged;
  }

  /** Ends the watch. */
  close(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#wake();
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { kind, paths } of watcher) {
      if (kind === "access" || !paths.some(isSource)) continue;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#isChanged = true;
        this.#wake();
      }, SETTLE_MS);
    }
  }
}

function isSource(path: string): boolean {
  return SOURCE.test(path) && !IGNORED.test(path);
}
