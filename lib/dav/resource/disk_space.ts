/**
 * Reads the free space for the quota properties (RFC 4331): that of the file system with the data
 * folder, because clients have no other quota. It must never expose the path of the folder.
 */

import { DISK_SPACE_CACHE_MS } from "../../dav_limits.ts";

/** Bytes of a file system. */
export interface DiskSpace {
  /** What the server can still use: less than what is free if a part is reserved for root. */
  readonly available: number;
  readonly used: number;
  readonly size: number;
}

/** Reads the space of the disk; `undefined` if the system does not report it. */
export type DiskSpaceReader = () => Promise<DiskSpace | undefined>;

/**
 * Creates a function that reads the space of the disk, at most once in {@link DISK_SPACE_CACHE_MS}
 * milliseconds.
 *
 * @param folder path of the data folder
 * @param now returns milliseconds of a monotonic clock
 */
export function createDiskSpaceReader(folder: string, now: () => number): DiskSpaceReader {
  let last: { readonly at: number; readonly space: Promise<DiskSpace | undefined> } | undefined;
  return function quota() {
    if (last === undefined || now() - last.at > DISK_SPACE_CACHE_MS) {
      last = { at: now(), space: readSpace(folder) };
    }
    return last.space;
  };
}

async function readSpace(folder: string): Promise<DiskSpace | undefined> {
  try {
    // Loaded here, because it would take 5 ms of each start.
    const { statfs } = await import("node:fs/promises");
    const { bsize, blocks, bfree, bavail } = await statfs(folder);
    return {
      available: bavail * bsize,
      used: (blocks - bfree) * bsize,
      size: blocks * bsize,
    };
  } catch {
    // Without permission, or on a file system without this information, the properties are absent.
    return undefined;
  }
}
