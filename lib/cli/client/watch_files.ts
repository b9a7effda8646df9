/** Waits for changes of the files of a plugin. */

/** Files that a build can read. Worlds of a data folder in the same folder are not among them. */
const SOURCE = /\.(?:[mc]?[tj]sx?|jsonc?)$/;
/** Folders that a build of the author's files does not depend on. */
const IGNORED = /[\\/](?:node_modules|\.[^\\/]+)[\\/]/;
/** An editor writes a file in several steps; a build waits until this many milliseconds pass without one. */
const SETTLE_MS = 60;

/** How often folders are listed if one is removed before it is watched. */
const LIST_ATTEMPTS = 3;

/** The folders to watch, as absolute paths. */
export interface Watched {
  /** Everything below them counts, too, except what is ignored and what links lead to. */
  readonly trees: readonly string[];
  /** Only their own files count. */
  readonly folders: readonly string[];
}

/** Follows changes in folders, which can be replaced. */
export class FileWatch {
  #watched: Watched = { trees: [], folders: [] };
  #watcher: Deno.FsWatcher | undefined;
  #listed: ReadonlySet<string> = new Set();
  #isChanged = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake: () => void = () => {};

  /** Watches these folders from now on. Changes that were seen before are kept. */
  watch(watched: Watched): void {
    this.#watched = watched;
    for (let attempt = 1;; attempt++) {
      try {
        return this.#watchListed();
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound) || attempt === LIST_ATTEMPTS) throw error;
      }
    }
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

  /**
   * Watches each folder for itself: a recursive watch follows links, also to the whole disk, and needs a
   * descriptor for each folder of `node_modules`.
   */
  #watchListed(): void {
    const { trees, folders } = this.#watched;
    const listed = new Set([...folders, ...trees.flatMap(listFolders)]);
    if (listed.size === this.#listed.size && listed.isSubsetOf(this.#listed)) return;
    const watcher = Deno.watchFs([...listed], { recursive: false });
    // A file of a new folder may have changed since it was read.
    this.#isChanged = this.#watcher !== undefined;
    this.#listed = listed;
    this.#watcher?.close();
    this.#watcher = watcher;
    void this.#follow(watcher);
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { kind, paths } of watcher) {
      if (kind === "access") continue;
      const hasNewFolder = paths.some((path) => !this.#listed.has(path) && isFolder(path));
      if (!hasNewFolder && !paths.some(isSource)) continue;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#isChanged = true;
        this.#wake();
      }, SETTLE_MS);
      if (hasNewFolder) this.watch(this.#watched);
    }
  }
}

/** Lists a folder and those below it, except ignored ones, those that cannot be read, and links. */
function listFolders(folder: string): string[] {
  const found = [folder];
  try {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory && !IGNORED.test(`${path}/`)) found.push(...listFolders(path));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) {
      throw error;
    }
    // The folder was removed, or a build cannot read it either.
    return error instanceof Deno.errors.NotFound ? [] : found;
  }
  return found;
}

function isFolder(path: string): boolean {
  try {
    return !IGNORED.test(`${path}/`) && Deno.lstatSync(path).isDirectory;
  } catch {
    return false; // it was removed
  }
}

function isSource(path: string): boolean {
  return SOURCE.test(path) && !IGNORED.test(path);
}
