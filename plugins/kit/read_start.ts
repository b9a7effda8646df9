/** Reads the first bytes of a body, for readers that need no more. */

import { joinPieces, type Message } from "./read_body.ts";

/**
 * Reads the first bytes of a body and cancels the rest.
 *
 * @returns at most `maxBytes` bytes, and whether they are the whole body
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { readStart } from "./read_start.ts";
 *
 * const { bytes, whole } = await readStart(new Response("some text"), 4);
 * deepStrictEqual([new TextDecoder().decode(bytes), whole], ["some", false]);
 * ```
 */
export async function readStart(
  { body }: Pick<Message, "body">,
  maxBytes: number,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; whole: boolean }> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    const left = maxBytes - length;
    pieces.push(piece.subarray(0, left));
    length += Math.min(piece.length, left);
    if (piece.length > left) return { bytes: joinPieces(pieces), whole: false };
  }
  return { bytes: joinPieces(pieces), whole: true };
}
