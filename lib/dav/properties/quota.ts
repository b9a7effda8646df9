/**
 * How much room is left (RFC 4331): the free space of the file system the worlds lie on, because no
 * other bound stands between a client and a full disk. It says numbers only, never where the disk is.
 */

import { statfs } from "node:fs/promises";
import { QUOTA_CACHE_MS } from "../../limits.ts";

/** Bytes of the disk. */
export interface DiskSpace {
  readonly available: number;
  readonly used: number;
}

/** Looks at the disk; `undefined` when it does not say. */
export type QuotaReader = () => Promise<DiskSpace | undefined>;

/**
 * Makes a look at the disk that is repeated every {@link QUOTA_CACHE_MS} at most.
 *
 * @param folder the data folder
 * @param now Unix milliseconds
 */
export function createQuotaReader(folder: string, now: () => number): QuotaReader {
  let last: { readonly at: number; readonly space: Promise<DiskSpace | undefined> } | undefined;
  return function quota() {
    if (last === undefined || now() - last.at > QUOTA_CACHE_MS) {
      last = { at: now(), space: look(folder) };
    }
    return last.space;
  };
}

async function look(folder: string): Promise<DiskSpace | undefined> {
  try {
    const { bsize, blocks, bfree, bavail } = await statfs(folder);
    return { available: bavail * bsize, used: (blocks - bfree) * bsize };
  } catch {
    // Without the right to look, or on a file system that does not count, the property is absent.
    return undefined;
  }
}
