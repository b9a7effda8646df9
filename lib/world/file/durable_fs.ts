/**
 * File operations of the store outside SQLite: create, rename and remove folders atomically, and
 * sync them to disk. Each function documents the state after a crash. The content of a world's file
 * is not handled here.
 */

/** Name of the database file in a world's folder. */
export const WORLD_FILE = "universe.db";
/** Folder below the data folder for worlds that are being created; emptied at start. */
export const INCOMING_FOLDER = ".incoming";
/** Folder below the data folder for deleted worlds. */
export const TRASH_FOLDER = ".trash";

/** File in the data folder with the names of the marked collections, one per line. */
export const COLLECTIONS_FILE = ".collections";

/** File in the data folder with the rows of the catalog, see `worker/catalog_file.ts`. */
export const CATALOG_FILE = ".catalog.db";

/** File in the data folder with what must be remembered of names, see `name_ledger.ts`. */
export const LEDGER_FILE = ".names.db";

/**
 * Syncs the entries of a folder to disk, so that created and renamed entries survive a power loss.
 */
export function syncFolder(path: string): void {
  let folder: Deno.FsFile;
  try {
    folder = Deno.openSync(path, { read: true });
  } catch (error) {
    // Windows cannot open folders as files; NTFS journals their entries.
    if (Deno.build.os === "windows") return;
    throw error;
  }
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
}

/** Writes a file that only this user can read, and syncs it to disk. */
export function writeSynced(path: string, bytes: Uint8Array): void {
  const file = Deno.openSync(path, { create: true, truncate: true, write: true, mode: 0o600 });
  try {
    let written = 0;
    while (written < bytes.length) written += file.writeSync(bytes.subarray(written));
    file.syncSync();
  } finally {
    file.close();
  }
}

/** Replaces a file by rename; after a crash it has either the old or the new bytes. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const fresh = `${path}.new`;
  // A crash or a person left it. Opening a pipe would block, and a link leads elsewhere.
  if (pathExists(fresh)) Deno.removeSync(fresh);
  writeSynced(fresh, bytes);
  Deno.renameSync(fresh, path);
}

/**
 * Creates a world's folder with its file, by rename from {@link INCOMING_FOLDER}. The caller must
 * then sync `data`, once for any number of worlds. Before that, a power loss can remove the folder
 * with all its contents.
 *
 * @param data path of the data folder
 * @param folder name of the world's folder
 * @param image bytes of the world's file
 * @param serial a name that no other world in the incoming folder has
 */
export function createWorldFolder(
  data: string,
  folder: string,
  image: Uint8Array,
  serial: string,
): void {
  const incoming = `${data}/${INCOMING_FOLDER}/${serial}`;
  try {
    createFolderIn(data, INCOMING_FOLDER, serial);
    writeSynced(`${incoming}/${WORLD_FILE}`, image);
    syncFolder(incoming);
    const target = `${data}/${folder}`;
    // The folder has no world file; that file was deleted outside the server.
    if (pathExists(target)) moveToTrash(data, folder, `leftover-${serial}`);
    Deno.renameSync(incoming, target);
  } catch (error) {
    tryRemove(incoming);
    throw error;
  }
}

/**
 * Creates the id of an entry in the trash, which is the name of its folder: the time, for people,
 * and random digits, because the clock can repeat a time.
 *
 * @param now RFC 3339 time of the removal
 */
export function createTrashId(now: string): string {
  const random = crypto.getRandomValues(new Uint8Array(6)).toHex();
  return `${now.replaceAll(/[-:.]/g, "")}-${random}`;
}

/** Creates the folder of a removal in the trash; it can exist, for example after a crash. */
export function createTrashBin(data: string, serial: string): void {
  if (!pathExists(`${data}/${TRASH_FOLDER}/${serial}`)) createFolderIn(data, TRASH_FOLDER, serial);
}

/** Removes the folder of a removal that failed, if it is empty. */
export function removeTrashBin(data: string, serial: string): void {
  try {
    Deno.removeSync(`${data}/${TRASH_FOLDER}/${serial}`);
  } catch {
    // Safe to ignore: it is missing, or it has a world.
  }
}

/**
 * Moves a world's folder to the trash, into a new folder for this removal.
 *
 * @param serial name of the new folder; no other folder in the trash has it
 * @returns the new path of the world's folder
 */
export function moveToTrash(data: string, folder: string, serial: string): string {
  const bin = `${data}/${TRASH_FOLDER}/${serial}`;
  createTrashBin(data, serial);
  Deno.renameSync(`${data}/${folder}`, `${bin}/${folder}`);
  syncFolder(bin);
  syncFolder(`${data}/${TRASH_FOLDER}`);
  syncFolder(data);
  return `${bin}/${folder}`;
}

/**
 * Moves a world's folder out of the trash, or back into it. After a crash it is in one of the two.
 *
 * @param id name of the folder in the trash
 * @param trashed name of the world's folder there
 * @param folder name of the world's folder in the data folder
 * @param back moves it into the trash
 * @param serial a name that no other folder in the trash has
 */
export function moveFromTrash(
  data: string,
  { id, trashed, folder, back = false, serial }: {
    id: string;
    trashed: string;
    folder: string;
    back?: boolean;
    serial: string;
  },
): void {
  const bin = `${data}/${TRASH_FOLDER}/${id}`;
  createTrashBin(data, id);
  if (back) {
    Deno.renameSync(`${data}/${folder}`, `${bin}/${trashed}`);
  } else {
    // The folder has no world file; that file was deleted outside the server.
    if (pathExists(`${data}/${folder}`)) moveToTrash(data, folder, `leftover-${serial}`);
    Deno.renameSync(`${bin}/${trashed}`, `${data}/${folder}`);
  }
  syncFolder(bin);
  syncFolder(data);
}

/**
 * Renames a world's folder. After a crash it has either the old or the new name.
 *
 * @param serial a name that no other folder in the trash has
 */
export function renameWorldFolder(data: string, from: string, to: string, serial: string): void {
  // The folder has no world file; that file was deleted outside the server.
  if (pathExists(`${data}/${to}`)) moveToTrash(data, to, `leftover-${serial}`);
  Deno.renameSync(`${data}/${from}`, `${data}/${to}`);
  syncFolder(data);
}

/**
 * Creates a folder in one of the server's own folders, and that folder if it is missing. It never
 * creates the data folder: a data folder that is missing while the server runs was moved away.
 */
function createFolderIn(data: string, parent: string, name: string): void {
  const path = `${data}/${parent}/${name}`;
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(`${data}/${parent}`, { mode: 0o700 });
    Deno.mkdirSync(path, { mode: 0o700 });
  }
}

/** Whether a path exists; a symbolic link exists even if its target does not. */
export function pathExists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Lists the folders in a folder, in no order; none if it does not exist. */
export function listFolders(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter((entry) => entry.isDirectory)
      .map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Removes a temporary or derived file or folder; ignores errors. */
export function tryRemove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // Safe to ignore: temporary files are removed at the next start, derived files are validated.
  }
}
