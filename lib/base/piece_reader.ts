/**
 * Reads a byte stream piece by piece through one buffer. Deno allocates 64 KiB for each piece that a
 * default reader gets of a body, also for a chunk of one byte (2.9.6).
 */

/** Reads one piece after the other. */
export interface PieceReader {
  /** Returns the next piece; it is valid until the next call. */
  read(): Promise<Piece>;
  /** Ends the stream. */
  cancel(reason: unknown): Promise<void>;
}

/** What {@link PieceReader.read} returns. */
export interface Piece {
  readonly done: boolean;
  readonly value?: Uint8Array | undefined;
  /** Longest piece that this read could return, in bytes; undefined if the stream chose it. */
  readonly asked?: number;
}

/** After this many pieces in a row that fill the buffer, the next ones may be twice as long. */
const FULL_PIECES = 16;
/** Bytes of framing that can be missing in a piece that fills the buffer. */
const FRAMING_BYTES = 16;

/**
 * Starts to read a stream. A stream without BYOB reader is read with its own pieces.
 *
 * @param stream the stream; it must not be locked
 * @param maxBytes longest piece
 * @param firstBytes longest piece at first. Before each piece of a body Deno reads as many bytes ahead as
 * the piece could have (2.9.6), so short chunks need short reads
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { openPieceReader } from "./piece_reader.ts";
 *
 * const reader = openPieceReader(new Response("text").body!, 1024);
 * strictEqual((await reader.read()).value?.length, 4);
 * strictEqual((await reader.read()).done, true);
 * ```
 */
export function openPieceReader(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  firstBytes: number = maxBytes,
): PieceReader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch (error) {
    // Only a byte stream has a BYOB reader (WHATWG Streams §4.2.4).
    if (!(error instanceof TypeError) || stream.locked) throw error;
    return stream.getReader();
  }
  let buffer = new ArrayBuffer(maxBytes);
  let asked = firstBytes;
  let full = 0;
  return {
    async read() {
      const length = asked;
      const { done, value } = await reader.read(new Uint8Array(buffer, 0, length));
      // A cancelled read does not return the buffer. No read follows it.
      if (value === undefined) return { done, asked: length };
      buffer = value.buffer;
      full = isFullPiece(value.length, length) ? full + 1 : 0;
      if (full === FULL_PIECES) {
        full = 0;
        asked = Math.min(2 * asked, maxBytes);
      }
      return { done, value, asked: length };
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

/**
 * Whether a piece is as long as the read allowed, so that it is not the end of a chunk.
 *
 * @param length length of the piece in bytes
 * @param asked {@link Piece.asked}
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isFullPiece } from "./piece_reader.ts";
 *
 * strictEqual(isFullPiece(507, 512), true);
 * strictEqual(isFullPiece(100, 512), false);
 * ```
 */
export function isFullPiece(length: number, asked: number): boolean {
  return length >= asked - FRAMING_BYTES;
}
