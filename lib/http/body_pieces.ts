/**
 * Reads a request body piece by piece, so that other requests are answered between its pieces. Pieces
 * that have arrived already are read without a turn of the event loop (Deno 2.9.6).
 */

import { openPieceReader, type Piece } from "../base/piece_reader.ts";
import { BODY_PIECE_BYTES, BODY_TURN_MS, CHUNK_READ_BYTES, FIRST_READ_BYTES } from "../limits.ts";

/** Reads one piece after the other. */
export interface BodyPieces {
  /** Returns the next piece; it is valid until the next call. */
  read(): Promise<BodyPiece>;
  /** Ends the body. Deno then removes the chunks that it has read ahead. */
  cancel(reason: unknown): Promise<void>;
}

/** One piece of a body. */
export interface BodyPiece extends Piece {
  /** Whether the piece had not arrived yet when it was requested. */
  readonly hasWaited: boolean;
}

/**
 * Starts to read a body. Other requests are answered between its pieces, however many there are.
 *
 * @param stream the body; it must not be locked
 * @param isChunked whether the length of the body is unknown
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { readPieces } from "./body_pieces.ts";
 *
 * const pieces = readPieces(new Response("text").body!);
 * strictEqual((await pieces.read()).value?.length, 4);
 * strictEqual((await pieces.read()).done, true);
 * ```
 */
export function readPieces(stream: ReadableStream<Uint8Array>, isChunked = false): BodyPieces {
  const reader = isChunked
    ? openPieceReader(stream, CHUNK_READ_BYTES, FIRST_READ_BYTES)
    : openPieceReader(stream, BODY_PIECE_BYTES);
  let turnEnd = performance.now() + BODY_TURN_MS;
  return {
    async read() {
      if (performance.now() >= turnEnd) {
        await new Promise((resolve) => setImmediate(resolve));
        turnEnd = performance.now() + BODY_TURN_MS;
      }
      let hasWaited = false;
      const turn = setImmediate(() => hasWaited = true);
      try {
        const { done, value, asked } = await reader.read();
        return { done, value, ...(asked !== undefined && { asked }), hasWaited };
      } finally {
        clearImmediate(turn);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  };
}
