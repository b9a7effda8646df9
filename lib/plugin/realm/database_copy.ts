/**
 * Copies a SQLite file into memory as one consistent image, without locks and without SQLite.
 * Another program may have the file open in any mode, and the folder may be read-only. The copy
 * verifies that the file did not change during the read, and the salt and checksum of every frame
 * of the write-ahead log (https://sqlite.org/fileformat2.html#walformat). It does not verify the
 * database itself. It must not write or lock anything.
 */

import { MAX_QUERY_IMAGE_BYTES } from "../../cell_limits.ts";

/** Size in bytes and time of the last write in Unix milliseconds. */
export interface DatabaseFileStat {
  readonly size: number;
  readonly mtime: number;
}

/** Access to the files of a database. Methods return undefined for a file that does not exist. */
export interface DatabaseFiles {
  stat(path: string): Promise<DatabaseFileStat | undefined>;
  /** Reads the whole file, or its first `maxBytes` bytes. */
  read(path: string, maxBytes?: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  sleep(ms: number): Promise<unknown>;
}

const MAIN_HEADER_BYTES = 100;
const JOURNAL_HEADER_BYTES = 8;
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const WAL_MAGIC = 0x377f0682;
/** Largest number of attempts to read an unchanged file. */
const MAX_ATTEMPTS = 10;
/** Pause between two attempts, in milliseconds. */
const RETRY_MS = 50;

/**
 * Reads a database file and applies its write-ahead log.
 *
 * @param disk access to the file, its `-wal` and its `-journal`
 * @param path path of the database file
 * @returns an image that SQLite can open in memory
 * @throws {Error} with the name `NotFound`, `QuotaExceededError` (longer than
 * `MAX_QUERY_IMAGE_BYTES`) or `Busy` (another program wrote the file during every attempt)
 */
export async function copyDatabase(
  disk: DatabaseFiles,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (attempt > 0) await disk.sleep(RETRY_MS);
    const before = await readState(disk, path);
    if (before === undefined) {
      throw createNamedError("NotFound", "Cannot query the file: it does not exist");
    }
    if (before.bytes > MAX_QUERY_IMAGE_BYTES) {
      throw createNamedError(
        "QuotaExceededError",
        `Cannot query the file: it must be copied, since another program has it open or it has a log; ` +
          `it has ${before.bytes} bytes; at most ${MAX_QUERY_IMAGE_BYTES} can be copied`,
      );
    }
    if (before.hot) continue;
    const main = await disk.read(path);
    const log = before.log === "" ? undefined : await disk.read(`${path}-wal`);
    const after = await readState(disk, path);
    if (main === undefined || after === undefined || after.hot) continue;
    // A log that only grew is consistent. After a restart it lacks the frames that the file has
    // received.
    if (before.log !== after.log) continue;
    if (log === undefined) {
      if (before.main === after.main) return clearWalMode(main);
      continue;
    }
    const image = applyWal(main, log);
    if (image !== undefined) return clearWalMode(image);
  }
  throw createNamedError(
    "Busy",
    "Cannot query the file: another program is writing it; send the query again",
  );
}

/**
 * Applies a write-ahead log to its database file.
 *
 * @param main bytes of the file
 * @param log bytes of the log; a log that is empty or invalid is ignored
 * @returns the file after the last complete transaction of the log; undefined if pages are missing
 * in both
 * @throws {Error} `QuotaExceededError`: the result is longer than `MAX_QUERY_IMAGE_BYTES`
 */
export function applyWal(
  main: Uint8Array<ArrayBuffer>,
  log: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | undefined {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  if (log.length < WAL_HEADER_BYTES) return main;
  const magic = view.getUint32(0);
  if ((magic & ~1) >>> 0 !== WAL_MAGIC) return main;
  const little = (magic & 1) === 0;
  const pageSize = view.getUint32(8);
  if (pageSize < 512 || pageSize > 65536 || (pageSize & pageSize - 1) !== 0) return main;
  const sum: [number, number] = [0, 0];
  addToChecksum(sum, view, 0, 24, little);
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return main;
  // Offset in the log of each page: of complete transactions, and of the one that is still open.
  const pages = new Map<number, number>();
  let open = new Map<number, number>();
  let size = 0;
  const step = FRAME_HEADER_BYTES + pageSize;
  for (let at = WAL_HEADER_BYTES; at + step <= log.length; at += step) {
    if (view.getUint32(at + 8) !== view.getUint32(16)) break;
    if (view.getUint32(at + 12) !== view.getUint32(20)) break;
    addToChecksum(sum, view, at, 8, little);
    addToChecksum(sum, view, at + FRAME_HEADER_BYTES, pageSize, little);
    if (sum[0] !== view.getUint32(at + 16) || sum[1] !== view.getUint32(at + 20)) break;
    open.set(view.getUint32(at), at + FRAME_HEADER_BYTES);
    const commit = view.getUint32(at + 4);
    if (commit === 0) continue;
    for (const [page, offset] of open) pages.set(page, offset);
    open = new Map();
    size = commit;
  }
  if (size === 0) return main;
  if (size * pageSize > MAX_QUERY_IMAGE_BYTES) {
    throw createNamedError(
      "QuotaExceededError",
      `Cannot query the file: with its log it has more than ${MAX_QUERY_IMAGE_BYTES} bytes`,
    );
  }
  const image = new Uint8Array(size * pageSize);
  image.set(main.subarray(0, Math.min(main.length, image.length)));
  for (const [page, offset] of pages) {
    if (page <= size) image.set(log.subarray(offset, offset + pageSize), (page - 1) * pageSize);
  }
  for (let page = Math.floor(main.length / pageSize) + 1; page <= size; page++) {
    if (!pages.has(page)) return undefined;
  }
  return image;
}

/**
 * Changes the file format versions (bytes 18 and 19) from WAL to rollback journal, in place,
 * because SQLite cannot open an image in memory in WAL mode.
 */
export function clearWalMode(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (image.length > 19 && image[18] === 2) image.fill(1, 18, 20);
  return image;
}

/** Creates an error with a name, by which a plugin can distinguish it. */
export function createNamedError(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

/** State of the files; two equal states mean that no write happened between them. */
interface State {
  /** Size, time and header of the database file. */
  readonly main: string;
  /** Header of the log in hex; it changes when the log restarts. `""` if there is no log. */
  readonly log: string;
  /** There is a hot journal: a transaction is being written to the file, or was interrupted. */
  readonly hot: boolean;
  /** Length of the file or of its log, whichever is longer. */
  readonly bytes: number;
}

async function readState(disk: DatabaseFiles, path: string): Promise<State | undefined> {
  const main = await disk.stat(path);
  if (main === undefined) return undefined;
  const wal = await disk.stat(`${path}-wal`);
  const journal = await disk.stat(`${path}-journal`);
  const header = wal && wal.size >= WAL_HEADER_BYTES
    ? await readHex(disk, `${path}-wal`, WAL_HEADER_BYTES)
    : "";
  return {
    // The header has a change counter, which detects writes within one tick of the clock.
    main: `${main.size} ${main.mtime} ${await readHex(disk, path, MAIN_HEADER_BYTES)}`,
    log: header,
    hot: journal !== undefined && journal.size > 0 &&
      !/^(?:00)*$/.test(await readHex(disk, `${path}-journal`, JOURNAL_HEADER_BYTES)),
    bytes: Math.max(main.size, wal?.size ?? 0),
  };
}

async function readHex(disk: DatabaseFiles, path: string, maxBytes: number): Promise<string> {
  return (await disk.read(path, maxBytes))?.toHex() ?? "";
}

/** Continues SQLite's checksum in `sum` over `length` bytes, in pairs of 32-bit words. */
function addToChecksum(
  sum: [number, number],
  view: DataView,
  from: number,
  length: number,
  little: boolean,
): void {
  let [first, second] = sum;
  for (let at = from; at < from + length; at += 8) {
    first = first + view.getUint32(at, little) + second >>> 0;
    second = second + view.getUint32(at + 4, little) + first >>> 0;
  }
  sum[0] = first;
  sum[1] = second;
}
