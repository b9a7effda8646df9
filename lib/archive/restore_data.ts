/**
 * Restores worlds from a backup, an archive of `export` or a data folder, also as they were at an
 * earlier time. It reads the worlds, and writes them into a new data folder. It never changes the
 * backup or an existing data folder.
 */

import { type ChainSigner, createChainSigner } from "../world/event_chain.ts";
import {
  COLLECTIONS_FILE,
  LEDGER_FILE,
  pathExists,
  syncFolder,
  tryRemove,
  WORLD_FILE,
  writeSynced,
} from "../world/file/durable_fs.ts";
import { assertKnownFormat, listWorldFolders } from "../world/file/data_folder.ts";
import { withOfflineFile } from "../world/file/offline_file.ts";
import { KEY_FILE, readSigningKeys, RETIRED_KEYS_FILE } from "../world/file/signing_keys.ts";
import { fromFolderName, toFolderName } from "../world/name.ts";
import { BackupError, BackupFolder, timeOfId } from "./backup_folder.ts";
import { unpackArchive } from "./unpack.ts";
import { imageOfWorldAt, readWorldAt, type WorldAt } from "./world_at.ts";

/** What is restored. */
export interface RestoreSelection {
  /** Names of worlds and collections without slashes at the ends; `""` is everything. */
  readonly names: readonly string[];
  /** RFC 3339 time in UTC with milliseconds; the latest state if undefined. */
  readonly at?: string | undefined;
}

/** A world that can be restored. */
export interface FoundWorld {
  readonly name: string;
  /** Path of its file in the backup. */
  readonly path: string;
  /** Name of that folder as a world. */
  readonly folderName: string;
  readonly lastEvent: number;
}

/** A world that cannot be restored. */
export interface LostWorld {
  readonly name: string;
  readonly reason: string;
}

/** What a selection found. */
export interface Selected {
  /** Sorted by name. */
  readonly found: readonly FoundWorld[];
  readonly lost: readonly LostWorld[];
}

/** An open backup. */
export class RestoreSource {
  readonly #backup: BackupFolder | undefined;
  readonly #data: string;
  readonly #sign: ChainSigner;
  #scratch: string | undefined;
  readonly #temporary: string | undefined;

  private constructor(
    path: string,
    key: string | undefined,
    retiredKeys: readonly string[],
    temporary?: string,
  ) {
    const backup = new BackupFolder(path);
    this.#backup = backup.isBackup() ? backup : undefined;
    this.#data = this.#backup?.data ?? path;
    this.#temporary = temporary;
    assertKnownFormat(this.#data);
    const { key: signingKey = "", retired } = readSigningKeys(this.#data, key);
    this.#sign = createChainSigner(signingKey, retiredKeys.length === 0 ? retired : retiredKeys);
  }

  /**
   * Opens a backup.
   *
   * @param path a folder of `backup`, an archive of `backup` or `export`, or a data folder
   * @param key key that signed its chains; if undefined, the key in it is used
   * @param retiredKeys keys that signed earlier events, oldest first; if empty, those in it are used
   * @throws {BackupError} if it has no worlds
   * @throws {ArchiveError} if it is a file and not an archive
   * @throws {UnusableEntry} if a newer program has written it
   * @throws {Deno.errors.NotFound} if it does not exist
   */
  static async open(
    path: string,
    key: string | undefined,
    retiredKeys: readonly string[] = [],
  ): Promise<RestoreSource> {
    if ((await Deno.stat(path)).isFile) {
      const folder = await Deno.makeTempDir({ prefix: "elastik-restore-" });
      try {
        await unpackArchive((await Deno.open(path)).readable, folder);
        return new RestoreSource(folder, key, retiredKeys, folder);
      } catch (error) {
        tryRemove(folder);
        throw error;
      }
    }
    const source = new RestoreSource(path, key, retiredKeys);
    if (source.#backup === undefined && listWorldFolders(path).length === 0) {
      throw new BackupError(
        `Cannot restore from ${path}: it is neither a backup nor a data folder with worlds`,
      );
    }
    return source;
  }

  /** Whether worlds can be missing, because the first run of the backup has not ended. */
  get isIncomplete(): boolean {
    return this.#backup !== undefined && !this.#backup.isComplete();
  }

  /** Removes temporary files. */
  close(): void {
    for (const folder of [this.#scratch, this.#temporary]) {
      if (folder !== undefined) tryRemove(folder);
    }
  }

  /** Finds the worlds of a selection. Each is read once. */
  select(
    { names, at }: RestoreSelection,
    onProgress?: (done: number, total: number) => void,
  ): Selected {
    const isWanted = (name: string) =>
      names.some((want) => want === "" || name === want || name.startsWith(`${want}/`));
    const found = new Map<string, FoundWorld>();
    const lost = new Map<string, LostWorld>();
    const paths = this.#paths(at);
    paths.forEach(({ path, folder }, done) => {
      onProgress?.(done, paths.length);
      const folderName = fromFolderName(folder);
      // The name at an earlier time is known from the chain only.
      if (folderName === undefined || (at === undefined && !isWanted(folderName))) return;
      try {
        const world = this.#use(path, (db) => readWorldAt(db, folderName, at, this.#sign));
        if ("absent" in world) return;
        if ("fault" in world) {
          if (isWanted(folderName)) lost.set(folderName, { name: folderName, reason: world.fault });
          return;
        }
        const { name, lastEvent } = world;
        const known = found.get(name);
        if (!isWanted(name) || (known !== undefined && known.lastEvent >= lastEvent)) return;
        found.set(name, { name, path, folderName, lastEvent });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (isWanted(folderName)) lost.set(folderName, { name: folderName, reason });
      }
    });
    onProgress?.(paths.length, paths.length);
    for (const name of found.keys()) lost.delete(name);
    const byName = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
    return { found: [...found.values()].sort(byName), lost: [...lost.values()].sort(byName) };
  }

  /** Reads a world that was found. */
  read({ path, folderName }: FoundWorld, at: string | undefined): WorldAt {
    return this.#use(path, (db) => this.#readFound(db, folderName, at));
  }

  /** Creates the file of a world that was found. */
  imageOf({ path, folderName }: FoundWorld, at: string | undefined): Uint8Array<ArrayBuffer> {
    return this.#use(path, (db) => imageOfWorldAt(db, this.#readFound(db, folderName, at)));
  }

  #readFound(
    db: Parameters<typeof readWorldAt>[0],
    folderName: string,
    at: string | undefined,
  ): WorldAt {
    const world = readWorldAt(db, folderName, at, this.#sign);
    if ("name" in world) return world;
    throw new BackupError(
      `Cannot restore /${folderName}: the backup was changed since it was searched`,
    );
  }

  /**
   * Copies what belongs to no world: the signing keys, and, with every world, the marked collections and
   * the last version of each name.
   */
  copyOwnFiles(into: string, isEverything: boolean): void {
    const keys = [RETIRED_KEYS_FILE, KEY_FILE];
    const files = isEverything ? [...keys, COLLECTIONS_FILE, LEDGER_FILE] : keys;
    for (const file of files) {
      const from = `${this.#data}/${file}`;
      if (pathExists(from)) writeSynced(`${into}/${file}`, Deno.readFileSync(from));
    }
  }

  /** The files that can have a world of the selection. */
  #paths(at: string | undefined): { path: string; folder: string }[] {
    const latest = listWorldFolders(this.#data).map((folder) => ({
      path: `${this.#data}/${folder}/${WORLD_FILE}`,
      folder,
    }));
    if (at === undefined || this.#backup === undefined) {
      return latest.filter(({ path }) => pathExists(path));
    }
    const deleted = this.#backup.listDeleted()
      // Its world was gone at the time of the id.
      .filter(({ id }) => (timeOfId(id) ?? Infinity) > Date.parse(at))
      .map(({ path, folder }) => ({ path: `${path}/${WORLD_FILE}`, folder }));
    return [...latest.filter(({ path }) => pathExists(path)), ...deleted];
  }

  #use<T>(path: string, use: (db: Parameters<typeof readWorldAt>[0]) => T): T {
    const scratch = () => this.#scratch ??= Deno.makeTempDirSync({ prefix: "elastik-restore-" });
    return withOfflineFile(path, scratch, use);
  }
}

/** How a data folder is created from a backup. */
export interface RestoreFolderOptions extends RestoreSelection {
  /** Path of the new data folder. */
  readonly into: string;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Creates a data folder with the worlds of a selection. It appears complete, by one rename; without
 * worlds it does not appear.
 *
 * @returns the worlds that were restored, and those that could not be
 * @throws {BackupError} if the target has entries
 * @throws the reason of the signal if it was aborted, and any error of the file system
 */
export async function restoreFolder(
  source: RestoreSource,
  { into, names, at, onProgress, signal }: RestoreFolderOptions,
): Promise<Selected> {
  const named = into.replace(/\/+$/, "");
  // Where a link leads, not the link, becomes the data folder.
  const target = pathExists(named) ? Deno.realPathSync(named) : named;
  if (pathExists(target) && !Deno.readDirSync(target)[Symbol.iterator]().next().done) {
    throw new BackupError(`Cannot restore into ${into}: it is not empty; name a new folder`);
  }
  const selected = source.select({ names, at });
  if (selected.found.length === 0) return selected;
  const staging = `${target}.restore-${crypto.randomUUID().slice(0, 8)}`;
  try {
    Deno.mkdirSync(staging, { recursive: true, mode: 0o700 });
    for (const [done, world] of selected.found.entries()) {
      if (done % 16 === 0) await new Promise((resume) => setTimeout(resume));
      signal?.throwIfAborted();
      onProgress?.(done, selected.found.length);
      const folder = `${staging}/${toFolderName(world.name)}`;
      Deno.mkdirSync(folder, { mode: 0o700 });
      writeSynced(`${folder}/${WORLD_FILE}`, source.imageOf(world, at));
      syncFolder(folder);
    }
    source.copyOwnFiles(staging, names.includes(""));
    syncFolder(staging);
    if (pathExists(target)) Deno.removeSync(target);
    Deno.renameSync(staging, target);
    return selected;
  } catch (error) {
    tryRemove(staging);
    throw error;
  }
}
