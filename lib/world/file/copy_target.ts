/** Where the copy of a world is written: a database in memory for a short one, else a temporary file. */

import { DatabaseSync } from "node:sqlite";
import { tryRemove, writeSynced } from "./durable_fs.ts";

/** Writes a copy into an empty database. */
export type WriteCopy<T> = (to: DatabaseSync) => Promise<T>;

/** Writes a copy in memory and returns its file as bytes. */
export async function copyToMemory<T extends object>(
  write: WriteCopy<T>,
): Promise<T & { readonly bytes: Uint8Array<ArrayBuffer> }> {
  const to = new DatabaseSync(":memory:");
  try {
    const copied = await write(to);
    return { ...copied, bytes: new Uint8Array(to.serialize()) };
  } finally {
    to.close();
  }
}

/**
 * Writes a copy to a file, which is removed again if that fails.
 *
 * @param path path of the file, which must not exist
 */
export async function copyToFile<T extends object>(
  path: string,
  write: WriteCopy<T>,
): Promise<T & { readonly path: string; readonly length: number }> {
  // Created first with mode 0600, so that other users can never read it.
  writeSynced(path, new Uint8Array());
  try {
    const to = new DatabaseSync(path);
    try {
      // The file is deleted after the response, so it does not have to survive a crash.
      to.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
      const copied = await write(to);
      to.close();
      return { ...copied, path, length: Deno.statSync(path).size };
    } finally {
      if (to.isOpen) to.close();
    }
  } catch (error) {
    tryRemove(path);
    throw error;
  }
}
