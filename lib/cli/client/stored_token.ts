/**
 * Reads the approve token that a server generated and stored in its data folder. The token is sent
 * only to the server that holds this folder, on this computer: another program may have taken the
 * port and may claim to be the server.
 */

import { isLoopbackHost } from "../../config.ts";

/** What must match before the token is read. */
export interface StoredTokenOptions {
  /** URL of the server. */
  readonly base: string;
  /** Data folder that the server may hold. */
  readonly data: string;
  /** Reads the process id from `/proc/status` of the server; called only if the folder exists. */
  readonly readServerPid: () => Promise<number | undefined>;
}

/**
 * Reads the token.
 *
 * @returns the token, or undefined unless the server is on this computer, a process holds the lock
 * of the folder, and that process is the one that answers
 */
export async function readStoredToken(options: StoredTokenOptions): Promise<string | undefined> {
  const { base, data, readServerPid } = options;
  if (!isLoopbackHost(new URL(base).hostname.replace(/^\[|\]$/g, ""))) return undefined;
  try {
    const pid = Number((await Deno.readTextFile(`${data}/.lock`)).trim());
    if (!(pid > 0) || pid !== await readServerPid() || !isHeld(`${data}/.lock`)) return undefined;
    return (await Deno.readTextFile(`${data}/.approve-token`)).trim() || undefined;
  } catch (error) {
    // The folder is missing or belongs to another user; the command reports the missing token.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Checks whether a process holds a lock file. The process id in the file may be that of a process
 * that ended.
 */
function isHeld(path: string): boolean {
  const file = Deno.openSync(path, { read: true });
  try {
    return !file.tryLockSync(false);
  } finally {
    file.close();
  }
}
