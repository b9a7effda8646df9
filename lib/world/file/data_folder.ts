/**
 * The data folder as a whole: it exists, one server holds it, and its secrets are readable by this
 * user alone. Everything inside a world's own folder is somebody else's concern.
 */

import { INCOMING_FOLDER, replaceFile, syncFolder, TRASH_FOLDER, tryRemove } from "./durable_fs.ts";

const LOCK_FILE = ".lock";
const SECRET_BYTES = 32;

/** Thrown when another server holds the folder. */
export class DataFolderBusy extends Error {
  override readonly name = "DataFolderBusy";
}

/** Thrown when a kept secret is there and cannot be one; the message is for the operator. */
export class InvalidSecret extends Error {
  override readonly name = "InvalidSecret";
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
export function acquireDataFolder(path: string): DataFolder {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = Deno.openSync(`${path}/${LOCK_FILE}`, {
    create: true,
    read: true,
    write: true,
    mode: 0o600,
  });
  if (!lock.tryLockSync(true)) throw busy(path, lock, "set ELASTIK_DATA to another folder");
  lock.truncateSync(0);
  lock.seekSync(0, Deno.SeekMode.Start);
  lock.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  // What was on its way in when a server died was never acknowledged.
  tryRemove(`${path}/${INCOMING_FOLDER}`);
  for (const folder of [INCOMING_FOLDER, TRASH_FOLDER]) {
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
 * Keeps servers off a data folder while it is looked at, and changes nothing in it.
 *
 * @returns the function that gives the folder back
 * @throws {DataFolderBusy} when a server holds it
 */
export function lockDataFolderForReading(path: string): () => void {
  let lock: Deno.FsFile;
  try {
    lock = Deno.openSync(`${path}/${LOCK_FILE}`, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return () => {}; // no server ever held it
    throw error;
  }
  if (!lock.tryLockSync(false)) throw busy(path, lock, "look at a copy of the folder");
  return () => lock.close();
}

function busy(path: string, lock: Deno.FsFile, instead: string): DataFolderBusy {
  const holder = new TextDecoder().decode(readAll(lock)).trim();
  lock.close();
  return new DataFolderBusy(
    `Cannot use the data folder ${path}: another server holds it${
      holder === "" ? "" : ` (process ${holder})`
    }; stop that one, or ${instead}`,
  );
}

/**
 * A random secret that is made on first use and kept in the data folder with mode 0600.
 *
 * @param file its file name, `.key`
 * @returns 64 lower-case hex characters, and whether it was made just now
 * @throws {InvalidSecret} when the file is there and holds something else
 */
export function loadOrCreateSecret(data: string, file: string): { secret: string; fresh: boolean } {
  const kept = readSecret(data, file);
  if (kept !== undefined) {
    if (Deno.build.os !== "windows") Deno.chmodSync(`${data}/${file}`, 0o600);
    return { secret: kept, fresh: false };
  }
  const random = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const secret = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  // By rename: a crash must not leave half a secret that the next start refuses.
  replaceFile(`${data}/${file}`, new TextEncoder().encode(`${secret}\n`));
  syncFolder(data);
  return { secret, fresh: true };
}

/**
 * A kept secret as it is, or `undefined` where there is none; changes nothing.
 *
 * @throws {InvalidSecret} when the file is there and holds no secret
 */
export function readSecret(data: string, file: string): string | undefined {
  let found: string;
  try {
    found = Deno.readTextFileSync(`${data}/${file}`).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw unusable(file, "it cannot be read as a text file");
  }
  if (/^[0-9a-f]{64}$/.test(found)) return found;
  throw unusable(file, "it holds no 64 hex characters");
}

function unusable(file: string, found: string): InvalidSecret {
  return new InvalidSecret(
    `Cannot use the secret ${file} in the data folder: ${found}; restore it from a backup, or ` +
      "remove it to have a new one made (older events and capabilities will then no longer verify)",
  );
}

function readAll(file: Deno.FsFile): Uint8Array {
  const buffer = new Uint8Array(64);
  const read = file.readSync(buffer);
  return buffer.subarray(0, read ?? 0);
}
