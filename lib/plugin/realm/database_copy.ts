/**
 * A SQLite file as one consistent image in memory, taken without locks and without SQLite: another
 * program may hold the file, in whatever mode, in a folder where nothing may be written. What is
 * verified: that nobody wrote the file meanwhile, and every frame of its write-ahead log by salt and
 * checksum (https://sqlite.org/fileformat2.html#walformat). What is not: the database itself.
 */

import { MAX_QUERY_IMAGE_BYTES } from "../../limits.ts";

/** A file as it was at one moment. */
export interface DatabaseFileStat {
  readonly size: number;
  readonly mtime: number;
}

/** What of the disk is needed; absent is `undefined`. */
export interface DatabaseFiles {
  stat(path: string): Promise<DatabaseFileStat | undefined>;
  /** The whole file, or its first bytes. */
  read(path: string, most?: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  sleep(ms: number): Promise<unknown>;
}

const MAIN_HEADER = 100;
const JOURNAL_HEADER = 8;
const WAL_HEADER = 32;
const FRAME_HEADER = 24;
const WAL_MAGIC = 0x377f0682;
const TRIES = 10;
const PAUSE_MS = 50;

/**
 * Reads the file and what its log holds beyond it.
 *
 * @throws {Error} `NotFound`; `QuotaExceededError`, it is too long; `Busy`, it is written all the time
 */
export async function copyDatabase(
  disk: DatabaseFiles,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 0) await disk.sleep(PAUSE_MS);
    const before = await state(disk, path);
    if (before === undefined) {
      throw createNamedError("NotFound", "Cannot query the file: it is not there");
    }
    if (before.bytes > MAX_QUERY_IMAGE_BYTES) {
      throw createNamedError(
        "QuotaExceededError",
        `Cannot query the file: it has ${before.bytes} bytes and is held by another program or was left with a log, ` +
          `${MAX_QUERY_IMAGE_BYTES} at most can be copied`,
      );
    }
    if (before.hot) continue;
    const main = await disk.read(path);
    const log = before.log === "" ? undefined : await disk.read(`${path}-wal`);
    const after = await state(disk, path);
    if (main === undefined || after === undefined || after.hot) continue;
    // A log that only grew is fine; one that began anew no longer has what the file was given of it.
    if (before.log !== after.log) continue;
    if (log === undefined) {
      if (before.main === after.main) return clearWalMode(main);
      continue;
    }
    const image = applyWal(main, log);
    if (image !== undefined) return clearWalMode(image);
  }
  throw createNamedError("Busy", "Cannot query the file: another program is writing it; ask again");
}

/**
 * Puts what a write-ahead log holds over the file it belongs to.
 *
 * @returns the file as it is after the last whole transaction of the log; `undefined` when the file is
 * shorter than that says
 */
export function applyWal(
  main: Uint8Array<ArrayBuffer>,
  log: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | undefined {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  if (log.length < WAL_HEADER) return main;
  const magic = view.getUint32(0);
  if ((magic & ~1) >>> 0 !== WAL_MAGIC) return main;
  const little = (magic & 1) === 0;
  const pageSize = view.getUint32(8);
  if (pageSize < 512 || pageSize > 65536 || (pageSize & pageSize - 1) !== 0) return main;
  const sum: [number, number] = [0, 0];
  add(sum, view, 0, 24, little);
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return main;
  /** Where each page of whole transactions lies, and of the one that is not whole yet. */
  const pages = new Map<number, number>();
  let open = new Map<number, number>();
  let size = 0;
  const step = FRAME_HEADER + pageSize;
  for (let at = WAL_HEADER; at + step <= log.length; at += step) {
    if (view.getUint32(at + 8) !== view.getUint32(16)) break;
    if (view.getUint32(at + 12) !== view.getUint32(20)) break;
    add(sum, view, at, 8, little);
    add(sum, view, at + FRAME_HEADER, pageSize, little);
    if (sum[0] !== view.getUint32(at + 16) || sum[1] !== view.getUint32(at + 20)) break;
    open.set(view.getUint32(at), at + FRAME_HEADER);
    const commit = view.getUint32(at + 4);
    if (commit === 0) continue;
    for (const [page, place] of open) pages.set(page, place);
    open = new Map();
    size = commit;
  }
  if (size === 0) return main;
  if (size * pageSize > MAX_QUERY_IMAGE_BYTES) {
    throw createNamedError(
      "QuotaExceededError",
      "Cannot query the file: with its log it is too long",
    );
  }
  const image = new Uint8Array(size * pageSize);
  image.set(main.subarray(0, Math.min(main.length, image.length)));
  for (const [page, place] of pages) {
    if (page <= size) image.set(log.subarray(place, place + pageSize), (page - 1) * pageSize);
  }
  for (let page = Math.floor(main.length / pageSize) + 1; page <= size; page++) {
    if (!pages.has(page)) return undefined;
  }
  return image;
}

/** Bytes 18 and 19 say "write-ahead log", which an image in memory cannot have. */
export function clearWalMode(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (image.length > 19 && image[18] === 2) image.fill(1, 18, 20);
  return image;
}

/** An error by whose name a plugin can tell it from others. */
export function createNamedError(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

interface State {
  readonly main: string;
  /** The log's header, which changes when it begins anew; `""` without a log. */
  readonly log: string;
  /** A transaction is being written into the file itself, or broke off there. */
  readonly hot: boolean;
  readonly bytes: number;
}

async function state(disk: DatabaseFiles, path: string): Promise<State | undefined> {
  const main = await disk.stat(path);
  if (main === undefined) return undefined;
  const wal = await disk.stat(`${path}-wal`);
  const journal = await disk.stat(`${path}-journal`);
  const header = wal && wal.size >= WAL_HEADER ? await head(disk, `${path}-wal`, WAL_HEADER) : "";
  return {
    // The head counts the file's changes, for those that are quicker than the clock.
    main: `${main.size} ${main.mtime} ${await head(disk, path, MAIN_HEADER)}`,
    log: header,
    hot: journal !== undefined && journal.size > 0 &&
      !/^(?:00)*$/.test(await head(disk, `${path}-journal`, JOURNAL_HEADER)),
    bytes: Math.max(main.size, wal?.size ?? 0),
  };
}

async function head(disk: DatabaseFiles, path: string, most: number): Promise<string> {
  return (await disk.read(path, most))?.toHex() ?? "";
}

/** SQLite's checksum over pairs of words, carried on in `sum`. */
function add(
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
