/**
 * Long content in pieces that any number of responses share. The runtime holds what it was given
 * until it is sent: a view of the whole content would keep all of it in memory for each slow reader,
 * so each piece is a buffer of its own.
 */

import { STREAM_PIECE_BYTES } from "../limits.ts";

/** Content in pieces of at most {@link STREAM_PIECE_BYTES} bytes; must not be changed. */
export type Pieces = readonly Uint8Array<ArrayBuffer>[];

/**
 * Splits content into pieces.
 *
 * @param bytes the content; the result of a short one refers to it
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { splitIntoPieces } from "./pieces.ts";
 *
 * const pieces = splitIntoPieces(new Uint8Array(40_000));
 * deepStrictEqual(pieces.map(({ length }) => length), [16_384, 16_384, 7_232]);
 * ```
 */
export function splitIntoPieces(bytes: Uint8Array<ArrayBuffer>): Pieces {
  if (bytes.length <= STREAM_PIECE_BYTES) return [bytes];
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; at += STREAM_PIECE_BYTES) {
    pieces.push(bytes.slice(at, at + STREAM_PIECE_BYTES));
  }
  return pieces;
}

/**
 * Sends pieces as the body of a response, each when the client has taken the one before.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { splitIntoPieces, streamPieces } from "./pieces.ts";
 *
 * const pieces = splitIntoPieces(new TextEncoder().encode("x".repeat(40_000)));
 * strictEqual((await new Response(streamPieces(pieces)).text()).length, 40_000);
 * ```
 */
export function streamPieces(pieces: Pieces): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = pieces[next++];
      if (piece !== undefined) controller.enqueue(piece);
      if (next >= pieces.length) controller.close();
    },
  }, { highWaterMark: 0 });
}

/**
 * Sends a part of content that is in memory anyway as the body of a response. Only the piece that the
 * client receives is copied; `new Response(bytes)` would copy the whole part for each slow reader.
 *
 * @param bytes the part; must not be changed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { streamPart } from "./pieces.ts";
 *
 * const content = new TextEncoder().encode("x".repeat(40_000));
 * strictEqual((await new Response(streamPart(content.subarray(9))).text()).length, 39_991);
 * ```
 */
export function streamPart(
  bytes: Uint8Array<ArrayBuffer>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const end = Math.min(at + STREAM_PIECE_BYTES, bytes.length);
      if (end > at) controller.enqueue(bytes.slice(at, end));
      at = end;
      if (at === bytes.length) controller.close();
    },
  }, { highWaterMark: 0 });
}
