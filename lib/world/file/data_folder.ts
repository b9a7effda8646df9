/**
 * The data folder: creates it, locks it for one server, and stores the secrets in it. Secrets must
 * be readable only by the user that runs the server. The contents of world folders are not handled
 * here.
 */

import { type FolderIdentity, isSame, LOCK_FILE, readFolderIdentity } from "./folder_identity.ts";
import { INCOMING_FOLDER, replaceFile, syncFolder, TRASH_FOLDER, tryRemove } from "./durable_fs.ts";

const SECRET_BYTES = 32;
/** Secret with which a server proves to a client on this computer that it holds the folder. */
export const PROOF_KEY_FILE = ".proof-key";

/** Error: another server holds the data folder. */
export class DataFolderBusy extends Error {
  override readonly name = "DataFolderBusy";
}

/** Error: the file of a secret exists and does not contain one. The message is for the operator. */
export class InvalidSecret extends Error {
  override readonly name = "InvalidSecret";
}

/** A data folder that this process has locked. */
export interface DataFolder {
  readonly path: string;
  /** Device and inode of the folder and its lock; absent if the folder is not watched. */
  readonly identity?: FolderIdentity;
  /** Releases the lock. */
  release(): void;
}

/**
 * Locks a data folder for this process, creates it if it does not exist, and removes incomplete
 * worlds that an earlier process left.
 *
 * @param path path of the folder
 * @throws {DataFolderBusy} if another process holds it
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
  const identity = readFolderIdentity(path, lock);
  if (!isSame(Deno.statSync(`${path}/${LOCK_FILE}`), identity.lock)) {
    lock.close();
    throw new DataFolderBusy(
      `Cannot use the data folder ${path}: its file ${LOCK_FILE} was replaced during the start; ` +
        "start the server again",
    );
  }
  lock.truncateSync(0);
  lock.seekSync(0, Deno.SeekMode.Start);
  lock.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  // Worlds that were being created when a server stopped were never acknowledged to a client.
  tryRemove(`${path}/${INCOMING_FOLDER}`);
  for (const folder of [INCOMING_FOLDER, TRASH_FOLDER]) {
    Deno.mkdirSync(`${path}/${folder}`, { recursive: true, mode: 0o700 });
  }
  return {
    path,
    identity,
    release() {
      lock.unlockSync();
      lock.close();
    },
  };
}

/**
 * Locks a data folder for reading, so that no server can start on it. Changes nothing in it.
 * Several processes can hold this lock at the same time.
 *
 * @param path path of the folder
 * @returns the function that releases the lock
 * @throws {DataFolderBusy} if a server holds the folder
 */
export function lockDataFolderForReading(path: string): () => void {
  let lock: Deno.FsFile;
  try {
    lock = Deno.openSync(`${path}/${LOCK_FILE}`, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return () => {}; // no server has used it
    throw error;
  }
  if (!lock.tryLockSync(false)) throw busy(path, lock, "use a copy of the folder");
  return () => lock.close();
}

function busy(path: string, lock: Deno.FsFile, instead: string): DataFolderBusy {
  const holder = new TextDecoder().decode(readAll(lock)).trim();
  lock.close();
  return new DataFolderBusy(
    `Cannot use the data folder ${path}: another server holds it${
      holder === "" ? "" : ` (process ${holder})`
    }; stop it, or ${instead}`,
  );
}

/**
 * Reads a secret from the data folder; on first use creates a random one in a file with mode 0600.
 *
 * @param data path of the data folder
 * @param file name of the file, such as `.key`
 * @returns 64 lower-case hexadecimal digits, and whether the secret was created by this call
 * @throws {InvalidSecret} if the file exists and does not contain a secret
 */
export function loadOrCreateSecret(data: string, file: string): { secret: string; fresh: boolean } {
  const kept = readSecret(data, file);
  if (kept !== undefined) {
    if (Deno.build.os !== "windows") Deno.chmodSync(`${data}/${file}`, 0o600);
    return { secret: kept, fresh: false };
  }
  const random = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const secret = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  // Written by rename, because after a crash a partial secret would prevent the next start.
  replaceFile(`${data}/${file}`, new TextEncoder().encode(`${secret}\n`));
  syncFolder(data);
  return { secret, fresh: true };
}

/**
 * Reads a secret; changes nothing.
 *
 * @param data path of the data folder
 * @param file name of the file, such as `.key`
 * @returns the secret, or `undefined` if the file does not exist
 * @throws {InvalidSecret} if the file exists and does not contain a secret
 */
export function readSecret(data: string, file: string): string | undefined {
  let found: string;
  try {
    found = Deno.readTextFileSync(`${data}/${file}`).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) throw error; // the folder is a file
    throw unusable(file, "it cannot be read as a text file");
  }
  if (/^[0-9a-f]{64}$/.test(found)) return found;
  throw unusable(file, "it does not contain 64 hexadecimal digits");
}

function unusable(file: string, found: string): InvalidSecret {
  return new InvalidSecret(
    `Cannot use the secret ${file} in the data folder: ${found}; restore it from a backup, or ` +
      "delete it to create a new one (existing events and capabilities then become invalid)",
  );
}

function readAll(file: Deno.FsFile): Uint8Array {
  const buffer = new Uint8Array(64);
  const read = file.readSync(buffer);
  return buffer.subarray(0, read ?? 0);
}

/**
 * Lists the folders of a data folder that can hold a world, sorted. Symlinks and files are skipped, and
 * names that start with a dot, which are the server's own.
 *
 * @param data path of the data folder
 * @throws {Deno.errors.NotFound} if there is no such folder
 */
export function listWorldFolders(data: string): string[] {
  return [...Deno.readDirSync(data)]
    .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("."))
    .map(({ name }) => name).sort();
}
