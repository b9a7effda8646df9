/**
 * The worlds of a data folder, one after the other, each open for a moment: where a server holds the
 * folder beside that server, and where none does without leaving a trace. It changes nothing.
 */

import { DatabaseSync } from "node:sqlite";
import { DataFolderBusy, lockToRead } from "../world/file/data_folder.ts";
import { exists, WORLD_FILE } from "../world/file/durable_fs.ts";
import * as sql from "../world/file/sql.ts";
import { withStillFile } from "../world/file/offline_file.ts";

/** How long a look waits for the server's own, in milliseconds. */
const BUSY_MS = 5000;

/** A data folder that is being looked at. */
export interface DataWorlds {
  /** Folders that may hold a world, sorted. */
  readonly folders: readonly string[];
  /** Whether a server holds the folder meanwhile. */
  readonly live: boolean;
  /**
   * Looks into one world.
   *
   * @returns `undefined` when it is gone, or on its way to the trash
   */
  look<T>(folder: string, look: (db: DatabaseSync) => T): T | undefined;
  /** Gives the folder back. */
  close(): void;
}

/**
 * Begins to look at a data folder.
 *
 * @throws {Deno.errors.NotFound} when there is none
 */
export function openDataWorlds(data: string): DataWorlds {
  const folders = [...Deno.readDirSync(data)]
    .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("."))
    .map(({ name }) => name).sort();
  let release: (() => void) | undefined;
  try {
    release = lockToRead(data);
  } catch (error) {
    if (!(error instanceof DataFolderBusy)) throw error;
  }
  let scratch: string | undefined;
  const scratchFolder = () => scratch ??= Deno.makeTempDirSync({ prefix: "elastik-look-" });
  return {
    folders,
    live: release === undefined,
    look(folder, look) {
      const path = `${data}/${folder}/${WORLD_FILE}`;
      if (!exists(path)) return undefined;
      const present = (db: DatabaseSync) => isLeaving(db) ? undefined : look(db);
      return release === undefined
        ? withLiveFile(path, present)
        : withStillFile(path, scratchFolder, present);
    },
    close() {
      release?.();
      if (scratch !== undefined) Deno.removeSync(scratch, { recursive: true });
    },
  };
}

function withLiveFile<T>(path: string, look: (db: DatabaseSync) => T): T | undefined {
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_MS });
  } catch (error) {
    // Deleted between the two looks.
    if (!exists(path)) return undefined;
    throw error;
  }
  try {
    db.exec("PRAGMA query_only = ON");
    return look(db);
  } finally {
    db.close();
  }
}

function isLeaving(db: DatabaseSync): boolean {
  return Number(db.prepare(sql.IS_LEAVING).get()?.user_version) === 1;
}
