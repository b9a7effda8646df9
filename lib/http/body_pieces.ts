/**
 * Reads a body piece by piece through one buffer. Deno allocates 64 KiB for each piece of a request
 * body that a default reader gets, also for a chunk of one byte. Pieces that have arrived already are
 * read without a turn of the event loop, and each can take 0.3 ms if many have (2.9.6).
 */

import { BODY_PIECE_BYTES, BODY_TURN_MS } from "../limits.ts";

/** Reads one piece after the other. */
export interface BodyPieces {
  /** Returns the next piece; it is valid until the next call. */
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  /** Ends the body. */
  cancel(reason: unknown): Promise<void>;
}

/**
 * Starts to read a body. Other requests are answered between its pieces, however many there are.
 *
 * @param stream the body; it must not be locked
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
export function readPieces(stream: ReadableStream<Uint8Array>): BodyPieces {
  const reader = openReader(stream);
  let turnEnd = performance.now() + BODY_TURN_MS;
  return {
    async read() {
      if (performance.now() >= turnEnd) {
        await new Promise((resolve) => setImmediate(resolve));
        turnEnd = performance.now() + BODY_TURN_MS;
      }
      return await reader.read();
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

function openReader(stream: ReadableStream<Uint8Array>): BodyPieces {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch (error) {
    // Only a byte stream has a BYOB reader (WHATWG Streams §4.2.4).
    if (!(error instanceof TypeError) || stream.locked) throw error;
    return stream.getReader();
  }
  let buffer = new ArrayBuffer(BODY_PIECE_BYTES);
  return {
    async read() {
      const piece = await reader.read(new Uint8Array(buffer));
      // A cancelled read does not return the buffer. No read follows it.
      if (piece.value !== undefined) buffer = piece.value.buffer;
      return piece;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}
