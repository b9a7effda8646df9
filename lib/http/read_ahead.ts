/**
 * Estimates what Deno has read ahead of a chunked request body. Before each piece Deno reads as many
 * bytes as the piece could have, whatever it has read before. It removes each chunk by copying the
 * rest to the front, and does so for all chunks at once if the client disconnects (2.9.6). One
 * client that sent chunks of one byte stopped the event loop for minutes in this way.
 */

import { isFullPiece } from "../base/piece_reader.ts";

/** Bytes of the framing of a chunk: its length, and two line breaks. */
const FRAMING_BYTES = 5;

/**
 * The estimate for one body. It is too high if the client sends slowly, and starts again whenever
 * the reader has caught up with the client.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { ReadAhead } from "./read_ahead.ts";
 *
 * const ahead = new ReadAhead();
 * strictEqual(ahead.add(1, 512, false) > 0, true);
 * strictEqual(ahead.add(507, 512, true) < 512, true);
 * ```
 */
export class ReadAhead {
  #ahead = 0;
  #consumed = 0;
  #chunks = 0;

  /**
   * Counts a piece.
   *
   * @param length length of the piece in bytes
   * @param asked longest piece that the read could return
   * @param hasWaited whether the piece was not there yet, so that nothing was read ahead
   * @returns bytes that Deno would copy in order to remove all chunks that it has read ahead
   */
  add(length: number, asked: number, hasWaited: boolean): number {
    if (hasWaited) this.#ahead = this.#consumed = this.#chunks = 0;
    const isEnd = !isFullPiece(length, asked);
    const consumed = isEnd ? length + FRAMING_BYTES : length;
    if (isEnd) this.#chunks++;
    this.#consumed += consumed;
    this.#ahead += Math.max(0, asked - consumed);
    return this.#ahead * this.#ahead * this.#chunks / (2 * this.#consumed);
  }
}
