/**
 * The few things the store does to files beside SQLite: make folders appear and leave atomically,
 * and force them to disk. Each function says what survives a crash in its midst. Nothing here knows
 * what a world holds.
 */

/** The world's file inside its folder. */
export const WORLD_FILE = "universe.db";
/** Folder under `data/` for worlds on their way in; emptied at start. */
export const INCOMING_FOLDER = ".incoming";
/** Folder under `data/` for worlds on their way out. */
export const TRASH_FOLDER = ".trash";

/** File under `data/` that names the collections made without a world in them, one a line. */
export const COLLECTIONS_FILE = ".collections";

/** Forces a folder's entries to disk. A file system that cannot is taken at its word. */
export function syncFolder(path: string): void {
  let folder: Deno.FsFile;
  try {
    folder = Deno.openSync(path, { read: true });
  } catch (error) {
    // Windows opens no folders and journals its entries itself.
    if (Deno.build.os === "windows") return;
    throw error;
  }
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
}

/** Writes a whole file that only this user can read, and forces its bytes to disk. */
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

/** Replaces a file by rename, so that a crash leaves the old bytes or the new ones. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const fresh = `${path}.new`;
  writeSynced(fresh, bytes);
  Deno.renameSync(fresh, path);
}

/**
 * Makes a world's folder appear with its file in it. The caller syncs `data` afterwards, once for
 * as many worlds as it likes; until then a power loss may take the folder away again, whole.
 *
 * @param serial a number no other world on its way in has
 */
export function createWorldFolder(
  data: string,
  folder: string,
  image: Uint8Array,
  serial: string,
): void {
  const incoming = `${data}/${INCOMING_FOLDER}/${serial}`;
  try {
    Deno.mkdirSync(incoming, { recursive: true, mode: 0o700 });
    writeSynced(`${incoming}/${WORLD_FILE}`, image);
    syncFolder(incoming);
    const target = `${data}/${folder}`;
    // A folder without a world in it is what is left of a removal by hand.
    if (pathExists(target)) moveToTrash(data, folder, `leftover-${serial}`);
    Deno.renameSync(incoming, target);
  } catch (error) {
    tryRemove(incoming);
    throw error;
  }
}

/**
 * Moves a world's folder into the trash, under a folder of its own that no later removal shares.
 *
 * @returns where it lies now
 */
export function moveToTrash(data: string, folder: string, serial: string): string {
  const bin = `${data}/${TRASH_FOLDER}/${serial}`;
  Deno.mkdirSync(bin, { recursive: true, mode: 0o700 });
  Deno.renameSync(`${data}/${folder}`, `${bin}/${folder}`);
  syncFolder(bin);
  syncFolder(`${data}/${TRASH_FOLDER}`);
  syncFolder(data);
  return `${bin}/${folder}`;
}

/**
 * Gives a world's folder another name. A crash leaves it whole under the one or the other.
 *
 * @param serial a number no other folder on its way to the trash has
 */
export function renameWorldFolder(data: string, from: string, to: string, serial: string): void {
  // A folder without a world in it is what is left of a removal by hand.
  if (pathExists(`${data}/${to}`)) moveToTrash(data, to, `leftover-${serial}`);
  Deno.renameSync(`${data}/${from}`, `${data}/${to}`);
  syncFolder(data);
}

/** Whether anything is at a path. */
export function pathExists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes what may not be there; what stays behind is swept at the next start. */
export function tryRemove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // Only temporary folders come here, and the next start empties them again.
  }
}
