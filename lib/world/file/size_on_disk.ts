/** The space that the file of a world and its write-ahead log have on disk. */

import { WORLD_FILE } from "./durable_fs.ts";

/** A block of {@link Deno.FileInfo}, in bytes. */
const BLOCK_BYTES = 512;

/**
 * Returns the bytes that the files of a world have on disk: whole blocks, and nothing for what is not
 * written. Another link to a file counts, too.
 *
 * @param folder path of the world's folder
 * @returns 0 if it does not exist
 */
export function sizeOnDisk(folder: string): number {
  const world = measure(`${folder}/${WORLD_FILE}`);
  // A world that is not open has no log, and its index is not there without it.
  const log = world === undefined ? undefined : measure(`${folder}/${WORLD_FILE}-wal`);
  const index = log === undefined ? undefined : measure(`${folder}/${WORLD_FILE}-shm`);
  return (world ?? 0) + (log ?? 0) + (index ?? 0);
}

/** Returns undefined for a file that does not exist. */
function measure(path: string): number | undefined {
  try {
    const { blocks, size } = Deno.lstatSync(path);
    return blocks === null ? size : blocks * BLOCK_BYTES;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
