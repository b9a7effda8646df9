/**
 * The data folder as a whole: it exists, one server holds it, and its secrets are readable by this
 * user alone. Everything inside a world's own folder is somebody else's concern.
 */

import { exists, INCOMING, removeQuietly, syncFolder, TRASH, writeSynced } from "./disk.ts";

const LOCK_FILE = ".lock";
const SECRET_BYTES = 32;

/** Thrown when another server holds the folder. */
export class DataFolderBusy extends Error {
  override readonly name = "DataFolderBusy";
}

/** A data folder this process holds. */
export interface DataFolder {
  readonly path: string;
  /** Gives the folder back. */
  release(): void;
}

/**
 * Takes a data folder, making it where it is missing.
 *
 * @throws {DataFolderBusy} when another process holds it
 */
export function takeDataFolder(path: string): DataFolder {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = Deno.openSync(`${path}/${LOCK_FILE}`, {
    create: true,
    read: true,
    write: true,
    mode: 0o600,
  });
  if (!lock.tryLockSync(true)) {
    const holder = new TextDecoder().decode(readAll(lock)).trim();
    lock.close();
    throw new DataFolderBusy(
      `Cannot use the data folder ${path}: another server holds it${
        holder === "" ? "" : ` (process ${holder})`
      }; stop that one, or set ELASTIK_DATA to another folder`,
    );
  }
  lock.truncateSync(0);
  lock.seekSync(0, Deno.SeekMode.Start);
  lock.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  // What was on its way in when a server died was never acknowledged.
  removeQuietly(`${path}/${INCOMING}`);
  for (const folder of [INCOMING, TRASH]) {
    Deno.mkdirSync(`${path}/${folder}`, { recursive: true, mode: 0o700 });
  }
  return {
    path,
    release() {
      lock.unlockSync();
      lock.close();
    },
  };
}

/**
 * A random secret that is made on first use and kept in the data folder with mode 0600.
 *
 * @param file its file name, `.key`
 * @returns 64 lower-case hex characters, and whether it was made just now
 */
export function keptSecret(data: string, file: string): { secret: string; fresh: boolean } {
  const path = `${data}/${file}`;
  if (exists(path)) {
    const secret = Deno.readTextFileSync(path).trim();
    if (/^[0-9a-f]{64}$/.test(secret)) {
      if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
      return { secret, fresh: false };
    }
    throw new Error(
      `Cannot use the secret ${file} in the data folder: it holds no 64 hex characters; ` +
        "restore it from a backup, or remove it to have a new one made (older events and " +
        "capabilities will then no longer verify)",
    );
  }
  const random = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const secret = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  writeSynced(path, new TextEncoder().encode(`${secret}\n`));
  syncFolder(data);
  return { secret, fresh: true };
}

function readAll(file: Deno.FsFile): Uint8Array {
  const buffer = new Uint8Array(64);
  const read = file.readSync(buffer);
  return buffer.subarray(0, read ?? 0);
}
