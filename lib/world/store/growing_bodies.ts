/**
 * Joins appended bytes to the cached content of a world without copying the content each time: a long
 * content is copied once into a longer buffer, and later appends use the space at its end. Contents
 * that were returned before never change, because bytes before the end of a used part are never
 * written again.
 */

import { concatBytes } from "../../base/concat_bytes.ts";

/** Length in bytes from which a content gets a longer buffer. */
export const MIN_GROWING_BYTES = 64 * 1024;
/** Length of the new buffer, as a multiple of the content. */
const GROWTH = 1.25;

/** The buffers of one store. */
export class GrowingBodies {
  /** Number of used bytes of each buffer that has space at its end. */
  readonly #used = new WeakMap<ArrayBuffer, number>();

  /**
   * Returns `body` followed by `added`, which is a view of a longer buffer if it is long.
   *
   * @param body a content; it is not changed
   */
  append(body: Uint8Array<ArrayBuffer>, added: Uint8Array): Uint8Array<ArrayBuffer> {
    const length = body.length + added.length;
    if (length < MIN_GROWING_BYTES) return concatBytes([body, added], length);
    const { buffer, byteOffset } = body;
    // Two contents can end at the same place, after a copy of a world. Only the first append to one of
    // them uses the space behind it.
    const hasSpace = this.#used.get(buffer) === byteOffset + body.length &&
      byteOffset === 0 && length <= buffer.byteLength;
    const target = hasSpace ? buffer : new ArrayBuffer(Math.ceil(length * GROWTH));
    const bytes = new Uint8Array(target);
    if (!hasSpace) bytes.set(body);
    bytes.set(added, body.length);
    this.#used.set(target, length);
    return bytes.subarray(0, length);
  }
}
