/**
 * The approve token that a fresh machine keeps in its data folder, for commands that are run beside it.
 * It goes to the machine that holds this very folder, on this computer, and to no other: a stranger may
 * have taken the port, and may say of itself what it likes.
 */

import { isLoopbackHost } from "../../config.ts";

/** What is compared. */
export interface KeptTokenOptions {
  /** URL of the machine that is meant. */
  readonly base: string;
  /** The data folder that it might hold. */
  readonly data: string;
  /** Process id that the machine gives at `/proc/status`; asked for only when a folder is there. */
  readonly holder: () => Promise<number | undefined>;
}

/**
 * The token, or `undefined` unless all of it holds: the machine is on this computer, a server holds the
 * folder now, and the process that it names is the one that answers.
 */
export async function keptToken(options: KeptTokenOptions): Promise<string | undefined> {
  const { base, data, holder } = options;
  if (!isLoopbackHost(new URL(base).hostname.replace(/^\[|\]$/g, ""))) return undefined;
  try {
    const pid = Number((await Deno.readTextFile(`${data}/.lock`)).trim());
    if (!(pid > 0) || pid !== await holder() || !isHeld(`${data}/.lock`)) return undefined;
    return (await Deno.readTextFile(`${data}/.approve-token`)).trim() || undefined;
  } catch (error) {
    // No folder here, or one of somebody else; the command says what it lacks.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}

/** Whether a server holds a lock file: what a dead one wrote into it proves nothing. */
function isHeld(path: string): boolean {
  const file = Deno.openSync(path, { read: true });
  try {
    return !file.tryLockSync(false);
  } finally {
    file.close();
  }
}
