/**
 * The data folder: creates it, locks it for one server, and stores the secrets in it. Secrets must
 * be readable only by the user that runs the server. The contents of world folders are not handled
 * here.
 */

import { decodeText } from "../../base/decode_text.ts";
import { findFileFault, readRegularFile } from "../../base/regular_file.ts";
import { findFormatFault } from "./folder_format.ts";
import { type FolderIdentity, isSame, LOCK_FILE, readFolderIdentity } from "./folder_identity.ts";
import {
  COLLECTIONS_FILE,
  INCOMING_FOLDER,
  LEDGER_FILE,
  pathExists,
  replaceFile,
  syncFolder,
  TRASH_FOLDER,
  tryRemove,
} from "./durable_fs.ts";

const SECRET_BYTES = 32;
/** Size of the largest file that can contain a secret, in bytes. */
const MAX_SECRET_FILE_BYTES = 1024;
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

/** Error: the data folder, or an entry of it that is needed, cannot be used. The message is for the operator. */
export class UnusableEntry extends Error {
  override readonly name = "UnusableEntry";
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
 * @throws {UnusableEntry} if one of the server's own entries has the wrong type, or the format of the
 * folder is not known
 */
export function acquireDataFolder(path: string): DataFolder {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  assertOwnEntries(path);
  assertKnownFormat(path);
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
 * Checks the types of the server's own entries before the first is opened: opening a pipe would
 * block forever, and SQLite reports only that it cannot open a file. The catalog is not checked here: it
 * is derived data, and is replaced.
 */
function assertOwnEntries(path: string): void {
  for (const file of [LOCK_FILE, COLLECTIONS_FILE, LEDGER_FILE]) {
    assertOwnFile(path, file);
  }
  if (isFolderOrAbsent(`${path}/${TRASH_FOLDER}`)) return;
  throw new UnusableEntry(
    `Cannot use the data folder ${path}: its entry ${TRASH_FOLDER} is not a folder; move it ` +
      "elsewhere, and the server creates it again",
  );
}

function isFolderOrAbsent(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return !pathExists(path);
    if (error instanceof Deno.errors.FilesystemLoop) return false;
    throw error;
  }
}

function assertOwnFile(path: string, file: string): void {
  const fault = findFileFault(`${path}/${file}`);
  if (fault === undefined) return;
  // The folder itself cannot be read.
  if (fault.cause instanceof Deno.errors.PermissionDenied) throw fault.cause;
  if (fault.cause instanceof Deno.errors.NotCapable) throw fault.cause;
  throw new UnusableEntry(
    `Cannot use the data folder ${path}: its file ${file} cannot be used: ${fault.reason}; move it ` +
      "elsewhere, and the server creates it again",
  );
}

/**
 * Throws if a newer program has written a data folder in a format that this one does not know.
 *
 * @throws {UnusableEntry}
 */
export function assertKnownFormat(path: string): void {
  const fault = findFormatFault(path);
  if (fault !== undefined) throw new UnusableEntry(`Cannot use the data folder ${path}: ${fault}`);
}

/**
 * Locks a data folder for reading, so that no server can start on it. Changes nothing in it.
 * Several processes can hold this lock at the same time.
 *
 * @param path path of the folder
 * @returns the function that releases the lock
 * @throws {DataFolderBusy} if a server holds the folder
 * @throws {UnusableEntry} if the lock is not a file, or the format of the folder is not known
 */
export function lockDataFolderForReading(path: string): () => void {
  assertKnownFormat(path);
  assertOwnFile(path, LOCK_FILE);
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

/**
 * Finds the process that holds a data folder.
 *
 * @param path path of the folder
 * @returns its id; undefined if no process of the owner of the folder holds it
 */
export function findFolderHolder(path: string): number | undefined {
  let lock: Deno.FsFile;
  try {
    if (findFileFault(`${path}/${LOCK_FILE}`) !== undefined) return undefined;
    lock = Deno.openSync(`${path}/${LOCK_FILE}`, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
  try {
    if (lock.tryLockSync(false)) return undefined;
    const pid = Number(/^(\d{1,9})\n$/.exec(new TextDecoder().decode(readAll(lock)))?.[1] ?? 0);
    // Another user can write a wrong id into a folder of its own.
    if (pid <= 1 || Deno.build.os === "linux" && !isOwnedBy(pid, lock.statSync().uid)) {
      return undefined;
    }
    return pid;
  } finally {
    lock.close();
  }
}

/** Whether a process of Linux belongs to a user. */
function isOwnedBy(pid: number, uid: number | null): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).uid === uid;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
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
  const found = readRegularFile(`${data}/${file}`, MAX_SECRET_FILE_BYTES);
  if (found === undefined) return undefined;
  if (!(found instanceof Uint8Array)) {
    if (found.cause instanceof Deno.errors.NotADirectory) throw found.cause; // the folder is a file
    throw unusable(file, found.reason);
  }
  const secret = decodeText(found)?.trim() ?? "";
  if (/^[0-9a-f]{64}$/.test(secret)) return secret;
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

/**
 * Refuses to read a folder in which no server has kept worlds. A result with no worlds would look good,
 * although another folder or a database was meant.
 *
 * @param path path of a data folder
 * @throws {UnusableEntry} if it has neither worlds nor the ledger of earlier ones
 * @throws {Deno.errors.NotFound} if there is no such folder
 */
export function assertHasWorlds(path: string): void {
  if (listWorldFolders(path).length > 0 || pathExists(`${path}/${LEDGER_FILE}`)) return;
  throw new UnusableEntry(
    `Cannot use the data folder ${path}: no server has kept worlds in it; name another folder, or set ` +
      "ELASTIK_DATA or ELASTIK_STORE",
  );
}
