/**
 * The identity of a data folder: device and inode of the folder and of its `.lock`. While a server
 * runs, its folder can be moved away, another one can be mounted over it, or its `.lock` can be
 * deleted, so that a second server could start. The path is then no longer the folder that the
 * server has locked, and no change may be acknowledged.
 */

/** Name of the file that a server locks in its data folder. */
export const LOCK_FILE = ".lock";

interface FileIdentity {
  readonly dev: number;
  /** Absent on platforms without inodes, where only the existence is checked. */
  readonly ino: number | null;
}

/** Identity of a data folder that this process has locked. */
export interface FolderIdentity {
  readonly path: string;
  readonly folder: FileIdentity;
  readonly lock: FileIdentity;
}

/** Reads the identity of a data folder whose `.lock` this process has open and locked. */
export function readFolderIdentity(path: string, lock: Deno.FsFile): FolderIdentity {
  return { path, folder: identityOf(Deno.statSync(path)), lock: identityOf(lock.statSync()) };
}

/**
 * Returns why a path is not the locked data folder, or undefined if it is. Two calls of `stat`,
 * about 3 µs (2 cores, Deno 2.9.6).
 */
export function folderFault({ path, folder, lock }: FolderIdentity): string | undefined {
  try {
    if (!isSame(Deno.statSync(path), folder)) {
      return "another folder is in the place of the data folder";
    }
    if (!isSame(Deno.statSync(`${path}/${LOCK_FILE}`), lock)) {
      return `the file ${LOCK_FILE} of the data folder was replaced`;
    }
    return undefined;
  } catch (error) {
    return toFault(error);
  }
}

/** Like {@link folderFault}, without blocking the thread: a lost network disk can take long. */
export async function findFolderFault(
  { path, folder, lock }: FolderIdentity,
): Promise<string | undefined> {
  try {
    if (!isSame(await Deno.stat(path), folder)) {
      return "another folder is in the place of the data folder";
    }
    if (!isSame(await Deno.stat(`${path}/${LOCK_FILE}`), lock)) {
      return `the file ${LOCK_FILE} of the data folder was replaced`;
    }
    return undefined;
  } catch (error) {
    return toFault(error);
  }
}

/** A lack of file handles is not a lost folder. */
function toFault(error: unknown): string | undefined {
  if (error instanceof Deno.errors.NotFound) {
    return `the data folder or its file ${LOCK_FILE} was removed`;
  }
  if (error instanceof Error && /too many open files/i.test(error.message)) return undefined;
  return "the data folder cannot be accessed";
}

function identityOf({ dev, ino }: Deno.FileInfo): FileIdentity {
  return { dev, ino };
}

/** Whether a file is the one with this identity. */
export function isSame(found: FileIdentity, expected: FileIdentity): boolean {
  return expected.ino === null || (found.ino === expected.ino && found.dev === expected.dev);
}
