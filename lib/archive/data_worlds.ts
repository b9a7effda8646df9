/**
 * Reads the worlds of a data folder one after the other, each open only while it is read. A server
 * may hold the folder at the same time. Without a server, reading creates no files in the folder.
 * The content of the worlds is never changed.
 */

import { SQLITE_BUSY_MS } from "../limits.ts";
import { DatabaseSync } from "node:sqlite";
import {
  assertHasWorlds,
  DataFolderBusy,
  listWorldFolders,
  lockDataFolderForReading,
} from "../world/file/data_folder.ts";
import { pathExists, WORLD_FILE } from "../world/file/durable_fs.ts";
import { assertRegularFiles } from "../world/file/regular_files.ts";
import * as sql from "../world/file/sql.ts";
import { withOfflineFile } from "../world/file/offline_file.ts";

/** A data folder that is open for reading. */
export interface DataWorlds {
  /** Folders that may contain a world, sorted. */
  readonly folders: readonly string[];
  /** A server holds the folder. */
  readonly isLive: boolean;
  /**
   * Opens one world and passes its database to a function.
   *
   * @param folder name of the world's folder
   * @param use receives the open database; must not keep it
   * @returns the result of `use`; undefined if the world is deleted or being deleted
   */
  read<T>(folder: string, use: (db: DatabaseSync) => T): T | undefined;
  /** Releases the folder and removes temporary files. */
  close(): void;
}

/**
 * Opens a data folder for reading.
 *
 * @param data path of the data folder
 * @throws {Deno.errors.NotFound} if there is no such folder
 * @throws {UnusableEntry} if no server has kept worlds in it
 */
export function openDataWorlds(data: string): DataWorlds {
  assertHasWorlds(data);
  const folders = listWorldFolders(data);
  let release: (() => void) | undefined;
  try {
    release = lockDataFolderForReading(data);
  } catch (error) {
    if (!(error instanceof DataFolderBusy)) throw error;
  }
  let scratch: string | undefined;
  const scratchFolder = () => scratch ??= Deno.makeTempDirSync({ prefix: "elastik-read-" });
  return {
    folders,
    isLive: release === undefined,
    read(folder, use) {
      const path = `${data}/${folder}/${WORLD_FILE}`;
      if (!pathExists(path)) return undefined;
      const useUnlessDeleted = (db: DatabaseSync) => isBeingDeleted(db) ? undefined : use(db);
      return release === undefined
        ? withLiveFile(path, useUnlessDeleted)
        : withOfflineFile(path, scratchFolder, useUnlessDeleted);
    },
    close() {
      release?.();
      if (scratch !== undefined) Deno.removeSync(scratch, { recursive: true });
    },
  };
}

function withLiveFile<T>(path: string, use: (db: DatabaseSync) => T): T | undefined {
  let db: DatabaseSync;
  assertRegularFiles(path);
  try {
    db = new DatabaseSync(path, { timeout: SQLITE_BUSY_MS });
  } catch (error) {
    // The world was deleted after the first check.
    if (!pathExists(path)) return undefined;
    throw error;
  }
  try {
    db.exec("PRAGMA query_only = ON");
    return use(db);
  } finally {
    db.close();
  }
}

function isBeingDeleted(db: DatabaseSync): boolean {
  return Number(db.prepare(sql.SELECT_DELETED_MARK).get()?.user_version) === 1;
}
