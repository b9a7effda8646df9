/** Writes tar archives (POSIX.1-2001, pax) as a stream. */

/** One file or folder of an archive. A path that ends in a slash is a folder. */
export interface ArchiveEntry {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** Length of the body in bytes. */
  readonly length: number;
  readonly body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

type TarBytes = Uint8Array<ArrayBuffer>;

const BLOCK_BYTES = 512;
/** Longest path that a plain header holds, in bytes. */
const MAX_HEADER_PATH_BYTES = 100;
/** Longest piece of a body in memory, in bytes. */
const PIECE_BYTES = 64 * 1024;
const utf8 = new TextEncoder();

/**
 * Writes an archive. Every entry is discarded after it was written.
 *
 * @param time time of the last change of all entries, in Unix seconds
 * @throws if the body of an entry is not as long as its `length`
 */
export async function* tar(
  entries: AsyncIterable<ArchiveEntry>,
  time: number,
): AsyncGenerator<TarBytes> {
  for await (const entry of entries) {
    try {
      const { path, length, mode } = entry;
      if (utf8.encode(path).length > MAX_HEADER_PATH_BYTES || /[^\x20-\x7e]/.test(path)) {
        const record = paxRecord("path", path);
        yield headerBlock("pax", record.length, 0o600, time, "x");
        yield record;
        yield padding(record.length);
      }
      yield headerBlock(path, length, mode, time, path.endsWith("/") ? "5" : "0");
      yield* exactBody(entry);
      yield padding(length);
    } finally {
      await discardEntry(entry);
    }
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

/** Cancels the body of an entry that is not read. */
export async function discardEntry(entry: ArchiveEntry | undefined): Promise<void> {
  if (entry?.body instanceof ReadableStream) await entry.body.cancel();
}

/** The body, whose length must be right: the position of everything that follows depends on it. */
async function* exactBody({ path, length, body }: ArchiveEntry): AsyncGenerator<TarBytes> {
  let sent = 0;
  for await (const piece of bodyPieces(body)) {
    sent += piece.length;
    if (sent > length) break;
    yield piece;
  }
  if (sent !== length) throw new Error(`Cannot pack ${path}: its length is not ${length} bytes`);
}

async function* bodyPieces(body: ArchiveEntry["body"]): AsyncGenerator<TarBytes> {
  if (typeof body === "string") yield utf8.encode(body);
  else if (body instanceof Uint8Array) {
    for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
  } else {
    const reader = body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      reader.releaseLock();
    }
  }
}

/** A header block. A path that it cannot hold is in the pax record before it. */
function headerBlock(
  path: string,
  length: number,
  mode: number,
  time: number,
  type: string,
): TarBytes {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (text: string, at: number) => block.set(utf8.encode(text), at);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  block.set(utf8.encode(path.replace(/[^\x20-\x7e]/g, "_")).subarray(0, MAX_HEADER_PATH_BYTES), 0);
  put(octal(mode, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(length, 11), 124);
  put(octal(time, 11), 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A pax record begins with its own length in bytes, the digits of the length included. */
function paxRecord(name: string, value: string): TarBytes {
  const rest = ` ${name}=${value}\n`;
  const bytes = utf8.encode(rest).length;
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length += 1;
  return utf8.encode(`${length}${rest}`);
}

function padding(length: number): TarBytes {
  return new Uint8Array((BLOCK_BYTES - length % BLOCK_BYTES) % BLOCK_BYTES);
}
