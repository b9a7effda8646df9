/**
 * Cursors: positions in the one order of all changes. A position is the number of a change and a random
 * id of the run of the server that published it. After a power loss the newest changes of a run can be
 * missing, and the next run uses their numbers again; the id of the run then tells the two apart.
 *
 * A cursor is the position in one encrypted block, so that a caller who sees some cursors does not
 * learn how many changes it cannot see. Equal positions have equal cursors.
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import { hmacSha256 } from "../base/hash.ts";

/** A position in the order of all changes. */
export interface CursorPosition {
  /** Number of the change, at least 1; 0 is the position before the first change. */
  readonly seq: number;
  /** Id of the run that published it: 8 lower-case hexadecimal digits. */
  readonly run: string;
}

/** Length of a block, and of a key, in bytes. */
const BLOCK = 16;
const CIPHER = "aes-128-ecb";
/** One block in base64url without padding. */
const CURSOR = /^[A-Za-z0-9_-]{22}$/;
/** The position before the first change has no run. */
export const NO_RUN = "00000000";

/** Formats and parses the cursors of one server. */
export class CursorCodec {
  readonly #cipher;
  readonly #decipher;

  /** @param key the signing key of the server */
  constructor(key: string) {
    const secret = hmacSha256(key, "cursors of changes").subarray(0, BLOCK);
    // A position is one block, so the mode of operation makes no difference. Without padding each
    // call returns its block.
    this.#cipher = createCipheriv(CIPHER, secret, null);
    this.#decipher = createDecipheriv(CIPHER, secret, null);
    this.#cipher.setAutoPadding(false);
    this.#decipher.setAutoPadding(false);
  }

  /** Formats a position. */
  format({ seq, run }: CursorPosition): string {
    const block = new DataView(new ArrayBuffer(BLOCK));
    block.setBigUint64(0, BigInt(seq));
    block.setUint32(8, parseInt(run, 16));
    const bytes = new Uint8Array(this.#cipher.update(new Uint8Array(block.buffer)));
    return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  }

  /** Parses a cursor; `undefined` if this server did not publish the text. */
  parse(text: string): CursorPosition | undefined {
    if (!CURSOR.test(text)) return undefined;
    const encrypted = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    const { buffer, byteOffset, length } = this.#decipher.update(encrypted);
    if (length !== BLOCK) return undefined;
    const block = new DataView(buffer, byteOffset, length);
    const seq = block.getBigUint64(0);
    // The last four bytes are 0 in every block that this server encrypted.
    if (block.getUint32(12) !== 0 || seq > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const run = block.getUint32(8).toString(16).padStart(8, "0");
    const position = { seq: Number(seq), run };
    // Base64 has unused bits, so two texts can mean one block.
    return this.format(position) === text ? position : undefined;
  }
}
