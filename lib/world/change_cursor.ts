/**
 * Cursors: positions in the one order of all changes. A position is the number of a change and a random
 * id of the run of the server that published it. After a power loss the newest changes of a run can be
 * missing, and the next run uses their numbers again; the id of the run then tells the two apart.
 *
 * A cursor is the position in one encrypted block, so that a caller who sees some cursors does not
 * learn how many changes it cannot see. Equal positions have equal cursors.
 */

import { hmacSha256 } from "../base/hash.ts";
import { nodeCrypto } from "../base/node_crypto.ts";

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

/** Encrypts and decrypts one block with one key. */
interface BlockCipher {
  readonly encrypt: (block: Uint8Array) => Uint8Array;
  readonly decrypt: (block: Uint8Array) => Uint8Array;
}

/**
 * Formats and parses the cursors of one server. A cursor gives no right, so one that was formatted with
 * a retired key stays valid: clients and plugins continue where they were.
 */
export class CursorCodec {
  readonly #cipher: BlockCipher;
  /** Of the retired keys, newest first. */
  readonly #retired: readonly BlockCipher[];

  /**
   * @param key the signing key of the server
   * @param retiredKeys earlier keys, oldest first
   */
  constructor(key: string, retiredKeys: readonly string[] = []) {
    this.#cipher = createBlockCipher(key);
    this.#retired = retiredKeys.map(createBlockCipher).reverse();
  }

  /** Formats a position. */
  format(position: CursorPosition): string {
    return formatWith(this.#cipher, position);
  }

  /** Parses a cursor; `undefined` if this server did not publish the text. */
  parse(text: string): CursorPosition | undefined {
    if (!CURSOR.test(text)) return undefined;
    const encrypted = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    for (const cipher of [this.#cipher, ...this.#retired]) {
      const position = parseBlock(cipher.decrypt(encrypted));
      // Base64 has unused bits, so two texts can mean one block.
      if (position !== undefined && formatWith(cipher, position) === text) return position;
    }
    return undefined;
  }
}

/** Creates a cipher, which is set up with its first use. */
function createBlockCipher(key: string): BlockCipher {
  let ciphers: ReturnType<typeof createCiphers> | undefined;
  const use = () => ciphers ??= createCiphers(key);
  return {
    encrypt: (block) => new Uint8Array(use().cipher.update(block)),
    decrypt: (block) => new Uint8Array(use().decipher.update(block)),
  };
}

function createCiphers(key: string) {
  const { createCipheriv, createDecipheriv } = nodeCrypto();
  const secret = hmacSha256(key, "cursors of changes").subarray(0, BLOCK);
  // A position is one block, so the mode of operation makes no difference. Without padding each call
  // returns its block.
  const cipher = createCipheriv(CIPHER, secret, null).setAutoPadding(false);
  const decipher = createDecipheriv(CIPHER, secret, null).setAutoPadding(false);
  return { cipher, decipher };
}

function formatWith(cipher: BlockCipher, { seq, run }: CursorPosition): string {
  const block = new DataView(new ArrayBuffer(BLOCK));
  block.setBigUint64(0, BigInt(seq));
  block.setUint32(8, parseInt(run, 16));
  const bytes = cipher.encrypt(new Uint8Array(block.buffer));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function parseBlock({ buffer, byteOffset, length }: Uint8Array): CursorPosition | undefined {
  if (length !== BLOCK) return undefined;
  const block = new DataView(buffer, byteOffset, length);
  const seq = block.getBigUint64(0);
  // The last four bytes are 0 in every block that this server encrypted.
  if (block.getUint32(12) !== 0 || seq > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const run = block.getUint32(8).toString(16).padStart(8, "0");
  return { seq: Number(seq), run };
}
