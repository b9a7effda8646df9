/**
 * Bytes put together. Runs in the server, its Workers and cells alike, so it leans on nothing but the
 * language.
 */

/**
 * Pieces as one.
 *
 * @param length what they come to, in bytes, where it is known already
 */
export function joinBytes(
  pieces: readonly Uint8Array[],
  length: number = pieces.reduce((sum, piece) => sum + piece.length, 0),
): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
