/**
 * Unpacks an archive of a data folder into an empty folder that no other process uses. An archive
 * is untrusted input: names, types and sizes are checked before a byte is written, every file is
 * new, and a limit that is exceeded ends the import.
 */

import { createTarDecoder } from "../deps/modern_tar.ts";
import {
  MAX_ARCHIVE_BYTES,
  MAX_ARCHIVE_ENTRIES,
  MAX_ARCHIVE_FILE_BYTES,
  MAX_ARCHIVE_GAP_BYTES,
} from "../limits.ts";
import { ArchiveError, parseEntryPath } from "./archive_entry.ts";

/** Limits of {@link unpackArchive}; the last three are in bytes. */
export interface UnpackLimits {
  readonly maxEntries: number;
  readonly maxFileBytes: number;
  readonly maxBytes: number;
  readonly maxGapBytes: number;
}

/** The result of unpacking. */
export interface UnpackResult {
  /** Files that were written. */
  readonly files: number;
  /** Entries that a data folder does not need. */
  readonly skipped: number;
}

const LIMITS: UnpackLimits = {
  maxEntries: MAX_ARCHIVE_ENTRIES,
  maxFileBytes: MAX_ARCHIVE_FILE_BYTES,
  maxBytes: MAX_ARCHIVE_BYTES,
  maxGapBytes: MAX_ARCHIVE_GAP_BYTES,
};
const GZIP_MAGIC = [0x1f, 0x8b] as const;
const BLOCK_BYTES = 512;
const CHUNK_BYTES = 64 * 1024;

/**
 * Unpacks an archive.
 *
 * @param archive tar, gzipped or not
 * @param folder an empty folder
 * @param limits limits; the defaults are those of `limits.ts`
 * @throws {ArchiveError} if it is not an archive, is truncated or malicious, or exceeds a limit;
 * files written before stay in `folder` for the caller to remove
 */
export async function unpackArchive(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
  folder: string,
  limits: UnpackLimits = LIMITS,
): Promise<UnpackResult> {
  const budget = new UnpackBudget(limits);
  const { body, gzipped } = await peek(archive);
  const plain = gzipped ? body.pipeThrough(new DecompressionStream("gzip")) : body;
  const { readable, writable } = createTarDecoder({ strict: true });
  const feeding = feed(plain, writable, budget);
  feeding.catch(() => {}); // the loop over the entries fails with the same error
  const seen = new Set<string>();
  let files = 0;
  let skipped = 0;
  try {
    for await (const { header, body: content } of readable) {
      const path = parseEntryPath(header.name, header.type ?? "file");
      budget.addEntry(header.name, header.size);
      if (path === undefined) {
        await content.cancel();
        skipped += 1;
        continue;
      }
      if (seen.has(path)) {
        throw new ArchiveError(`Cannot unpack ${JSON.stringify(path)}: it occurs twice`);
      }
      seen.add(path);
      await writeNew(folder, path, content);
      files += 1;
    }
    await feeding;
  } catch (error) {
    throw budget.error ?? toArchiveError(error);
  }
  if (files === 0) {
    throw new ArchiveError(
      "Cannot unpack the archive: it contains no world; an archive of a data folder is needed",
    );
  }
  return { files, skipped };
}

/** Compares the bytes that were read with the bytes that the entries account for. */
class UnpackBudget {
  readonly #limits: UnpackLimits;
  #read = 0;
  #accounted = 0;
  #bytes = 0;
  #entries = 0;
  error: ArchiveError | undefined;

  constructor(limits: UnpackLimits) {
    this.#limits = limits;
  }

  /**
   * Fails if names and other data between files exceed their limit, because they are held in
   * memory.
   */
  addRead(length: number): void {
    this.#read += length;
    if (this.#read - this.#accounted <= this.#limits.maxGapBytes) return;
    this.error = new ArchiveError(
      `Cannot unpack the archive: more than ${this.#limits.maxGapBytes} bytes of it are not part of a file`,
    );
    throw this.error;
  }

  /** Accounts for an entry. */
  addEntry(name: string, size: number): void {
    this.#entries += 1;
    this.#bytes += size;
    this.#accounted += BLOCK_BYTES + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    const { maxEntries: entries, maxFileBytes: fileBytes, maxBytes: bytes } = this.#limits;
    if (!(size <= fileBytes)) {
      throw new ArchiveError(
        `Cannot unpack ${
          JSON.stringify(name.slice(0, 200))
        }: it has ${size} bytes; at most ${fileBytes} are allowed`,
      );
    }
    if (this.#entries > entries || this.#bytes > bytes) {
      throw new ArchiveError(
        `Cannot unpack the archive: it has more than ${entries} entries or ${bytes} bytes`,
      );
    }
  }
}

/**
 * Writes the bytes to the decoder in small chunks with back-pressure. Decompression can produce one
 * very large chunk.
 */
async function feed(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
  decoder: WritableStream<Uint8Array>,
  budget: UnpackBudget,
): Promise<void> {
  const writer = decoder.getWriter();
  try {
    for await (const chunk of archive) {
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
        const piece = chunk.subarray(at, at + CHUNK_BYTES);
        budget.addRead(piece.length);
        await writer.write(piece);
      }
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {}); // the decoder has failed already
    throw error;
  }
}

async function writeNew(
  folder: string,
  path: string,
  content: ReadableStream<Uint8Array>,
): Promise<void> {
  const slash = path.indexOf("/");
  if (slash > 0) await Deno.mkdir(`${folder}/${path.slice(0, slash)}`, { recursive: true });
  const file = await Deno.open(`${folder}/${path}`, { write: true, createNew: true, mode: 0o600 });
  await content.pipeTo(file.writable);
}

/** Reads the first bytes and returns a stream that starts with them. */
async function peek(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<{ body: ReadableStream<Uint8Array<ArrayBuffer>>; gzipped: boolean }> {
  const reader = archive.getReader();
  const held: Uint8Array<ArrayBuffer>[] = [];
  const start: number[] = [];
  let isEnd = false;
  while (!isEnd && start.length < GZIP_MAGIC.length) {
    const { done, value } = await reader.read();
    isEnd = done;
    if (value === undefined) continue;
    held.push(value);
    start.push(...value.subarray(0, GZIP_MAGIC.length));
  }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const first = held.shift();
      if (first !== undefined) return controller.enqueue(first);
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { body, gzipped: GZIP_MAGIC.every((byte, i) => start[i] === byte) };
}

function toArchiveError(error: unknown): unknown {
  if (error instanceof ArchiveError) return error;
  // On a case-insensitive disk, names that differ only in case are one file.
  if (error instanceof Deno.errors.AlreadyExists) {
    return new ArchiveError(
      "Cannot unpack the archive: two of its entries are the same file on this disk",
    );
  }
  // An error of the system, such as a full disk, is not about the archive.
  if (error instanceof Error && error.constructor.name in Deno.errors) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ArchiveError(`Cannot unpack the archive: it is damaged or not an archive (${why})`);
}
