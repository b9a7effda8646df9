/**
 * Opens a file by its resolved path and verifies the path of the open file, because another process
 * may have put a symlink there between the two steps (a time-of-check race). The verification needs
 * Linux and a server with all permissions, to read `/proc/self/fd`. Otherwise the file is opened
 * without it.
 */

/** The opened file does not have the resolved path. */
export class FileReplaced extends Error {
  override readonly name = "FileReplaced";
}

/**
 * Opens a file for reading.
 *
 * @param real its path without symlinks
 * @throws {FileReplaced} the opened file has another path
 */
export type OpenVerified = (real: string) => Promise<Deno.FsFile>;

/** Creates the function that opens files: with verification if this system supports it. */
export function createOpenVerified(native: typeof Deno): OpenVerified {
  return canVerify(native) ? openAndVerify : (real) => native.open(real, { read: true });

  async function openAndVerify(real: string): Promise<Deno.FsFile> {
    // Loaded here, because it would take 5 ms of each start.
    const { close, constants, fstat, open } = await import("node:fs");
    const { promisify } = await import("node:util");
    // Do not follow a symlink in the last segment, and do not block on a pipe.
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    const descriptor = await promisify(open)(real, flags);
    const link = `/proc/self/fd/${descriptor}`;
    try {
      const openedPath = await native.readLink(link);
      // A file that was deleted or replaced after the opening had the right path.
      if (openedPath !== real && openedPath !== `${real} (deleted)`) {
        throw new FileReplaced("its path has changed");
      }
      // `native.open` would block on a pipe until a writer opens it.
      if (!(await promisify(fstat)(descriptor)).isFile()) throw new TypeError("it is not a file");
      // Opens the same file again, by its descriptor instead of its path.
      return await native.open(link, { read: true });
    } finally {
      await promisify(close)(descriptor);
    }
  }
}

function canVerify({ build, readLinkSync }: typeof Deno): boolean {
  if (build.os !== "linux") return false;
  try {
    readLinkSync("/proc/self/exe");
    return true;
  } catch {
    return false; // Deno requires all permissions to read /proc/self
  }
}
