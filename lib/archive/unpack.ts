/**
 * Unpacks an archive of a data folder into a folder of its own, which must be empty and which nobody
 * else uses. It believes nothing the archive says: names, sizes, types and numbers are checked before
 * a byte is written, every file is new, and what goes past a bound ends it.
 */

import { createTarDecoder } from "../deps/modern_tar.ts";
import {
  MAX_ARCHIVE_BYTES,
  MAX_ARCHIVE_ENTRIES,
  MAX_ARCHIVE_FILE_BYTES,
  MAX_ARCHIVE_GAP_BYTES,
} from "../limits.ts";
import { ArchiveError, parseEntryPath } from "./archive_entry.ts";

/** Bounds of {@link unpackArchive}. */
export interface UnpackLimits {
  readonly maxEntries: number;
  readonly maxFileBytes: number;
  readonly maxBytes: number;
  readonly maxGapBytes: number;
}

/** What was unpacked. */
export interface UnpackResult {
  /** Files that were written. */
  readonly files: number;
  /** Entries that a data folder does not need, and that were passed over. */
  readonly skipped: number;
}

const LIMITS: UnpackLimits = {
  maxEntries: MAX_ARCHIVE_ENTRIES,
  maxFileBytes: MAX_ARCHIVE_FILE_BYTES,
  maxBytes: MAX_ARCHIVE_BYTES,
  maxGapBytes: MAX_ARCHIVE_GAP_BYTES,
};
const GZIP = [0x1f, 0x8b] as const;
const BLOCK = 512;
const PIECE = 64 * 1024;

/**
 * Unpacks.
 *
 * @param archive its bytes, gzipped or not
 * @param folder an empty folder
 * @throws {ArchiveError} when it is no archive, is cut short, or is not to be trusted; what was
 * written until then stays in `folder`, for its owner to remove
 */
export async function unpackArchive(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
  folder: string,
  limits: UnpackLimits = LIMITS,
): Promise<UnpackResult> {
  const gauge = new UnpackBudget(limits);
  const { body, gzipped } = await peek(archive);
  const plain = gzipped ? body.pipeThrough(new DecompressionStream("gzip")) : body;
  const { readable, writable } = createTarDecoder({ strict: true });
  const fed = feed(plain, writable, gauge);
  fed.catch(() => {}); // the reader of the entries hears of it as well
  const seen = new Set<string>();
  let files = 0;
  let skipped = 0;
  try {
    for await (const { header, body: content } of readable) {
      const path = parseEntryPath(header.name, header.type ?? "file");
      gauge.entry(header.name, header.size);
      if (path === undefined) {
        await content.cancel();
        skipped += 1;
        continue;
      }
      if (seen.has(path)) {
        throw new ArchiveError(`Cannot unpack ${JSON.stringify(path)}: it is there twice`);
      }
      seen.add(path);
      await writeNew(folder, path, content);
      files += 1;
    }
    await fed;
  } catch (error) {
    throw gauge.refusal ?? refusal(error);
  }
  if (files === 0) {
    throw new ArchiveError(
      "Cannot unpack the archive: it holds no world; is it a data folder's?",
    );
  }
  return { files, skipped };
}

/** Counts what goes in against what has come out as entries. */
class UnpackBudget {
  readonly #limits: UnpackLimits;
  #fed = 0;
  #accounted = 0;
  #bytes = 0;
  #entries = 0;
  refusal: ArchiveError | undefined;

  constructor(limits: UnpackLimits) {
    this.#limits = limits;
  }

  /** Ends the archive when names and the like take up more than they may: they are held in memory. */
  fed(length: number): void {
    this.#fed += length;
    if (this.#fed - this.#accounted <= this.#limits.maxGapBytes) return;
    this.refusal = new ArchiveError(
      `Cannot unpack the archive: more than ${this.#limits.maxGapBytes} bytes of it are no file`,
    );
    throw this.refusal;
  }

  /** Takes an entry into account. */
  entry(name: string, size: number): void {
    this.#entries += 1;
    this.#bytes += size;
    this.#accounted += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const { maxEntries: entries, maxFileBytes: fileBytes, maxBytes: bytes } = this.#limits;
    if (!(size <= fileBytes)) {
      throw new ArchiveError(
        `Cannot unpack ${
          JSON.stringify(name.slice(0, 200))
        }: it has ${size} bytes and ${fileBytes} is the most`,
      );
    }
    if (this.#entries > entries || this.#bytes > bytes) {
      throw new ArchiveError(
        `Cannot unpack the archive: it has more than ${entries} entries, or ${bytes} bytes`,
      );
    }
  }
}

/** Gives the decoder its bytes in pieces, each when it can take it: what unfolds comes in one. */
async function feed(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
  decoder: WritableStream<Uint8Array>,
  gauge: UnpackBudget,
): Promise<void> {
  const writer = decoder.getWriter();
  try {
    for await (const chunk of archive) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const piece = chunk.subarray(at, at + PIECE);
        gauge.fed(piece.length);
        await writer.write(piece);
      }
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {}); // it has failed already
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

/** Looks at the first bytes, and gives all of them back. */
async function peek(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<{ body: ReadableStream<Uint8Array<ArrayBuffer>>; gzipped: boolean }> {
  const reader = archive.getReader();
  const held: Uint8Array<ArrayBuffer>[] = [];
  const start: number[] = [];
  let over = false;
  while (!over && start.length < GZIP.length) {
    const { done, value } = await reader.read();
    over = done;
    if (value === undefined) continue;
    held.push(value);
    start.push(...value.subarray(0, GZIP.length));
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
  return { body, gzipped: GZIP.every((byte, i) => start[i] === byte) };
}

function refusal(error: unknown): unknown {
  if (error instanceof ArchiveError) return error;
  // Names that differ in case alone are one file on some disks.
  if (error instanceof Deno.errors.AlreadyExists) {
    return new ArchiveError("Cannot unpack the archive: two of its entries are one file here");
  }
  // The system's own trouble, such as a full disk, is not the archive's.
  if (error instanceof Error && error.constructor.name in Deno.errors) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ArchiveError(`Cannot unpack the archive: it is damaged or none (${why})`);
}
