/**
 * Reads bodies of requests and responses with a limit, so that no body can fill the memory of the
 * plugin's process.
 */

/** How much of a body is read, and what happens beyond. */
export interface BodyLimit {
  /** Longest body in bytes. */
  readonly maxBytes: number;
  /** Makes the error that is thrown for a longer body. */
  readonly tooLong: () => Error;
  /**
   * Called with the length of each piece in bytes before the piece is kept. It may throw to stop the
   * read, for instance if all requests together hold too much.
   */
  readonly onPiece?: (bytes: number) => void;
}

/** The part of a Request or Response that is read here. */
export type Message = Pick<Request | Response, "body" | "headers">;

/**
 * Reads a whole body.
 *
 * @throws the error of `tooLong`, if Content-Length or the body itself exceeds the limit; the rest of
 * the body is then cancelled
 *
 * @example
 * ```ts
 * import { rejects, strictEqual } from "node:assert/strict";
 * import { readBody } from "./read_body.ts";
 *
 * const limit = { maxBytes: 4, tooLong: () => new RangeError("more than 4 bytes") };
 * strictEqual((await readBody(new Response("text"), limit)).length, 4);
 * await rejects(readBody(new Response("texts"), limit), RangeError);
 * ```
 */
export async function readBody(
  message: Message,
  limit: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  return joinPieces(await readPieces(message, limit));
}

/**
 * Reads a whole body and keeps the pieces in which it arrived.
 *
 * @throws the error of `tooLong`, as {@link readBody} does
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { readPieces } from "./read_body.ts";
 *
 * const tooLong = () => new RangeError("too long");
 * const pieces = await readPieces(new Response("text"), { maxBytes: 10, tooLong });
 * strictEqual(pieces[0]?.length, 4);
 * ```
 */
export async function readPieces(
  { body, headers }: Message,
  { maxBytes, tooLong, onPiece }: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>[]> {
  if (Number(headers.get("content-length") ?? 0) > maxBytes) {
    await body?.cancel();
    throw tooLong();
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > maxBytes) throw tooLong();
    onPiece?.(piece.length);
    pieces.push(piece);
  }
  return pieces;
}

/**
 * Joins pieces of bytes.
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { joinPieces } from "./read_body.ts";
 *
 * deepStrictEqual(joinPieces([new Uint8Array([1]), new Uint8Array([2])]), new Uint8Array([1, 2]));
 * ```
 */
export function joinPieces(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
