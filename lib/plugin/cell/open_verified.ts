/**
 * Opens a file that was resolved before, and proves that what is open lies where it was said to: between
 * the two, somebody with a hand in the folder may have put a link in the way. The system's own word
 * for it takes Linux and a server with all permissions; elsewhere the file is opened as it is.
 */

import { close, constants, fstat, open } from "node:fs";
import { promisify } from "node:util";

/** What was opened is not where it was found a moment before. */
export class FileReplaced extends Error {
  override readonly name = "FileReplaced";
}

const openDescriptor = promisify(open);
const closeDescriptor = promisify(close);
const statDescriptor = promisify(fstat);
/** No link at the end of the path, and no waiting for what is no file. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Opens a file for reading, given the path it really has. */
export type OpenVerified = (real: string) => Promise<Deno.FsFile>;

/** The surest way there is here. */
export function createOpenVerified(native: typeof Deno): OpenVerified {
  return canProve(native) ? prove : (real) => native.open(real, { read: true });

  async function prove(real: string): Promise<Deno.FsFile> {
    const descriptor = await openDescriptor(real, FLAGS);
    const link = `/proc/self/fd/${descriptor}`;
    try {
      const place = await native.readLink(link);
      // A file that lost its name meanwhile, to a newer one, was there all the same.
      if (place !== real && place !== `${real} (deleted)`) {
        throw new FileReplaced("it is elsewhere by now");
      }
      // A pipe would hold whoever opens it until somebody writes to it.
      if (!(await statDescriptor(descriptor)).isFile()) throw new TypeError("it is no file");
      // The same file once more, by what is open and not by a name.
      return await native.open(link, { read: true });
    } finally {
      await closeDescriptor(descriptor);
    }
  }
}

function canProve({ build, readLinkSync }: typeof Deno): boolean {
  if (build.os !== "linux") return false;
  try {
    readLinkSync("/proc/self/exe");
    return true;
  } catch {
    return false; // the runtime shows this to a program with all permissions alone
  }
}
